"""What is to be in the cluster, from what the ledger says."""

import pytest

from service.domain.exposure import (
    Allocation,
    Decision,
    ExposureRecord,
    Intent,
    NodePort,
    PortOrigin,
    SyncState,
)
from service.domain.plan import Confirm, Create, Desired, plan
from service.reconciler.desire import desired_of, ref_of
from tests.builders import (
    LATER,
    NOON,
    NUMBER,
    REF,
    UID,
    make_desired,
    make_exposure,
    make_manifest,
    make_observed,
    make_port,
    make_record,
    make_revision,
    make_spec,
    make_sync,
)

ABSENT = make_exposure(intent=Intent.ABSENT)
NEVER_SENT = make_sync(state=SyncState.NONE, revision=None, uid=None)


def wish_of(record: ExposureRecord) -> Desired:
    want = desired_of(record)
    assert want is not None
    return want


def test_the_key_is_namespace_and_name() -> None:
    assert ref_of(make_record()) == REF


def test_a_live_revision_is_wanted_as_it_was_approved() -> None:
    assert desired_of(make_record()) == make_desired()


def test_an_approved_revision_is_wanted_and_not_live() -> None:
    want = wish_of(make_record(make_revision(decision=Decision.APPROVED), sync=NEVER_SENT))

    assert (want.revision, want.is_live, want.uid, want.aim) == (1, False, None, "revision 1")


def test_an_approved_revision_goes_before_the_live_one() -> None:
    new = make_revision(make_spec(selector={"app": "new"}), number=2, decision=Decision.APPROVED)

    want = wish_of(make_record(make_revision(), new))

    assert (want.revision, want.digest, want.is_live) == (2, new.digest, False)
    assert want.manifest == make_manifest(make_spec(selector={"app": "new"}))


def test_a_pending_revision_changes_nothing() -> None:
    pending = make_revision(number=2, decision=Decision.PENDING)

    assert desired_of(make_record(make_revision(), pending)) == make_desired()


@pytest.mark.parametrize("decision", [d for d in Decision if d not in (Decision.APPROVED, Decision.LIVE)])
def test_what_nobody_approved_is_not_wanted(decision: Decision) -> None:
    assert desired_of(make_record(make_revision(decision=decision), sync=NEVER_SENT)) is None


@pytest.mark.parametrize("decision", list(Decision))
def test_an_ended_exposure_wants_nothing_and_settles_nothing(decision: Decision) -> None:
    ended = make_exposure(intent=Intent.ABSENT, ended_at=NOON)

    assert desired_of(make_record(make_revision(decision=decision), exposure=ended)) is None


@pytest.mark.parametrize("decision", [Decision.LIVE, Decision.APPROVED, Decision.WITHDRAWN])
def test_absent_wants_it_gone_whatever_was_approved(decision: Decision) -> None:
    want = wish_of(make_record(make_revision(decision=decision), exposure=ABSENT))

    assert (want.manifest, want.aim, want.uid) == (None, "removal", UID)


def test_chosen_ports_are_stated_and_only_asked_ones_are_called_asked() -> None:
    ports = (make_port(node_port=NUMBER), make_port(name="admin", port=81))
    given = Allocation((NodePort(NUMBER, PortOrigin.ASKED), NodePort(30001, PortOrigin.CHOSEN)))

    want = wish_of(make_record(make_revision(make_spec(ports=ports), allocation=given)))

    assert want.manifest is not None
    assert [port["nodePort"] for port in want.manifest["spec"]["ports"]] == [NUMBER, 30001]
    assert want.asked_ports == {NUMBER}


def test_the_time_that_was_asked_for_is_kept() -> None:
    assert wish_of(make_record(make_revision(make_spec(not_before=LATER)))).not_before == LATER


@pytest.mark.parametrize("state", [SyncState.FAILED, SyncState.APPLYING, SyncState.REMOVING])
def test_a_failure_stands_until_something_succeeds(state: SyncState) -> None:
    record = make_record(
        sync=make_sync(state=state, reason="Forbidden", aim="revision 1", next_attempt_at=LATER)
    )
    want = wish_of(record)

    assert (want.failure, want.tried_aim, want.next_attempt_at) == ("Forbidden", "revision 1", LATER)


def test_open_creates_are_known_by_their_tokens() -> None:
    record = make_record(
        make_revision(decision=Decision.APPROVED), sync=make_sync(uid=None, create_tokens=("a", "b"))
    )

    assert wish_of(record).create_tokens == ("a", "b")


# With the plan that follows.


def test_an_approved_exposure_is_created_once_and_confirmed_by_its_token() -> None:
    approved = make_revision(decision=Decision.APPROVED)
    unsent = wish_of(make_record(approved, sync=NEVER_SENT))
    sent = wish_of(make_record(approved, sync=make_sync(uid=None, create_tokens=("token-1",))))

    assert list(plan({REF: unsent}, {}, NOON)) == [Create(REF, "missing")]
    assert list(plan({REF: sent}, {REF: make_observed(sent)}, NOON)) == [Confirm(REF, "applied")]
