"""What others do: hand edits, copies, foreign Services, stolen ports, webhooks, rows that were tampered with.

And other workers: without leases yet, a look may be older than what another one did.
"""

import pytest

from service.domain.exposure import SyncState
from service.domain.manifest import Mark
from service.domain.plan import Ref
from service.reconciler.strangers import Strangers
from tests.conftest import Clock
from tests.integration.reconciler_world import PORT, SteppingWorld, foreign_service, node_port_thief
from tests.postgres import Database

CHOSEN = [{"name": "http", "port": 80}]


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    return SteppingWorld(database, clock)


def test_what_was_deleted_by_hand_is_made_again(world: SteppingWorld) -> None:
    story = world.live()
    before = world.service(story)["metadata"]["uid"]
    world.cluster.remove("team-a", "hello")
    world.cycle()
    after = world.service(story)["metadata"]["uid"]
    assert before != after == world.record(story).sync.uid
    assert (story.events()[-1]["kind"], world.claimed()) == ("recreated", "bound")
    assert story.condition("Applied") == ("True", "InSync")


def test_a_hand_edit_is_healed_by_one_put(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"app": "mine"}))
    world.cycle(3)
    assert world.service(story)["spec"]["selector"] == {"app": "hello"}
    assert (world.written(), story.kinds().count("drift-healed")) == (["replace"], 1)


def test_a_stripped_mark_is_drift_and_comes_back(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.hand_edit(
        "team-a", "hello", lambda s: [s["metadata"].pop("annotations"), s["metadata"].pop("labels")]
    )
    world.cycle()
    mark = Mark.of(world.service(story))
    assert mark is not None
    assert mark.exposure_id == story.id


def test_a_hand_edit_between_read_and_put_is_not_overwritten_unseen(world: SteppingWorld) -> None:
    story = world.live()

    def edit(value: str) -> None:
        world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"app": value}))

    edit("one")
    world.cluster.before_next("replace", lambda: edit("two"))
    world.cycle()
    assert world.service(story)["spec"]["selector"] == {"app": "two"}
    world.cycle()
    assert world.service(story)["spec"]["selector"] == {"app": "hello"}


def test_a_copy_under_another_name_is_foreign_and_stays(world: SteppingWorld) -> None:
    story = world.live(type="ClusterIP", ports=[{"port": 80}])
    copy = world.service(story)
    copy["metadata"] = {**copy["metadata"], "name": "copy"}
    del copy["spec"]["clusterIP"]
    world.cluster.add_service(copy)
    story.delete()
    world.cycle(2)
    assert world.is_gone(story)
    assert world.cluster.peek("team-a", "copy") is not None


def test_a_copy_with_another_uid_is_foreign_and_never_deleted(world: SteppingWorld) -> None:
    story = world.live(type="ClusterIP", ports=[{"port": 80}])
    copy = world.service(story)
    world.cluster.remove("team-a", "hello")
    world.cluster.add_service(copy)
    world.cycle(2)
    assert story.condition("Applied") == ("False", "ForeignOwner")
    story.delete()
    world.cycle(2)
    assert story.status()["state"] == "Ended"
    assert world.cluster.peek("team-a", "hello") is not None
    assert world.written() == []


def test_a_foreign_service_is_told_once_and_never_touched(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.add_service(foreign_service(), manager="helm")
    before = world.service(story)
    for _ in range(10):
        world.later(minutes=10)
    assert story.condition("Applied") == ("False", "ForeignOwner")
    assert "team-a/hello" in story.message()
    assert "helm" in story.message()
    assert (story.kinds().count("apply-failed"), world.written()) == (1, [])
    assert world.service(story) == before


def test_a_foreign_service_that_comes_just_before_our_create_is_not_touched(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.before_next("create", lambda: world.cluster.add_service(foreign_service()))
    world.cycle()
    for _ in range(3):
        world.later(minutes=10)
    assert story.condition("Applied") == ("False", "ForeignOwner")
    assert (world.record(story).sync.create_tokens, world.written()) == ((), ["create"])
    assert story.kinds().count("apply-failed") == 1


def test_the_exposure_goes_on_when_the_foreign_service_is_gone(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.add_service(foreign_service())
    world.cycle(2)
    world.cluster.remove("team-a", "hello")
    world.later(seconds=2)
    assert (story.condition("Applied"), world.written()) == (("True", "InSync"), ["create"])


def test_a_withdrawn_request_leaves_the_foreign_service_of_its_name_alone(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.add_service(foreign_service())
    world.cycle()
    story.delete()
    world.cycle()
    assert (story.status()["state"], world.claimed(), world.written()) == ("Ended", "free", [])
    assert not world.is_gone(story)


def test_a_stolen_port_that_was_asked_for_needs_its_requester_and_names_the_thief(
    world: SteppingWorld,
) -> None:
    story = world.approved()
    world.cluster.add_namespace("team-b")
    world.cluster.add_service(node_port_thief())
    thief = world.cluster.peek("team-b", "thief")
    world.cycle()
    assert "team-b/thief" in story.message()
    assert str(PORT) in story.message()
    assert (story.status()["state"], world.record(story).sync.retryable) == ("NeedsRequester", False)
    assert world.cluster.peek("team-b", "thief") == thief
    assert story.events()[-1]["data"]["reason"] == "NodePortTaken"


def test_a_port_that_is_stolen_while_a_hand_edit_is_healed_names_the_thief_too(
    world: SteppingWorld,
) -> None:
    story = world.live()
    world.cluster.add_namespace("team-b")
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"]["ports"][0].update(nodePort=30020))
    world.cluster.add_service(node_port_thief())
    world.cycle()
    assert "team-b/thief" in story.message()
    assert "team-a/hello" not in story.message()
    assert world.service(story)["spec"]["ports"][0]["nodePort"] == 30020


def test_a_manifest_that_is_not_what_was_approved_is_never_sent(world: SteppingWorld) -> None:
    story = world.approved()
    world.tamper("UPDATE revision SET manifest = jsonb_set(manifest, '{spec,selector,app}', '\"evil\"')")
    world.cycle(3)
    assert (world.written(), world.claimed()) == ([], "held")
    assert story.condition("Applied") == ("False", "DigestMismatch")
    assert (world.record(story).sync.retryable, world.record(story).sync.create_tokens) == (False, ())


def test_a_live_manifest_that_was_tampered_with_heals_nothing(world: SteppingWorld) -> None:
    story = world.live()
    world.tamper("UPDATE revision SET manifest = jsonb_set(manifest, '{spec,selector,app}', '\"evil\"')")
    world.cycle(3)
    assert (world.written(), story.condition("Applied")) == ([], ("False", "DigestMismatch"))
    assert world.service(story)["spec"]["selector"] == {"app": "hello"}


def test_a_broken_manifest_stops_no_other_exposure(world: SteppingWorld) -> None:
    broken, other = world.approved(), world.request("other", ports=CHOSEN).approve()
    world.tamper("UPDATE revision SET manifest = '{}' WHERE exposure_id = :id", id=broken.id)
    world.cycle()
    assert other.condition("Applied") == ("True", "InSync")
    assert world.is_gone(broken)


def test_a_port_that_the_ledger_does_not_hold_any_more_is_not_sent(world: SteppingWorld) -> None:
    story = world.approved()
    other = world.request("other", ports=CHOSEN)
    world.tamper("UPDATE port_claim SET exposure_id = :id, name = 'other' WHERE port = 30007", id=other.id)
    world.cycle()
    assert world.written() == []
    assert story.status()["state"] == "NeedsRequester"
    assert f"{PORT} belongs to team-a/other" in story.message()


def test_what_the_cluster_changes_on_its_way_in_is_not_called_applied(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.mutate_writes(lambda s: s["spec"].update(selector={"app": "webhook"}))
    world.cycle(10)
    assert story.condition("Applied") == ("False", "ChangedByCluster")
    assert "spec.selector" in story.message()
    assert world.record(story).sync.uid == world.service(story)["metadata"]["uid"]
    assert (len(world.written()), "live" in story.kinds()) == (1, False)
    world.cluster.mutate_writes(None)
    world.later(seconds=2)
    assert story.condition("Applied") == ("True", "InSync")


def test_a_webhook_that_undoes_every_heal_makes_no_hot_loop(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.mutate_writes(lambda s: s["spec"].update(selector={"app": "webhook"}))
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"app": "mine"}))
    world.cycle(10)
    assert (world.written(), story.kinds().count("drift-healed")) == (["replace"], 0)


# Other workers.


def test_a_look_that_is_older_than_anothers_create_makes_no_second_one(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.before_next("nodes", world.cycle)  # the other worker creates after our list, before we read
    world.cycle(2)
    assert (world.written(), story.kinds().count("live")) == (["create"], 1)
    assert story.condition("Applied") == ("True", "InSync")
    assert world.record(story).sync.uid == world.service(story)["metadata"]["uid"]


def test_a_look_that_is_older_than_anothers_new_create_calls_it_no_stranger(world: SteppingWorld) -> None:
    story = world.live()

    def other() -> None:
        world.cluster.remove("team-a", "hello")
        world.cycle()

    world.cluster.before_next("nodes", other)
    world.cycle()
    assert "apply-failed" not in story.kinds()
    assert world.record(story).sync.uid == world.service(story)["metadata"]["uid"]


def test_of_two_creates_at_once_one_wins_and_nobody_is_called_a_stranger(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.before_next("create", world.cycle)  # the other worker passes us before ours arrives
    world.cycle(2)
    assert "apply-failed" not in story.kinds()
    assert story.kinds().count("live") == 1
    assert world.record(story).sync.uid == world.service(story)["metadata"]["uid"]


def test_readiness_that_was_seen_before_the_end_is_not_written_after_it(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.set_ingress("team-a", "hello", "198.51.100.7")
    story.delete()
    world.cycle()
    record = world.record(story)
    assert (record.sync.state, record.sync.ingress, record.sync.ready_endpoints) == (SyncState.REMOVED, (), 0)


def test_a_live_manifest_that_is_broken_stops_no_sweep(world: SteppingWorld) -> None:
    broken = world.live()
    world.tamper("UPDATE revision SET manifest = '{}' WHERE exposure_id = :id", id=broken.id)
    other = world.request("other", ports=CHOSEN).approve()
    world.cycle()
    assert other.condition("Applied") == ("True", "InSync")


def test_what_moves_behind_a_strangers_service_costs_no_look_at_everything(world: SteppingWorld) -> None:
    world.cluster.add_namespace("team-b")
    world.cluster.add_service(node_port_thief())
    world.looker.list_all()
    strangers, thief = Strangers("dev", world.cluster, world.edge), Ref("team-b", "thief")

    def is_strange() -> bool:
        look = world.looker.cache.look()
        assert look is not None
        return strangers.are_among([thief], look, {})

    look = world.looker.cache.look()
    assert look is not None
    strangers.bring_in(look, {})
    world.cluster.add_endpoints("team-b", "thief")
    world.looker.list_all()
    assert not is_strange()
    world.cluster.remove("team-b", "thief")
    world.looker.list_all()
    assert is_strange()
