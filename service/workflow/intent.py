"""What the owner wants of an exposure as a whole: that it is there, that it pauses, that it goes.

Safe to repeat: what is so already is answered as the first time, whatever the caller had read.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.errors import AlreadyDecided, CannotResume, Ended, NotFound, PolicyDenied
from service.domain.exposure import Decision, ExposureRecord, Intent, Suspension, SyncState
from service.domain.lifecycle import Mover, move
from service.domain.lifetime import is_over
from service.domain.principal import Principal, Role
from service.store import exposures, ports
from service.store.database import wake
from service.workflow.act import Act
from service.workflow.approval import close, finish, tell
from service.workflow.judge import Judge
from service.workflow.read import check_visible
from service.workflow.revise import Precondition, check_going_on, check_owner


def remove(session: Session, exposure_id: UUID, precondition: Precondition, act: Act) -> ExposureRecord:
    """Take an exposure back: absent is final.

    With nothing ever sent to the cluster it ends at once; else the worker removes the Service, and the ports
    cool.

    Raises:
        NotFound: no such exposure for this caller.
        Forbidden: neither of its team nor the platform.
        Ended: it ended otherwise, there is nothing to take back.
        Stale, PreconditionRequired: by ``precondition``.
    """
    record = _locked(session, exposure_id, act)
    if record.exposure.intent is Intent.ABSENT:
        return record
    if record.exposure.ended_at:
        raise Ended(f"This exposure has ended ({record.exposure.end_reason}): there is nothing to take back.")
    precondition(record.exposure.change_count)
    exposures.set_intent(session, exposure_id, Intent.ABSENT)
    for revision in record.revisions:
        if revision.decision in (Decision.PENDING, Decision.APPROVED):
            target = move(revision.decision, Decision.WITHDRAWN, Mover.REQUESTER)
            exposures.set_decision(session, revision, target, act.now)
    tell(session, record, None, "removal-requested", act, {})
    if record.sync.state is SyncState.NONE:
        finish(session, record, "Withdrawn", act.now)
    elif record.sync.adopts_uid is None:
        ports.drop_holds(session, exposure_id, act.now)
    wake(session, record.exposure.metadata.cluster)
    return _read(session, exposure_id)


def suspend(session: Session, exposure_id: UUID, precondition: Precondition, act: Act) -> ExposureRecord:
    """Take the Service out of the cluster and keep everything else: approvals, node ports, quota, the clock.

    Raises:
        NotFound, Forbidden, Stale, PreconditionRequired: as for a removal.
        Ended: it has ended, or is on its way out.
    """
    record = _locked(session, exposure_id, act)
    check_going_on(record.exposure)
    if record.exposure.intent is Intent.SUSPENDED:
        return record
    precondition(record.exposure.change_count)
    exposures.set_intent(
        session,
        exposure_id,
        Intent.SUSPENDED,
        suspension=Suspension.OWNER.value,
        suspended_at=act.now,
        next_deadline_at=act.now,
    )
    tell(session, record, None, "suspended", act, {})
    wake(session, record.exposure.metadata.cluster)
    return _read(session, exposure_id)


def resume(
    session: Session, exposure_id: UUID, precondition: Precondition, act: Act, judge: Judge
) -> ExposureRecord:
    """Let the Service be there again as it was approved: no review, unless a deny rule matches now.

    Raises:
        NotFound, Forbidden, Ended, Stale, PreconditionRequired: as for a suspension.
        CannotResume: it is suspended for a reason that the owner cannot lift.
        PolicyDenied: a deny rule matches what would be there.
    """
    record = _locked(session, exposure_id, act)
    check_going_on(record.exposure)
    if record.exposure.intent is Intent.PRESENT:
        return record
    precondition(record.exposure.change_count)
    if record.exposure.suspension not in _liftable(act.principal):
        raise CannotResume(record.exposure.suspension or Suspension.OWNER)
    if is_over(record, act.now):
        raise CannotResume(Suspension.EXPIRED)
    base = record.base()
    reasons = judge.denials(session, record, base) if base is not None else ()
    if reasons:
        raise PolicyDenied(reasons)
    exposures.set_intent(session, exposure_id, Intent.PRESENT, next_deadline_at=act.now)
    tell(session, record, None, "resumed", act, {})
    wake(session, record.exposure.metadata.cluster)
    return _read(session, exposure_id)


def _liftable(principal: Principal) -> Sequence[Suspension]:
    """Return which suspensions somebody may end: the platform can see to it that pods have changed."""
    is_platforms = Role.ADMIN in principal.roles
    return (Suspension.OWNER, Suspension.FORBIDDEN_PORT) if is_platforms else (Suspension.OWNER,)


def withdraw(session: Session, exposure_id: UUID, number: int, act: Act) -> ExposureRecord:
    """Take one revision back that is pending, or approved and not live yet; what is live stays.

    Raises:
        NotFound: no such exposure for this caller, or no such revision.
        Forbidden, Ended: as for a suspension.
        AlreadyDecided: it is neither pending nor approved any more.
    """
    record = _locked(session, exposure_id, act)
    revision = next((r for r in record.revisions if r.number == number), None)
    if revision is None:
        raise NotFound(f"Exposure {exposure_id} has no revision {number}.")
    if revision.decision is Decision.WITHDRAWN:
        return record
    check_going_on(record.exposure)
    if revision.decision not in (Decision.PENDING, Decision.APPROVED):
        raise AlreadyDecided(f"Revision {number} is {revision.decision}: there is nothing to withdraw.")
    close(session, record, revision, (Decision.WITHDRAWN, Mover.REQUESTER), act, {})
    return _read(session, exposure_id)


def _locked(session: Session, exposure_id: UUID, act: Act) -> ExposureRecord:
    record = exposures.lock(session, exposure_id)
    check_visible(record, act.principal)
    assert record is not None
    check_owner(record, act.principal)
    return record


def _read(session: Session, exposure_id: UUID) -> ExposureRecord:
    record = exposures.get(session, exposure_id)
    assert record is not None
    return record
