"""Services of ours whose exposure has ended: reported, removed later, never too many, and never a copy."""

from copy import deepcopy

import pytest
from sqlalchemy import text

from service.domain.cluster import Mode
from service.domain.errors import ClusterAway
from service.domain.spec import Document
from service.store.identities import Cluster
from tests.conftest import Clock
from tests.integration.api_world import POOL
from tests.integration.reconciler_world import Looker, SteppingWorld, Story
from tests.postgres import Database

FREE: Document = {"ports": [{"name": "http", "port": 80, "target_port": 8080, "protocol": "TCP"}]}
"""A port whose number the ledger chooses."""

FOREIGN_MARK = "00000000-0000-0000-0000-00000000000a"


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    return SteppingWorld(database, clock)


def orphaned(world: SteppingWorld, *names: str) -> list[Story]:
    """Return exposures that have ended, and whose first creates arrive only now."""
    stories = [world.request(name, **FREE).approve() for name in names or ("hello",)]
    for _ in stories:
        world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle()
    tokens = [world.record(story).sync.create_tokens[0] for story in stories]
    for story in stories:
        story.delete()
    for _ in range(3):
        world.later(minutes=10)
    assert {story.status()["state"] for story in stories} == {"Ended"}
    for story, token in zip(stories, tokens, strict=True):
        world.late_create(story, token)
    return stories


def counts(world: SteppingWorld) -> tuple[int, int, int]:
    """Return how many orphans, strangers and withheld removals the platform sees."""
    with world.transaction() as session:
        row = session.execute(text("SELECT orphans, strangers, withheld FROM cluster_view")).one()
    return row.orphans, row.strangers, row.withheld


def noted(world: SteppingWorld, kind: str) -> int:
    with world.transaction() as session:
        query = text("SELECT count(*) FROM audit_event WHERE kind = :kind")
        return int(session.execute(query, {"kind": kind}).scalar_one())


def test_an_orphan_is_reported_at_once_and_removed_after_its_grace(world: SteppingWorld) -> None:
    [story] = orphaned(world)
    world.cycle()
    assert (counts(world), noted(world, "orphan-seen")) == ((1, 0, 0), 1)
    world.cycle(3)
    assert not world.is_gone(story), "its minute is not over"
    world.later(seconds=61)
    assert world.is_gone(story)
    assert story.kinds()[-1] == "orphan-removed"
    world.cycle()
    assert (counts(world), noted(world, "orphan-seen")) == ((0, 0, 0), 1)


def copy_of(world: SteppingWorld, story: Story, name: str, **annotations: str) -> None:
    """Let somebody make a copy of a Service of ours."""
    service = deepcopy(world.service(story))
    metadata: Document = service["metadata"]
    service["metadata"] = {
        "namespace": metadata["namespace"],
        "name": name,
        "labels": metadata["labels"],
        "annotations": metadata["annotations"] | annotations,
    }
    service["spec"] = {"type": "ClusterIP", "selector": {"app": "x"}, "ports": [{"port": 80}]}
    world.cluster.add_service(service)


def test_copies_and_strangers_are_counted_and_never_removed(world: SteppingWorld) -> None:
    story = world.live()
    copy_of(world, story, "copy")
    copy_of(world, story, "stranger", **{"wharfinger.dev/exposure-id": FOREIGN_MARK})
    for _ in range(4):
        world.later(minutes=5)
    assert counts(world) == (0, 2, 0)
    assert world.written() == []


def test_a_copy_stays_when_the_exposure_has_ended(world: SteppingWorld) -> None:
    story = world.live()
    copy_of(world, story, "copy")
    story.delete()
    for _ in range(4):
        world.later(minutes=5)
    assert world.cluster.peek("team-a", "copy") is not None


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.UPSERT_ONLY])
def test_only_in_sync_mode_they_are_removed(world: SteppingWorld, mode: Mode) -> None:
    [story] = orphaned(world)
    world.looker = Looker(world.cluster, world.edge, settings=Cluster("dev", None, POOL, mode=mode))
    for _ in range(4):
        world.later(minutes=5)
    assert not world.is_gone(story)
    assert counts(world) == (1, 0, 0)


def test_one_that_changed_hands_before_the_removal_is_left_alone(world: SteppingWorld) -> None:
    [story] = orphaned(world)
    world.cycle(2)

    def replace() -> None:
        world.cluster.remove("team-a", "hello")
        world.cluster.add_service(
            {"metadata": {"namespace": "team-a", "name": "hello"}, "spec": {"ports": [{"port": 80}]}}
        )

    world.cluster.before_next("service", replace)
    world.later(seconds=61)
    assert not world.is_gone(story)


def test_many_at_once_wait_until_a_person_releases_them(world: SteppingWorld) -> None:
    stories = orphaned(world, *(f"n{number}" for number in range(5)))
    world.cycle()
    for _ in range(3):
        world.later(minutes=2)
    assert counts(world) == (5, 0, 5)
    assert noted(world, "removals-withheld") == 1
    assert not any(world.is_gone(story) for story in stories)
    world.tamper("UPDATE cluster SET brake_released_at = :now", now=world.now())
    world.later(seconds=61)
    assert all(world.is_gone(story) for story in stories)


def test_what_another_installation_has_does_not_make_ours_seem_few(
    world: SteppingWorld,
) -> None:
    for number in range(25):
        neighbour = world.request(f"neighbour-{number}", **FREE).approve()
        world.cycle()
        copy_of(world, neighbour, f"stranger-{number}", **{"wharfinger.dev/exposure-id": FOREIGN_MARK})
        neighbour.delete()
        world.cycle(2)
    orphaned(world, *(f"n{number}" for number in range(5)))
    world.cycle()
    world.later(minutes=2)
    assert counts(world) == (5, 25, 5)


def test_one_whose_mark_was_taken_off_before_the_removal_is_left_alone(world: SteppingWorld) -> None:
    [story] = orphaned(world)
    world.cycle(2)

    def take_off() -> None:
        world.cluster.hand_edit("team-a", "hello", lambda s: s["metadata"].update(annotations={}))

    world.cluster.before_next("service", take_off)
    world.later(seconds=61)
    assert not world.is_gone(story)
