"""What becomes of an exposure when the cluster or the worker itself fails. Real rows, a stepping clock."""

import itertools
from datetime import datetime
from itertools import count

import pytest

from service.cluster.gateway import Change, ChangeKind, Kind
from service.domain.errors import ClusterAway, ObjectExists, Unavailable, WriteForbidden, WriteRefused
from service.domain.exposure import SyncState
from service.reconciler.backoff import CAP_SECONDS
from service.reconciler.recording import IN_FLIGHT
from tests.conftest import Clock
from tests.integration.reconciler_world import SteppingWorld, seconds
from tests.postgres import Database

CHOSEN = [{"name": "http", "port": 80}]


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    return SteppingWorld(database, clock)


# A create whose answer was lost.


def test_a_create_whose_answer_was_lost_is_confirmed_not_repeated(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.lose_answer_of("create")
    world.cycle()
    lost = world.record(story).sync
    assert (lost.state, lost.uid, len(lost.create_tokens)) == (SyncState.APPLYING, None, 1)
    world.later(seconds=2)
    sync = world.record(story).sync
    assert (sync.state, sync.uid) == (SyncState.IN_SYNC, world.service(story)["metadata"]["uid"])
    assert (sync.create_tokens, sync.next_attempt_at) == ((), None)
    assert (world.written(), story.kinds().count("live")) == (["create"], 1)


def test_a_lost_create_that_arrives_before_the_next_one_is_ours_and_no_clash(world: SteppingWorld) -> None:
    story = world.approved()
    sent = []
    world.cluster.before_next("create", lambda: world.cluster.refuse_next("create", ClusterAway("no answer")))
    world.cycle()
    [token] = world.record(story).sync.create_tokens
    assert world.is_gone(story)
    world.cluster.before_next("create", lambda: sent.append(world.late_create(story, token)))
    world.later(seconds=2)
    world.later(seconds=2)
    assert (
        world.record(story).sync.uid == world.service(story)["metadata"]["uid"] == sent[0]["metadata"]["uid"]
    )
    assert story.condition("Applied") == ("True", "InSync")
    assert "ForeignOwner" not in [event["data"].get("reason") for event in story.events()]


def test_while_a_lost_create_may_still_arrive_nothing_is_released(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle()
    story.delete()
    world.cycle(3)
    assert (story.status()["state"], world.claimed()) == ("Ending", "bound")
    assert story.condition("Applied") == ("False", "CreateInFlight")
    world.later(seconds=IN_FLIGHT.total_seconds() + 1)
    assert (story.status()["state"], world.claimed()) == ("Ended", "cooling")
    assert world.written() == ["create"]


def test_a_lost_create_that_arrives_after_the_withdrawal_is_deleted(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle()
    [token] = world.record(story).sync.create_tokens
    story.delete()
    world.cycle()
    world.late_create(story, token)
    world.later(seconds=IN_FLIGHT.total_seconds() + 1)
    world.later(seconds=1)
    assert (story.status()["state"], world.claimed(), world.is_gone(story)) == ("Ended", "cooling", True)
    assert world.written() == ["create", "delete"]


def test_an_earlier_lost_create_may_arrive_after_a_later_one_was_applied_and_removed(
    world: SteppingWorld,
) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle()
    [lost] = world.record(story).sync.create_tokens
    world.later(seconds=2)
    assert story.condition("Applied") == ("True", "InSync")
    story.delete()
    world.cycle()
    assert (world.is_gone(story), world.claimed()) == (True, "bound")
    world.late_create(story, lost)
    world.later(seconds=IN_FLIGHT.total_seconds() + 1)
    world.later(seconds=1)
    assert (story.status()["state"], world.claimed(), world.is_gone(story)) == ("Ended", "cooling", True)


def test_a_process_that_stood_still_before_the_call_does_not_send_it(world: SteppingWorld) -> None:
    story = world.approved()
    frozen = count(0.0, 9.0)  # between any two looks at the clock
    world.edge = world.edge_with(monotonic=lambda: next(frozen))
    world.cycle()
    assert (world.written(), world.claimed()) == ([], "bound")
    assert "to get ready for a write" in story.message()
    world.edge = world.edge_with(monotonic=lambda: 0.0)
    world.later(seconds=2)
    assert story.condition("Applied") == ("True", "InSync")


# Writes that the cluster refuses.


def test_a_create_refused_for_good_says_why_and_is_not_retryable(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", WriteRefused('Service "hello" is invalid: spec.selector: too fancy'))
    world.cycle()
    sync = world.record(story).sync
    assert (sync.state, sync.retryable, sync.create_tokens) == (SyncState.FAILED, False, ())
    assert story.condition("Applied") == ("False", "Refused")
    assert "spec.selector: too fancy" in story.message()
    assert story.status()["state"] == "Degraded"
    failure = story.events()[-1]
    assert (failure["kind"], failure["data"]["reason"]) == ("apply-failed", "Refused")


def test_a_create_that_is_always_refused_backs_off_to_the_cap_and_tells_it_once(
    world: SteppingWorld,
) -> None:
    story = world.approved()
    sent_at: list[datetime] = []
    for _ in range(11):
        world.cluster.refuse_next("create", WriteRefused("never"))
    fulls = [min(2.0**attempt, CAP_SECONDS) for attempt in range(10)]
    for full in (0, *fulls):
        # One look just before the half of a pause: whatever came too early would come now.
        if full > 4 and world.later(seconds=full / 2 - 1):
            sent_at.append(world.clock())
            continue
        while not world.later(seconds=1):
            pass
        sent_at.append(world.clock())
    pauses = [seconds(later, earlier) for earlier, later in itertools.pairwise(sent_at)]
    for full, pause in zip(fulls, pauses, strict=True):
        assert full / 2 <= pause <= full + 1
    assert max(pauses) <= CAP_SECONDS + 1
    assert story.kinds().count("apply-failed") == 1


def test_no_time_no_second_attempt(world: SteppingWorld) -> None:
    world.approved()
    world.cluster.refuse_next("create", WriteRefused("never"))
    world.cycle(20)
    assert world.written() == ["create"]


def test_what_fails_in_a_way_nobody_foresaw_rests_like_any_failure(world: SteppingWorld) -> None:
    story, other = world.approved(), world.request("other", ports=CHOSEN).approve()
    world.cluster.refuse_next("create", ZeroDivisionError("a fault of ours"))
    world.cycle(20)
    assert world.written() == ["create", "create"]
    reasons = {each.condition("Applied")[1] for each in (story, other)}
    assert reasons == {"Unexpected", "InSync"}  # of two of one time either is the first
    world.later(seconds=2)
    assert story.condition("Applied") == other.condition("Applied") == ("True", "InSync")


@pytest.mark.parametrize("right", ["quota", "namespace"])
def test_what_is_forbidden_or_missing_works_again_when_its_cause_ends(
    world: SteppingWorld, right: str
) -> None:
    story = world.approved()
    if right == "quota":
        world.cluster.refuse_next("create", WriteForbidden("exceeded quota: services"))
    else:
        world.cluster.forget_namespace("team-a")
    world.cycle()
    sync = world.record(story).sync
    assert (sync.state, sync.retryable) == (SyncState.FAILED, True)
    assert ("exceeded quota" if right == "quota" else 'namespaces "team-a" not found') in story.message()
    world.cluster.add_namespace("team-a")
    world.later(seconds=2)
    assert story.condition("Applied") == ("True", "InSync")
    assert world.record(story).sync.reason is None


def test_a_delete_that_is_forbidden_keeps_the_port_and_works_later(world: SteppingWorld) -> None:
    story = world.live()
    story.delete()
    world.cluster.refuse_next("delete", WriteForbidden("no right to delete"))
    world.cycle(5)
    assert (story.status()["state"], world.claimed(), world.written()) == ("Ending", "bound", ["delete"])
    assert story.events()[-1]["kind"] == "removal-failed"
    world.later(seconds=2)
    assert (story.status()["state"], world.claimed()) == ("Ended", "cooling")


def test_a_delete_whose_answer_was_lost_settles_at_a_later_look(world: SteppingWorld) -> None:
    story = world.live()
    story.delete()
    world.cluster.lose_answer_of("delete")
    world.cycle()
    assert (story.status()["state"], world.claimed()) == ("Ending", "bound")
    world.later(seconds=2)
    assert (story.status()["state"], world.claimed(), world.written()) == ("Ended", "cooling", ["delete"])


def test_a_delete_never_waits_for_the_backoff_of_a_failing_create(world: SteppingWorld) -> None:
    story = world.approved()
    for _ in range(6):
        world.cluster.refuse_next("create", WriteRefused("never"))
        world.later(seconds=CAP_SECONDS)
    assert seconds(world.record(story).sync.next_attempt_at, world.clock()) > 10
    story.delete()
    world.cycle()
    assert (story.status()["state"], world.claimed()) == ("Ended", "cooling")


def test_a_delete_never_waits_for_the_backoff_of_failing_heals_even_when_it_needs_a_second_look(
    world: SteppingWorld,
) -> None:
    story = world.live()
    world.cluster.hand_edit(
        "team-a", "hello", lambda s: s["metadata"].update(finalizers=["example.com/slow"])
    )
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"app": "mine"}))
    for _ in range(8):
        world.cluster.refuse_next("replace", WriteForbidden("no"))
        world.later(seconds=CAP_SECONDS)
    story.delete()
    world.cycle()
    world.cluster.hand_edit("team-a", "hello", lambda s: s["metadata"].pop("finalizers"))
    world.cycle()
    assert story.status()["state"] == "Ended"


# A cluster that does not answer.


def test_a_cluster_that_is_away_changes_nothing_but_what_is_said(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.add_endpoints("team-a", "hello")
    world.cycle()
    before = story.etag()
    world.cluster.away = True
    world.cycle(3)
    away = story.etag()
    assert story.condition("Applied") == ("Unknown", "ClusterAway")
    assert "it is away" in story.message()
    assert story.condition("Ready") == ("Unknown", "ClusterAway")
    assert world.written() == []
    world.cluster.away = False
    world.cycle()
    assert story.condition("Applied") == ("True", "InSync")
    assert len({before, away, story.etag()}) == 3


def test_a_cluster_that_stays_away_gets_one_tag(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.away = True
    world.cycle()
    before = story.etag()
    world.later(seconds=60)
    assert story.etag() == before


def test_a_cluster_that_goes_away_in_the_middle_keeps_everything(world: SteppingWorld) -> None:
    story = world.live()
    story.delete()
    world.cluster.before_next("delete", lambda: setattr(world.cluster, "away", True))
    world.cycle()
    assert (world.claimed(), story.status()["state"]) == ("bound", "Ending")
    world.cluster.away = False
    world.later(seconds=2)
    assert (world.claimed(), story.status()["state"]) == ("cooling", "Ended")


def test_a_create_that_finds_the_name_in_use_and_then_free_is_tried_again(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", ObjectExists('services "hello" already exists'))
    world.cycle()
    assert (world.record(story).sync.retryable, story.condition("Applied")[1]) == (True, "NameTakenInCluster")
    world.later(seconds=2)
    assert story.condition("Applied") == ("True", "InSync")
    assert world.claimed() == "bound"


def test_a_message_that_the_database_could_not_store_is_stored_all_the_same(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", WriteRefused("a webhook says \0 no"))
    world.cycle()
    assert story.message().startswith("a webhook says \N{REPLACEMENT CHARACTER} no The cluster does not")


def test_a_late_create_of_what_is_suspended_is_found_by_a_sweep_too(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle()
    [lost] = world.record(story).sync.create_tokens
    story.post("suspend")
    world.later(seconds=IN_FLIGHT.total_seconds() + 1)
    world.later(seconds=1)
    assert world.record(story).sync.state is SyncState.REMOVED
    world.late_create(story, lost)
    world.cycle(2)
    assert world.is_gone(story)


def test_news_that_the_database_would_not_hear_of_is_settled_at_the_next_look(world: SteppingWorld) -> None:
    world.live()
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"a": "b"}))
    services = world.cluster.list(Kind.SERVICES).items
    world.looker.cache.saw(Kind.SERVICES, Change(ChangeKind.MODIFIED, services[0]))
    world.tamper("ALTER TABLE change_freeze RENAME TO hidden")
    with pytest.raises(Unavailable):
        world.looker.look(listing=False)
    world.tamper("ALTER TABLE hidden RENAME TO change_freeze")
    world.looker.look(listing=False)
    assert world.written() == ["replace"]
