"""One state word, the first that fits, and what the rest of the status says beside it."""

from dataclasses import replace
from typing import Any

import pytest

from service.domain.conditions import readiness
from service.domain.exposure import ClusterView, Decision, ExposureRecord, Intent, SyncState
from service.domain.plan import FOREIGN_OWNER
from service.domain.spec import ExposureType
from service.domain.status import state_word, summarise
from tests.builders import (
    EARLIER,
    LATER,
    NOON,
    NUMBER,
    make_exposure,
    make_record,
    make_revision,
    make_spec,
    make_sync,
)

NEVER_SENT = make_sync(state=SyncState.NONE, revision=None, uid=None, ready_endpoints=0)
AWAY = ClusterView(("192.0.2.10",), NOON, "connection refused")


def pending(number: int = 1, **spec: Any) -> Any:
    return make_revision(make_spec(**spec), number=number, decision=Decision.PENDING)


def approved(number: int = 1, **spec: Any) -> Any:
    return make_revision(make_spec(**spec), number=number, decision=Decision.APPROVED)


def ended(reason: str, decision: Decision) -> ExposureRecord:
    gone = make_exposure(intent=Intent.ABSENT, ended_at=NOON, end_reason=reason)
    return make_record(make_revision(decision=decision), exposure=gone, sync=NEVER_SENT, claims=())


# The words, in the order of design.md §4. Each record fits its own word and most of those that come later.


@pytest.mark.parametrize(
    ("reason", "decision"),
    [
        ("Rejected", Decision.REJECTED),
        ("Withdrawn", Decision.WITHDRAWN),
        ("Expired", Decision.EXPIRED),
        ("Invalidated", Decision.INVALIDATED),
        ("Deleted", Decision.RETIRED),
    ],
)
def test_an_ended_exposure_is_ended_with_its_reason(reason: str, decision: Decision) -> None:
    status = summarise(ended(reason, decision), NOON)

    assert (status["state"], status["reason"]) == ("Ended", reason)


def test_an_exposure_that_is_to_go_is_ending_until_it_has_ended() -> None:
    record = make_record(
        exposure=make_exposure(intent=Intent.ABSENT), sync=make_sync(state=SyncState.REMOVING)
    )

    assert state_word(record, NOON) == "Ending"


def test_an_exposure_that_fails_to_go_is_still_ending() -> None:
    record = make_record(exposure=make_exposure(intent=Intent.ABSENT), sync=make_sync(state=SyncState.FAILED))

    assert state_word(record, NOON) == "Ending"


def test_a_suspended_exposure_is_suspended() -> None:
    record = make_record(pending(), exposure=make_exposure(intent=Intent.SUSPENDED), sync=NEVER_SENT)

    assert state_word(record, NOON) == "Suspended"


@pytest.mark.parametrize("state", [SyncState.FAILED, SyncState.APPLYING])
def test_a_port_that_was_asked_for_and_is_gone_needs_its_requester(state: SyncState) -> None:
    sync = make_sync(state=state, uid=None, reason="NodePortTaken", retryable=False)

    assert state_word(make_record(approved(), sync=sync), NOON) == "NeedsRequester"


def test_a_chosen_port_that_is_gone_does_not_need_the_requester() -> None:
    sync = make_sync(state=SyncState.FAILED, uid=None, reason="NodePortTaken", retryable=True)

    assert state_word(make_record(approved(), sync=sync), NOON) == "Degraded"


def test_a_first_request_that_is_not_decided_awaits_approval() -> None:
    assert state_word(make_record(pending(), sync=NEVER_SENT), NOON) == "AwaitingApproval"


def test_a_request_awaits_approval_also_while_the_cluster_cannot_be_read() -> None:
    assert state_word(make_record(pending(), sync=NEVER_SENT, view=AWAY), NOON) == "AwaitingApproval"


def test_an_approved_request_whose_time_has_not_come_is_scheduled() -> None:
    record = make_record(approved(not_before=LATER), sync=NEVER_SENT)

    assert state_word(record, NOON) == "Scheduled"


@pytest.mark.parametrize("due", [EARLIER, NOON], ids=["earlier", "now"])
def test_an_approved_request_whose_time_has_come_is_applying(due: Any) -> None:
    record = make_record(approved(not_before=due), sync=NEVER_SENT)

    assert state_word(record, NOON) == "Applying"


def test_an_approved_request_is_applying_before_the_worker_has_begun() -> None:
    assert state_word(make_record(approved(), sync=NEVER_SENT), NOON) == "Applying"


def test_a_change_that_is_being_sent_is_applying() -> None:
    record = make_record(make_revision(), approved(2), sync=make_sync(state=SyncState.APPLYING))

    assert state_word(record, NOON) == "Applying"


@pytest.mark.parametrize(
    "trouble",
    [
        {"sync": make_sync(state=SyncState.FAILED, reason="Forbidden")},
        {"sync": make_sync(state=SyncState.DRIFTED)},
        {"sync": make_sync(state=SyncState.UNKNOWN)},
        {"sync": make_sync(ready_endpoints=0)},
        {"view": AWAY},
        {"view": AWAY, "sync": make_sync(state=SyncState.APPLYING)},
    ],
    ids=["failed", "drifted", "unknown", "no-endpoints", "away", "away-while-applying"],
)
def test_a_live_exposure_in_trouble_is_degraded(trouble: Any) -> None:
    assert state_word(make_record(make_revision(), pending(2), **trouble), NOON) == "Degraded"


def test_an_approved_request_that_cannot_be_applied_is_degraded() -> None:
    record = make_record(approved(), sync=replace(NEVER_SENT, state=SyncState.FAILED, reason="Forbidden"))

    assert state_word(record, NOON) == "Degraded"


def test_a_load_balancer_without_an_address_is_degraded() -> None:
    record = make_record(make_revision(make_spec(type=ExposureType.LOAD_BALANCER)))

    assert (readiness(record), state_word(record, NOON)) == ("lb_pending", "Degraded")


@pytest.mark.parametrize(
    "change",
    [pending(2), approved(2), approved(2, not_before=LATER)],
    ids=["pending", "approved", "scheduled"],
)
def test_a_live_exposure_with_a_change_under_way_says_so(change: Any) -> None:
    assert state_word(make_record(make_revision(), change), NOON) == "ActiveChangePending"


def test_a_live_exposure_that_answers_is_active() -> None:
    assert state_word(make_record(), NOON) == "Active"


def test_endpoints_come_before_the_load_balancers_address() -> None:
    balancer = make_revision(make_spec(type=ExposureType.LOAD_BALANCER))
    sync = make_sync(ready_endpoints=0)

    assert readiness(make_record(balancer, sync=sync)) == "no_endpoints"


# Generations and pointers.


@pytest.mark.parametrize(
    ("decisions", "generation"),
    [
        ([Decision.PENDING], 0),
        ([Decision.APPROVED], 0),
        ([Decision.LIVE], 1),
        ([Decision.REJECTED], 1),
        ([Decision.LIVE, Decision.PENDING], 1),
        ([Decision.LIVE, Decision.APPROVED], 1),
        ([Decision.RETIRED, Decision.LIVE], 2),
        ([Decision.LIVE, Decision.WITHDRAWN], 2),
        ([Decision.LIVE, Decision.SUPERSEDED, Decision.PENDING], 2),
        ([Decision.LIVE, Decision.INVALIDATED], 2),
        ([Decision.LIVE, Decision.EXPIRED], 2),
    ],
)
def test_the_observed_generation_is_the_newest_settled_revision(
    decisions: list[Decision], generation: int
) -> None:
    revisions = [make_revision(number=n, decision=decision) for n, decision in enumerate(decisions, 1)]

    assert summarise(make_record(*revisions), NOON)["observed_generation"] == generation


@pytest.mark.parametrize(
    ("decisions", "number"),
    [
        ([Decision.LIVE, Decision.PENDING], 2),
        ([Decision.LIVE, Decision.APPROVED], 2),
        ([Decision.LIVE, Decision.APPROVED, Decision.PENDING], 3),
        ([Decision.LIVE, Decision.REJECTED], 1),
        ([Decision.RETIRED, Decision.LIVE, Decision.WITHDRAWN], 2),
        ([Decision.RETIRED, Decision.REJECTED], 2),
    ],
)
def test_the_shown_revision_is_the_undone_one_else_the_live_one_else_the_last(
    decisions: list[Decision], number: int
) -> None:
    revisions = [make_revision(number=n, decision=decision) for n, decision in enumerate(decisions, 1)]

    assert make_record(*revisions).shown().number == number


def test_each_stage_is_pointed_to_with_its_digest() -> None:
    live, next_, newest = make_revision(), approved(2, lifetime=60), pending(3, lifetime=90)

    status = summarise(make_record(live, next_, newest), NOON)

    assert status["live"] == {"revision": 1, "digest": live.digest}
    assert status["approved"] == {"revision": 2, "digest": next_.digest}
    assert status["pending"] == {
        "revision": 3,
        "digest": newest.digest,
        "missing": ["approver"],
        "until": None,
    }


def test_a_stage_that_no_revision_is_in_is_null() -> None:
    status = summarise(make_record(pending(), sync=NEVER_SENT), NOON)

    assert (status["approved"], status["live"]) == (None, None)


def test_node_ports_are_shown_with_their_origin() -> None:
    assert summarise(make_record(), NOON)["ports"] == [
        {"name": "http", "node_port": NUMBER, "origin": "asked"}
    ]


def test_a_type_without_node_ports_shows_none() -> None:
    record = make_record(make_revision(make_spec(type=ExposureType.CLUSTER_IP)))

    assert summarise(record, NOON)["ports"] == []


def test_a_strangers_service_makes_a_live_exposure_degraded() -> None:
    sync = make_sync(state=SyncState.FAILED, reason=FOREIGN_OWNER)

    assert state_word(make_record(sync=sync), NOON) == "Degraded"
