"""An incident cannot wait: one person lets a revision through, and answers for it afterwards.

Deny rules still hold. Every group whose seats were skipped is told, and fills them afterwards: else the
exposure goes by itself when the time is over.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.errors import AlreadyDecided, DigestMismatch, Forbidden, NotFound, PolicyDenied
from service.domain.exposure import Decision, ExposureRecord
from service.domain.lifecycle import Mover
from service.domain.lifetime import is_unreviewed, reviewed_until
from service.domain.principal import PrincipalKind, Role
from service.domain.review import missing, seats_of
from service.store import exposures
from service.workflow.act import Act
from service.workflow.approval import approve
from service.workflow.decide import check_in_time
from service.workflow.judge import Judge
from service.workflow.read import check_visible
from service.workflow.revise import check_adopted, check_going_on

LONGEST = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Emergency:
    """What had this digest, for which incident, why, and for how many seconds, at most a day."""

    digest: str
    incident: str
    reason: str
    duration: int


def break_glass(
    session: Session, where: tuple[UUID, int], emergency: Emergency, act: Act, judge: Judge
) -> ExposureRecord:
    """Approve a pending revision without its seats, for a while.

    Raises:
        NotFound: no such exposure or revision for this caller.
        Forbidden: no person, or without the role break-glass.
        DigestMismatch, Ended, AlreadyDecided: as for a review.
        NotAdopted: its Service is somebody else's still.
        PolicyDenied: a deny rule matches.
    """
    exposure_id, number = where
    if Role.BREAK_GLASS not in act.principal.roles or act.principal.kind is not PrincipalKind.PERSON:
        raise Forbidden("Breaking the glass needs a person with the role break-glass.")
    record = exposures.lock(session, exposure_id)
    check_visible(record, act.principal)
    assert record is not None
    revision = next((r for r in record.revisions if r.number == number), None)
    if revision is None:
        raise NotFound(f"Exposure {exposure_id} has no revision {number}.")
    if emergency.digest != revision.digest:
        raise DigestMismatch(emergency.digest, revision.digest)
    check_going_on(record.exposure)
    check_adopted(record)  # what is there needs no hurry, and would be removed if nobody reviewed it in time
    if revision.decision is not Decision.PENDING:
        raise AlreadyDecided(f"Revision {number} is {revision.decision}: there is nothing to let through.")
    check_in_time(revision, act.now)
    reasons = judge.denials(session, record, revision)
    if reasons:
        raise PolicyDenied(reasons)
    skipped = missing(seats_of(revision), record.reviews_of(revision))
    document = {
        "by": act.principal.document(),
        "incident": emergency.incident,
        "reason": emergency.reason,
        "until": _until(record, emergency, act).isoformat(),
        "skipped": [{"group": seat.group, "count": seat.count} for seat in skipped],
        "reviewed_at": None,
    }
    exposures.set_break_glass(session, revision, document)
    broken = replace(revision, break_glass=document)
    revisions = tuple(broken if each.number == number else each for each in record.revisions)
    approve(
        session, replace(record, revisions=revisions), broken, Mover.REVIEWER, act, {"break_glass": document}
    )
    after = exposures.get(session, exposure_id)
    assert after is not None
    return after


def _until(record: ExposureRecord, emergency: Emergency, act: Act) -> datetime:
    """Return when it has to be reviewed: on what nobody has reviewed yet, one day does not follow another."""
    open_ends = (
        reviewed_until(other)
        for other in record.revisions
        if other.decision in (Decision.APPROVED, Decision.LIVE) and is_unreviewed(other)
    )
    wanted = act.now + timedelta(seconds=emergency.duration)
    return min((wanted, *(end for end in open_ends if end is not None)))
