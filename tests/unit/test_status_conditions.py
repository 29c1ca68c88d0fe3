"""The five conditions: status, reason, message, since when, and of which revision."""

from datetime import timedelta
from typing import Any

import pytest

from service.domain.claim import ClaimState
from service.domain.exposure import ClusterView, Decision, ExposureRecord, Intent, SyncState
from service.domain.plan import FOREIGN_OWNER
from service.domain.spec import Document, ExposureType
from service.domain.status import summarise
from tests.builders import (
    EARLIER,
    LATER,
    NOON,
    NUMBER,
    make_claim,
    make_exposure,
    make_record,
    make_revision,
    make_spec,
    make_sync,
)

NEVER_SENT = make_sync(state=SyncState.NONE, revision=None, uid=None, ready_endpoints=0, changed_at=None)
JUST_NOW = NOON - timedelta(minutes=1)
AWAY = ClusterView(("192.0.2.10",), JUST_NOW, "connection refused")
NEVER_SEEN = ClusterView((), None, "no such host")


def conditions(record: ExposureRecord) -> dict[str, Document]:
    return {condition["type"]: condition for condition in summarise(record, NOON)["conditions"]}


def condition(record: ExposureRecord, kind: str) -> tuple[str, str]:
    found = conditions(record)[kind]
    return found["status"], found["reason"]


def ended(decision: Decision, *claims: Any) -> ExposureRecord:
    gone = make_exposure(intent=Intent.ABSENT, ended_at=NOON, end_reason="Deleted")
    sync = make_sync(state=SyncState.REMOVED, uid=None, ready_endpoints=0)
    return make_record(make_revision(decision=decision), exposure=gone, sync=sync, claims=claims)


def test_an_active_exposure_has_five_conditions() -> None:
    listed = summarise(make_record(), NOON)["conditions"]

    assert [(c["type"], c["status"], c["reason"]) for c in listed] == [
        ("Approved", "True", "Live"),
        ("Allocated", "True", "InLedger"),
        ("Applied", "True", "InSync"),
        ("Ready", "True", "Ready"),
        ("Compliant", "Unknown", "NotJudged"),
    ]


@pytest.mark.parametrize("kind", ["Approved", "Allocated", "Applied", "Ready", "Compliant"])
def test_every_condition_is_complete(kind: str) -> None:
    found = conditions(make_record())[kind]

    assert found["message"].endswith(".")
    assert found["observed_generation"] == 1
    assert found["last_transition_time"] <= NOON


# Approved.


@pytest.mark.parametrize(
    ("decision", "status", "reason"),
    [
        (Decision.PENDING, "False", "Pending"),
        (Decision.APPROVED, "True", "Approved"),
        (Decision.LIVE, "True", "Live"),
        (Decision.REJECTED, "False", "Rejected"),
        (Decision.WITHDRAWN, "False", "Withdrawn"),
        (Decision.EXPIRED, "False", "Expired"),
        (Decision.INVALIDATED, "False", "Invalidated"),
        (Decision.SUPERSEDED, "False", "Superseded"),
        (Decision.RETIRED, "True", "Retired"),
    ],
)
def test_approved_says_what_was_decided(decision: Decision, status: str, reason: str) -> None:
    assert condition(make_record(make_revision(decision=decision)), "Approved") == (status, reason)


def test_approved_is_about_the_revision_that_is_shown() -> None:
    record = make_record(make_revision(), make_revision(number=2, decision=Decision.PENDING))

    found = conditions(record)["Approved"]

    assert (found["status"], found["observed_generation"]) == ("False", 2)
    assert "Revision 2 waits for an approver who did not ask for it" in found["message"]


def test_approved_holds_since_the_decision() -> None:
    decided = make_revision(decision=Decision.APPROVED, created_at=EARLIER, decided_at=JUST_NOW)

    assert conditions(make_record(decided))["Approved"]["last_transition_time"] == JUST_NOW


def test_an_undecided_request_is_so_since_it_was_made() -> None:
    found = conditions(make_record(make_revision(decision=Decision.PENDING)))["Approved"]

    assert found["last_transition_time"] == EARLIER


# Allocated.


@pytest.mark.parametrize("state", [ClaimState.HELD, ClaimState.BOUND])
def test_allocated_while_the_ledger_has_every_port(state: ClaimState) -> None:
    record = make_record(claims=(make_claim(state=state),))

    assert condition(record, "Allocated") == ("True", "InLedger")
    assert conditions(record)["Allocated"]["message"] == f"Node ports: {NUMBER} {state}."


def test_allocated_holds_since_the_request_whenever_the_ports_were_bound() -> None:
    record = make_record(claims=(make_claim(changed_at=JUST_NOW),))

    assert conditions(record)["Allocated"]["last_transition_time"] == EARLIER


def test_nothing_to_allocate_is_allocated() -> None:
    record = make_record(make_revision(make_spec(type=ExposureType.CLUSTER_IP)))

    assert condition(record, "Allocated") == ("True", "NothingNeeded")


@pytest.mark.parametrize(
    "claims",
    [(), (make_claim(state=ClaimState.COOLING, until=LATER),), (make_claim(port=NUMBER + 1),)],
    ids=["none", "cooling", "another"],
)
def test_not_allocated_when_a_port_is_not_held_any_more(claims: Any) -> None:
    record = make_record(claims=claims)

    assert condition(record, "Allocated") == ("False", "Released")
    assert str(NUMBER) in conditions(record)["Allocated"]["message"]


@pytest.mark.parametrize(
    "claims",
    [(), (make_claim(state=ClaimState.COOLING, changed_at=NOON),)],
    ids=["free-again", "cooling"],
)
def test_an_ended_exposure_released_its_ports_when_it_ended(claims: Any) -> None:
    found = conditions(ended(Decision.RETIRED, *claims))["Allocated"]

    assert (found["status"], found["reason"]) == ("False", "Released")
    assert found["last_transition_time"] == NOON


def test_a_port_that_cools_is_released_since_it_cools() -> None:
    record = make_record(claims=(make_claim(state=ClaimState.COOLING, changed_at=JUST_NOW),))

    assert conditions(record)["Allocated"]["last_transition_time"] == JUST_NOW


def test_ports_of_another_revision_are_not_listed() -> None:
    record = make_record(claims=(make_claim(), make_claim(port=NUMBER + 1)))

    assert conditions(record)["Allocated"]["message"] == f"Node ports: {NUMBER} bound."


# Applied.


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        (SyncState.NONE, "False", "NotYet"),
        (SyncState.APPLYING, "False", "Applying"),
        (SyncState.IN_SYNC, "True", "InSync"),
        (SyncState.DRIFTED, "False", "Drifted"),
        (SyncState.FAILED, "False", "Failed"),
        (SyncState.REMOVING, "False", "Removing"),
        (SyncState.REMOVED, "False", "Removed"),
        (SyncState.UNKNOWN, "Unknown", "WorkerAway"),
    ],
)
def test_applied_follows_the_workers_axis(state: SyncState, status: str, reason: str) -> None:
    assert condition(make_record(sync=make_sync(state=state)), "Applied") == (status, reason)


def test_applied_says_what_the_cluster_answered() -> None:
    sync = make_sync(state=SyncState.FAILED, reason="Forbidden", message="exceeded quota: services=1")
    found = conditions(make_record(sync=sync))["Applied"]

    assert (found["status"], found["reason"]) == ("False", "Forbidden")
    assert found["message"] == "exceeded quota: services=1"


def test_applied_is_of_the_revision_that_was_sent() -> None:
    record = make_record(make_revision(), make_revision(number=2, decision=Decision.PENDING))

    assert conditions(record)["Applied"]["observed_generation"] == 1


def test_applied_is_of_no_revision_before_one_was_sent() -> None:
    record = make_record(make_revision(decision=Decision.PENDING), sync=NEVER_SENT)
    found = conditions(record)["Applied"]

    assert (found["observed_generation"], found["last_transition_time"]) == (0, EARLIER)


def test_applied_is_unknown_since_the_cluster_was_last_seen() -> None:
    found = conditions(make_record(view=AWAY))["Applied"]

    assert (found["status"], found["reason"]) == ("Unknown", "ClusterAway")
    assert found["last_transition_time"] == JUST_NOW
    assert found["message"] == (
        "The cluster cannot be read since 2030-01-01T11:59:00Z; the worker goes on trying. connection refused"
    )


def test_a_cluster_that_nobody_has_looked_at_for_long_is_unknown() -> None:
    old = ClusterView(node_addresses=("192.0.2.1",), seen_at=NOON - timedelta(seconds=31))

    found = conditions(make_record(view=old))

    for kind in ("Applied", "Ready"):
        assert (found[kind]["status"], found[kind]["reason"]) == ("Unknown", "WorkerAway")
        assert "No worker has looked at the cluster since 2030-01-01T11:59:29Z" in found[kind]["message"]
    assert summarise(make_record(view=old), NOON)["state"] == "Degraded"


def test_a_cluster_that_was_never_seen_is_said_to_be_so() -> None:
    found = conditions(make_record(view=NEVER_SEEN))["Applied"]

    assert found["message"].startswith("The cluster cannot be read and never could be;")
    assert found["last_transition_time"] == NOON


def test_a_failure_from_before_does_not_hide_that_the_cluster_is_away() -> None:
    sync = make_sync(state=SyncState.FAILED, reason="Forbidden", message="exceeded quota")

    assert condition(make_record(sync=sync, view=AWAY), "Applied") == ("Unknown", "ClusterAway")


def test_an_ended_exposure_is_known_whatever_becomes_of_its_cluster() -> None:
    record = ended(Decision.RETIRED)
    away = make_record(*record.revisions, exposure=record.exposure, sync=record.sync, claims=(), view=AWAY)

    assert condition(away, "Applied") == ("False", "Removed")


# Ready.


def test_ready_counts_the_endpoints() -> None:
    found = conditions(make_record(sync=make_sync(ready_endpoints=3)))["Ready"]

    assert (found["status"], found["message"]) == ("True", "3 endpoint(s) are ready.")


def test_not_ready_without_endpoints() -> None:
    assert condition(make_record(sync=make_sync(ready_endpoints=0)), "Ready") == ("False", "NoEndpoints")


def test_not_ready_while_the_load_balancer_has_no_address() -> None:
    record = make_record(make_revision(make_spec(type=ExposureType.LOAD_BALANCER)))

    assert condition(record, "Ready") == ("False", "LoadBalancerPending")


def test_ready_when_the_load_balancer_has_an_address() -> None:
    balancer = make_revision(make_spec(type=ExposureType.LOAD_BALANCER))
    sync = make_sync(ingress=({"ip": "192.0.2.80"},))

    assert condition(make_record(balancer, sync=sync), "Ready") == ("True", "Ready")


def test_ready_is_unknown_while_the_cluster_is_away() -> None:
    found = conditions(make_record(view=AWAY))["Ready"]

    assert (found["status"], found["reason"]) == ("Unknown", "ClusterAway")
    assert found["last_transition_time"] == JUST_NOW


@pytest.mark.parametrize(
    "record",
    [
        make_record(make_revision(decision=Decision.PENDING), sync=NEVER_SENT),
        make_record(make_revision(decision=Decision.PENDING), sync=NEVER_SENT, view=AWAY),
        make_record(sync=make_sync(state=SyncState.APPLYING, uid=None)),
        make_record(sync=make_sync(state=SyncState.FAILED, reason=FOREIGN_OWNER)),
        ended(Decision.RETIRED),
    ],
    ids=["never-sent", "never-sent-and-away", "missed", "a-stranger-has-the-name", "ended"],
)
def test_not_ready_when_the_cluster_has_no_service_of_it(record: ExposureRecord) -> None:
    assert condition(record, "Ready") == ("False", "NotApplied")


def test_a_failed_change_leaves_the_live_revision_ready() -> None:
    record = make_record(
        make_revision(),
        make_revision(number=2, decision=Decision.APPROVED),
        sync=make_sync(state=SyncState.FAILED, reason="Forbidden"),
    )

    assert condition(record, "Ready") == ("True", "Ready")


def test_ready_holds_since_it_was_seen() -> None:
    sync = make_sync(changed_at=EARLIER, ready_changed_at=JUST_NOW)

    assert conditions(make_record(sync=sync))["Ready"]["last_transition_time"] == JUST_NOW
