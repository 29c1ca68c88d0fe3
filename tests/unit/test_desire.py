"""What is to be in the cluster, from what the ledger says."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from service.domain.exposure import (
    Allocation,
    Decision,
    ExposureRecord,
    Intent,
    NodePort,
    PortOrigin,
    Revision,
    Suspension,
    SyncState,
)
from service.domain.freeze import Freeze
from service.domain.plan import Confirm, Create, Desired, plan
from service.reconciler.desire import desired_of, ref_of
from tests.builders import (
    EARLIER,
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
    want = desired_of(record, NOON)
    assert want is not None
    return want


def test_the_key_is_namespace_and_name() -> None:
    assert ref_of(make_record()) == REF


def test_a_live_revision_is_wanted_as_it_was_approved() -> None:
    assert desired_of(make_record(), NOON) == make_desired()


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

    assert desired_of(make_record(make_revision(), pending), NOON) == make_desired()


@pytest.mark.parametrize("decision", [d for d in Decision if d not in (Decision.APPROVED, Decision.LIVE)])
def test_what_nobody_approved_is_not_wanted(decision: Decision) -> None:
    assert desired_of(make_record(make_revision(decision=decision), sync=NEVER_SENT), NOON) is None


@pytest.mark.parametrize("decision", list(Decision))
def test_an_ended_exposure_wants_nothing_and_settles_nothing(decision: Decision) -> None:
    ended = make_exposure(intent=Intent.ABSENT, ended_at=NOON)

    assert desired_of(make_record(make_revision(decision=decision), exposure=ended), NOON) is None


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


def approved(number: int, **spec: Any) -> Revision:
    """Return an approved revision."""
    return make_revision(make_spec(**spec), number=number, decision=Decision.APPROVED)


FROZEN = Freeze("dev", "xmas", EARLIER, LATER, "end of year")


def test_nothing_is_wanted_before_its_time() -> None:
    assert desired_of(make_record(approved(1, not_before=LATER), sync=NEVER_SENT), NOON) is None


@pytest.mark.parametrize("due", [NOON, EARLIER], ids=["now", "earlier"])
def test_it_is_wanted_when_its_time_has_come(due: datetime) -> None:
    assert desired_of(make_record(approved(1, not_before=due), sync=NEVER_SENT), NOON) is not None


def test_what_is_live_stays_until_the_next_one_may_start() -> None:
    record = make_record(make_revision(), approved(2, not_before=LATER))
    assert wish_of(record).revision == 1


def test_a_freeze_holds_back_what_is_new_and_keeps_what_is_live() -> None:
    record = replace(make_record(make_revision(), approved(2)), freezes=(FROZEN,))
    assert wish_of(record).revision == 1


def test_a_freeze_that_is_over_holds_nothing_back() -> None:
    record = replace(make_record(make_revision(), approved(2)), freezes=(FROZEN,))
    later = desired_of(record, LATER)
    assert later is not None
    assert later.revision == 2


def test_break_glass_goes_through_a_freeze() -> None:
    broken = replace(approved(2), break_glass={"until": LATER.isoformat()})
    record = replace(make_record(make_revision(), broken), freezes=(FROZEN,))
    assert wish_of(record).revision == 2


def test_what_was_begun_before_a_freeze_goes_on() -> None:
    record = make_record(approved(1), sync=make_sync(state=SyncState.APPLYING, aim="revision 1"))
    assert wish_of(replace(record, freezes=(FROZEN,))).revision == 1


def test_suspended_wants_it_gone_for_now() -> None:
    exposure = make_exposure(intent=Intent.SUSPENDED, suspension=Suspension.OWNER)
    want = wish_of(make_record(exposure=exposure))
    assert (want.manifest, want.is_suspended) == (None, True)


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
