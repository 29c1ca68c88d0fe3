"""How an exposure goes: the Service first, then its port to cooling, and nothing is left behind."""

from functools import partial

import pytest

from service.domain.errors import WriteRefused
from service.domain.exposure import SyncState
from service.domain.manifest import Mark
from tests.conftest import Clock
from tests.integration.reconciler_world import COOLING, PORT, SteppingWorld, Story
from tests.postgres import Database


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    return SteppingWorld(database, clock)


def assert_ended(world: SteppingWorld, story: Story, reason: str = "Deleted") -> None:
    status, sync = story.status(), world.record(story).sync
    assert (status["state"], status["reason"], status["access"]) == ("Ended", reason, [])
    assert world.is_gone(story)
    assert (sync.state, sync.uid, sync.create_tokens, sync.reason) == (SyncState.REMOVED, None, (), None)
    assert status["live"] is None
    assert story.kinds().count("removed") == 1


def test_a_deleted_exposure_leaves_no_service_and_a_port_that_cools(world: SteppingWorld) -> None:
    story = world.live()
    assert story.delete()["state"] == "Ending"
    world.cycle()
    assert_ended(world, story)
    claim = world.claim()
    assert claim is not None
    assert (claim.state, claim.until) == ("cooling", world.clock() + COOLING)
    assert world.written() == ["delete"]
    assert story.events()[-1]["data"]["cooling"] == [PORT]


def test_a_delete_carries_uid_and_version_so_a_hand_edit_in_between_costs_only_one_more_look(
    world: SteppingWorld,
) -> None:
    story = world.live()
    story.delete()
    world.cluster.before_next(
        "delete",
        lambda: world.cluster.hand_edit("team-a", "hello", lambda s: s["metadata"].update(labels={})),
    )
    world.cycle()
    assert (story.status()["state"], world.claimed(), world.is_gone(story)) == ("Ending", "bound", False)
    world.cycle()
    assert_ended(world, story)


def test_while_a_finalizer_keeps_it_the_exposure_is_ending_and_the_port_stays_bound(
    world: SteppingWorld,
) -> None:
    story = world.live()
    world.cluster.hand_edit(
        "team-a", "hello", lambda s: s["metadata"].update(finalizers=["example.com/slow"])
    )
    story.delete()
    for _ in range(5):
        world.later(seconds=10)
    assert (story.status()["state"], world.claimed()) == ("Ending", "bound")
    assert world.written() == ["delete"]
    assert story.condition("Applied") == ("False", "Terminating")
    assert "example.com/slow keeps it" in story.message()
    assert story.kinds().count("removal-failed") == 1
    world.cluster.hand_edit("team-a", "hello", lambda s: s["metadata"].pop("finalizers"))
    world.cycle()
    assert_ended(world, story)
    assert world.claimed() == "cooling"


def test_a_live_service_that_finalizers_keep_is_told_of_healed_and_made_again_when_it_is_gone(
    world: SteppingWorld,
) -> None:
    story = world.live()
    keep = {"finalizers": ["example.com/slow"]}
    world.cluster.hand_edit("team-a", "hello", lambda s: s["metadata"].update(keep))
    world.cluster.remove("team-a", "hello")
    world.cycle()
    assert (story.status()["state"], story.condition("Applied")) == ("Degraded", ("False", "Terminating"))
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"app": "thief"}))
    world.later(seconds=10)
    assert world.service(story)["spec"]["selector"] == {"app": "hello"}
    world.cluster.hand_edit("team-a", "hello", lambda s: s["metadata"].pop("finalizers"))
    for _ in range(2):
        world.later(seconds=10)
    assert story.condition("Applied") == ("True", "InSync")
    assert "recreated" in story.kinds()


def test_what_somebody_deleted_by_hand_before_settles_without_a_write(world: SteppingWorld) -> None:
    story = world.live()
    story.delete()
    world.cluster.remove("team-a", "hello")
    world.cycle()
    assert_ended(world, story)
    assert (world.written(), world.claimed()) == ([], "cooling")


def test_gone_between_the_look_and_the_delete_is_gone(world: SteppingWorld) -> None:
    story = world.live()
    story.delete()
    world.cluster.before_next("delete", lambda: world.cluster.remove("team-a", "hello"))
    world.cycle()
    assert_ended(world, story)


def test_deleting_twice_is_deleting_once(world: SteppingWorld) -> None:
    story = world.live()
    story.delete()
    assert story.delete()["state"] == "Ending"
    world.cycle()
    assert story.delete()["state"] == "Ended"
    world.cycle(2)
    assert_ended(world, story)
    assert story.kinds().count("removal-requested") == 1


@pytest.mark.parametrize("approved", [False, True])
def test_what_was_never_sent_ends_at_once_and_its_port_is_free(world: SteppingWorld, approved: bool) -> None:
    story = world.approved() if approved else world.request()
    status = story.delete()
    assert (status["state"], status["reason"], world.claimed()) == ("Ended", "Withdrawn", "free")
    assert world.cycle(2) == 0
    assert world.written() == []


def test_a_delete_between_the_bound_commit_and_the_call_ends_with_nothing(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.before_next("create", story.delete)
    world.cycle(2)
    assert_ended(world, story, "Withdrawn")
    assert (world.claimed(), world.written()) == ("cooling", ["create", "delete"])
    assert "live" not in story.kinds()


def test_a_delete_between_the_call_and_its_record_ends_with_nothing(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.after_next_create(story.delete)
    world.cycle(2)
    assert_ended(world, story, "Withdrawn")
    assert (world.claimed(), world.written()) == ("cooling", ["create", "delete"])


def test_a_name_is_free_again_once_its_exposure_has_ended(world: SteppingWorld) -> None:
    first = world.live()
    first.delete()
    world.cycle()
    second = world.approved()
    world.cycle()
    mark = Mark.of(world.service(second))
    assert mark is not None
    assert mark.exposure_id == second.id
    assert world.claimed() == "bound"


def test_a_delete_after_the_ledger_was_read_and_before_the_row_is_locked_sends_nothing(
    world: SteppingWorld,
) -> None:
    story = world.approved()
    acts = [story.delete]
    world.edge = world.edge_with(monotonic=lambda: acts.pop()() and 0.0 if acts else 0.0)
    world.cycle(2)
    assert (story.status()["state"], world.written(), world.claimed()) == ("Ended", [], "free")


def test_a_delete_while_a_create_is_being_refused_ends_at_the_next_look(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.before_next("create", story.delete)
    world.cluster.refuse_next("create", WriteRefused("never"))
    world.cycle(2)
    assert_ended(world, story, "Withdrawn")
    assert "apply-failed" not in story.kinds()


def test_a_lost_create_that_did_arrive_is_removed_without_waiting_for_it(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.lose_answer_of("create")
    world.cycle()
    story.delete()
    world.cycle()
    world.cycle()
    assert_ended(world, story, "Withdrawn")
    assert world.claimed() == "cooling"


@pytest.mark.parametrize("moment", ["before the delete", "after the delete"])
def test_a_resume_while_the_service_is_being_removed_ends_with_the_service(
    world: SteppingWorld, moment: str
) -> None:
    story = world.live()
    story.post("suspend")
    resume = partial(story.post, "resume")
    late = partial(world.cluster.before_next, "service", resume)
    world.cluster.before_next("delete", resume if moment == "before the delete" else late)

    world.cycle(2)

    assert world.service(story)["spec"]["ports"][0]["nodePort"] == PORT
    assert story.condition("Applied") == ("True", "InSync")
    assert world.claimed() == "bound"
