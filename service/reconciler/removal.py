"""What is written down once a Service is gone: its exposure ends and its ports cool, or it only pauses."""

from datetime import datetime, timedelta

from service.domain.exposure import Decision, ExposureRecord, SyncState
from service.domain.lifecycle import Mover, move
from service.domain.plan import Desired
from service.reconciler.backoff import NO_HEALS
from service.reconciler.desire import desired_of
from service.reconciler.recording import IN_FLIGHT, may_arrive, tell, via
from service.store import exposures, ports, sync
from service.store.database import Session
from service.workflow.approval import finish


def removed(session: Session, want: Desired, now: datetime, cooling: timedelta) -> None:
    """Write down that the Service is gone, as a direct read has just shown: ports cool, the exposure ends.

    While a create whose outcome is unknown may still arrive, nothing is released.
    """
    record = exposures.lock(session, want.exposure_id)
    if record is None or not want.is_same_wish(desired_of(record, now)):
        return
    known = record.sync
    if known.create_tokens and may_arrive(record, now):
        _wait_for_create(session, want, record, now)
        return
    sync.record(
        session,
        want.exposure_id,
        now,
        state=via(known.state, SyncState.REMOVING, SyncState.REMOVED),
        paused=want.is_suspended,
        aim=None,
        attempts=0,
        next_attempt_at=None,
        uid=None,
        create_tokens=[],
        late_tokens=[*known.late_tokens, *known.create_tokens],
        create_sent_at=None,
        reason=None,
        message=None,
        ready_endpoints=0,
        target_ports={},
        ingress=[],
        cluster_ip=None,
        drift=None,
        **NO_HEALS,
    )
    if record.exposure.revert_asked_at is not None:
        exposures.note(session, want.exposure_id, revert_asked_at=None)
    if want.is_suspended:  # approvals and claims stay
        tell(session, want, "taken-down", now)
    else:
        _end(session, want, record, now, cooling)


def _end(session: Session, want: Desired, record: ExposureRecord, now: datetime, cooling: timedelta) -> None:
    if record.sync.adopts_uid is not None:  # nothing of it was ever ours
        tell(session, want, "left-alone", now, uid=record.sync.adopts_uid)
        finish(session, record, record.exposure.end_reason or "Withdrawn", now)
        return
    live = record.newest(Decision.LIVE)
    if live is not None:
        exposures.set_decision(session, live, move(live.decision, Decision.RETIRED, Mover.WORKER), now)
    released = ports.release(session, want.exposure_id, (), now + cooling, now)
    ports.drop_holds(session, want.exposure_id, now)
    was_live = live is not None or any(r.decision is Decision.RETIRED for r in record.revisions)
    reason = record.exposure.end_reason or ("Deleted" if was_live else "Withdrawn")
    exposures.end(session, want.exposure_id, reason, now)
    tell(session, want, "removed", now, cooling=released)


def _wait_for_create(session: Session, want: Desired, record: ExposureRecord, now: datetime) -> None:
    assert record.sync.create_sent_at is not None
    sync.record(
        session,
        want.exposure_id,
        now,
        state=via(record.sync.state, SyncState.REMOVING),
        aim=want.aim,
        next_attempt_at=record.sync.create_sent_at + IN_FLIGHT,
        reason="CreateInFlight",
        message="A create whose answer was lost may still arrive; its ports are kept until it cannot.",
    )
