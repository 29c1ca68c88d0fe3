"""The mark of the ledger in the cluster: an older database, a copy or another one writes nothing."""

import pytest
from sqlalchemy import text

from service.domain.errors import WriteForbidden
from service.domain.spec import Document
from tests.conftest import Clock
from tests.integration.reconciler_world import SteppingWorld, Story
from tests.postgres import Database

MARK = ("wharfinger", "wharfinger-ledger-wharfinger")


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    return SteppingWorld(database, clock)


def mark(world: SteppingWorld) -> Document:
    """Return what the mark says."""
    found = world.cluster.config_map(*MARK)
    assert found is not None
    return dict(found["data"])


def overwrite(world: SteppingWorld, **data: str) -> None:
    """Let another installation write the mark."""
    found = world.cluster.config_map(*MARK)
    assert found is not None
    found["data"] |= data
    world.cluster.put_config_map(found)
    world.clock.advance(seconds=10)  # until it is read again though nothing is to be done


def newest_event(world: SteppingWorld) -> tuple[str, str]:
    with world.transaction() as session:
        row = session.execute(text("SELECT id, hash FROM event ORDER BY id DESC LIMIT 1")).one()
    return str(row.id), row.hash


def is_frozen(story: Story) -> bool:
    return story.condition("Applied") == ("Unknown", "LedgerBehindCluster")


def test_before_anything_is_done_the_mark_names_the_event_that_it_comes_from(world: SteppingWorld) -> None:
    world.approved()
    event_id, event_hash = newest_event(world)
    seen: list[Document] = []
    world.cluster.before_next("create", lambda: seen.append(mark(world)))
    world.cycle()
    assert [(found["event"], found["hash"]) for found in seen] == [(event_id, event_hash)]


def test_where_nothing_is_to_be_done_the_mark_is_not_written(world: SteppingWorld) -> None:
    world.live()
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"a": "b"}))
    world.cycle()
    world.cluster.calls.clear()
    world.cycle()
    assert [call.method for call in world.cluster.calls if "config_map" in call.method] == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"ledger": "00000000-0000-0000-0000-000000000001"}, "Another ledger"),
        ({"event": "999999999"}, "restored from an older state"),
        ({"hash": "sha256:00"}, "a copy"),
    ],
    ids=["another", "older", "copy"],
)
def test_a_ledger_that_is_not_the_clusters_writes_nothing(
    world: SteppingWorld, data: dict[str, str], said: str
) -> None:
    story = world.live()
    overwrite(world, **data)
    world.cluster.calls.clear()
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"a": "b"}))
    world.cycle(3)
    assert world.written() == []
    assert is_frozen(story)
    assert said in story.message()
    assert "wharfinger cluster accept-ledger dev" in story.message()
    assert story.status()["state"] == "Degraded"


def test_a_ledger_that_is_behind_by_the_very_write_that_it_begins_does_not_begin_it(
    world: SteppingWorld,
) -> None:
    story = world.live()
    overwrite(world, hash="sha256:00", event="999999999")
    world.clock.advance(seconds=-10)  # nobody has looked since
    story.delete()
    world.cycle()
    assert world.written() == []


def test_a_heal_meets_what_another_ledger_wrote_a_moment_ago(world: SteppingWorld) -> None:
    story = world.live()
    other = world.request("other", ports=[{"port": 80}]).approve()
    world.cycle()
    other.delete()
    world.cycle()
    world.cluster.calls.clear()  # the other one took the mark further than anything of this one
    overwrite(world, hash="sha256:00")
    world.clock.advance(seconds=-10)  # nobody has looked since
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"a": "b"}))
    world.cycle(2)
    assert world.written() == []
    assert is_frozen(story)


def test_an_operator_lets_it_go_on(world: SteppingWorld) -> None:
    story = world.live()
    overwrite(world, ledger="00000000-0000-0000-0000-000000000001")
    world.cycle()
    assert is_frozen(story)
    world.tamper("UPDATE cluster SET accept_ledger = true")
    world.cycle(2)
    assert story.condition("Applied") == ("True", "InSync")
    story.delete()
    world.cycle(2)
    assert world.is_gone(story)


def test_an_acceptance_counts_once(world: SteppingWorld) -> None:
    story = world.live()
    for times in range(2):
        overwrite(world, ledger=f"00000000-0000-0000-0000-00000000000{times + 1}")
        world.cycle()
        assert is_frozen(story)
        world.tamper("UPDATE cluster SET accept_ledger = true")
        world.cycle(2)
        assert not is_frozen(story)


def test_what_the_ledger_says_of_it_is_an_event(world: SteppingWorld) -> None:
    world.live()
    overwrite(world, ledger="00000000-0000-0000-0000-000000000001")
    world.cycle(3)
    world.tamper("UPDATE cluster SET accept_ledger = true")
    world.cycle(3)
    with world.transaction() as session:
        kinds = session.scalars(text("SELECT kind FROM audit_event ORDER BY id")).all()
    told = [kind for kind in kinds if kind.startswith("ledger")]
    assert told == ["ledger-behind-cluster", "ledger-accepted"]


@pytest.mark.parametrize("method", ["config_map", "put_config_map"])
def test_without_the_right_to_keep_the_mark_nothing_is_written(world: SteppingWorld, method: str) -> None:
    story = world.approved()
    world.cluster.refuse_next(method, WriteForbidden("configmaps is forbidden"))
    world.cycle()
    assert world.written() == []
    assert "configmaps is forbidden" in story.message()
    world.cycle()
    assert story.condition("Applied") == ("True", "InSync")


def test_drift_that_could_not_be_marked_is_healed_at_the_next_look_without_a_list(
    world: SteppingWorld,
) -> None:
    world.live()
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"a": "b"}))
    world.looker.list_all()
    world.cluster.refuse_next("put_config_map", WriteForbidden("configmaps is forbidden"))
    world.looker.look(listing=False)
    assert world.written() == []
    world.looker.look(listing=False)
    assert world.written() == ["replace"]


def test_as_long_as_the_mark_cannot_be_written_whoever_waits_is_told_why(world: SteppingWorld) -> None:
    story = world.approved()
    for _ in range(3):
        world.cluster.refuse_next("put_config_map", WriteForbidden("configmaps is forbidden"))
        world.cycle()
        assert "configmaps is forbidden" in story.message()
        assert "the right to write ConfigMaps" in story.message()


def test_a_mark_that_cannot_be_written_any_more_is_told_too(world: SteppingWorld) -> None:
    story = world.live()
    story.delete()
    for _ in range(2):
        world.cluster.refuse_next("put_config_map", WriteForbidden("configmaps is forbidden"))
        world.cycle()
        assert "configmaps is forbidden" in story.message()
    tag = story.etag()
    world.cluster.refuse_next("put_config_map", WriteForbidden("configmaps is forbidden"))
    world.cycle()
    assert story.etag() == tag
    world.cycle(2)
    assert world.is_gone(story)


def test_an_acceptance_that_nothing_asked_for_does_not_wait_for_another_ledger(world: SteppingWorld) -> None:
    story = world.live()
    world.tamper("UPDATE cluster SET accept_ledger = true")
    world.clock.advance(seconds=10)
    world.cycle()
    overwrite(world, ledger="00000000-0000-0000-0000-000000000001")
    world.cycle(2)
    assert is_frozen(story)


def test_the_mark_of_a_later_holder_of_the_lease_never_goes_back(world: SteppingWorld) -> None:
    story = world.live()
    story.delete()
    world.request("other", ports=[{"port": 80, "node_port": 30008}])
    event_id, event_hash = newest_event(world)

    def be_faster() -> None:
        overwrite(world, event=event_id, hash=event_hash)

    world.cluster.before_next("put_config_map", be_faster)
    world.cycle()
    assert mark(world)["event"] == event_id
    assert world.written() == ["delete"]


def test_a_database_that_was_restored_since_the_mark_was_read_writes_nothing(world: SteppingWorld) -> None:
    story = world.live()
    seen = mark(world)
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"a": "b"}))
    world.tamper("DELETE FROM event WHERE id >= :id", id=int(seen["event"]))
    world.cycle()
    assert world.written() == []
    assert "restored from an older state" in story.message()
