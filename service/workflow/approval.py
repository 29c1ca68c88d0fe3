"""What follows from a decision, whoever made it: a person, a policy, a clock. Under the exposure's row lock.

Every end of a revision lets go of what nothing else needs; what comes after an approval is the worker's.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from service.domain.exposure import (
    Decision,
    ExposureRecord,
    Intent,
    Revision,
    RevisionKind,
    Suspension,
    SyncState,
)
from service.domain.lifecycle import Mover, move
from service.domain.spec import Document
from service.store import adoptions, events, exposures, ports, reviews
from service.store.database import wake
from service.workflow.act import Act

OPEN = (Decision.PENDING, Decision.APPROVED, Decision.LIVE)


def approve(
    session: Session, record: ExposureRecord, revision: Revision, mover: Mover, act: Act, data: Document
) -> ExposureRecord:
    """Approve a revision: it goes before every older one that was approved and is not live yet.

    A renewal lifts the suspension that the end of the lifetime brought.

    Returns:
        The record as it is now.
    """
    for older in record.revisions:
        if older.decision is Decision.APPROVED and older.number != revision.number:
            record = _moved(session, record, older, Decision.SUPERSEDED, mover, act.now)
            tell(session, record, older, "superseded", act, {"by": revision.number})
    record = _moved(session, record, revision, Decision.APPROVED, mover, act.now)
    drop_unneeded(session, record, act.now)
    values: Document = {"next_deadline_at": act.now}
    if revision.kind is RevisionKind.RENEWAL and record.exposure.suspension is Suspension.EXPIRED:
        values |= {"intent": Intent.PRESENT.value, "suspension": None, "suspended_at": None}
    exposures.changed(session, revision.exposure_id, **values)
    tell(session, record, revision, "approved", act, {"digest": revision.digest, **data})
    wake(session, record.exposure.metadata.cluster)
    return record


def close(
    session: Session,
    record: ExposureRecord,
    revision: Revision,
    how: tuple[Decision, Mover],
    act: Act,
    data: Document,
) -> ExposureRecord:
    """End a revision that was pending or approved, and what stood on it; with the last one the exposure.

    A pending change of an approved revision was compared with it: it is invalidated when that one ends.

    Args:
        how: rejected, withdrawn, expired or invalidated, and by whom.
    """
    decision, mover = how
    record = _moved(session, record, revision, decision, mover, act.now)
    tell(session, record, revision, decision.value, act, data)
    record = _fallen(session, record, replace(revision, decision=decision), act)
    drop_unneeded(session, record, act.now)
    exposures.changed(session, revision.exposure_id, next_deadline_at=act.now)
    if record.newest(*OPEN) is None:
        end(session, record, decision.capitalize(), act.now)
    wake(session, record.exposure.metadata.cluster)
    return record


def retire(session: Session, record: ExposureRecord, revision: Revision, act: Act, why: str) -> None:
    """Take out what came through by break-glass and was not confirmed; a live one goes like a removal."""
    tell(session, record, revision, "retired", act, {"reason": why})
    if revision.decision is Decision.APPROVED:
        record = _moved(session, record, revision, Decision.RETIRED, Mover.CLOCK, act.now)
        record = _fallen(session, record, replace(revision, decision=Decision.RETIRED), act)
        drop_unneeded(session, record, act.now)
    else:
        for other in reversed(record.revisions):  # the newest first: what stands on another falls with it
            if other.decision in (Decision.PENDING, Decision.APPROVED):
                record = close(session, record, other, (Decision.EXPIRED, Mover.CLOCK), act, {"reason": why})
    if revision.decision is Decision.LIVE or record.newest(*OPEN) is None:
        end(session, record, "Expired", act.now)
    exposures.changed(session, revision.exposure_id, next_deadline_at=act.now)
    wake(session, record.exposure.metadata.cluster)


def _fallen(session: Session, record: ExposureRecord, ended: Revision, act: Act) -> ExposureRecord:
    """Invalidate the change that waits on a revision which has just ended; return the record as it is now."""
    pending = record.newest(Decision.PENDING)
    if pending is None or pending.base != ended.number:
        return record
    record = _moved(session, record, pending, Decision.INVALIDATED, Mover.POLICY, act.now)
    why = f"Revision {ended.number}, which it changes, was {ended.decision}."
    tell(session, record, pending, "invalidated", act, {"reason": why})
    return record


def end(session: Session, record: ExposureRecord, reason: str, now: datetime) -> None:
    """End an exposure: at once when nothing was ever sent to the cluster, else by the worker's removal."""
    if record.sync.state is SyncState.NONE:
        finish(session, record, reason, now)
    else:
        exposures.set_intent(session, record.exposure.id, Intent.ABSENT, end_reason=reason)


def finish(session: Session, record: ExposureRecord, reason: str, now: datetime) -> None:
    """End an exposure of which the cluster has nothing: what it held is free.

    The Service that it was to adopt has its numbers: they are that one's, at no time free.
    """
    if record.sync.adopts_uid is None:
        ports.drop_holds(session, record.exposure.id, now)
    else:
        adoptions.give_back(session, record.exposure.id, now)
    exposures.end(session, record.exposure.id, reason, now)


def supersede(
    session: Session, record: ExposureRecord, pending: Revision, act: Act, by: int
) -> ExposureRecord:
    """Let a newer revision take the place of a pending one: its reviews are void, shared holds stay."""
    record = _moved(session, record, pending, Decision.SUPERSEDED, Mover.REQUESTER, act.now)
    reviews.void_all(session, pending, "superseded", act.now)
    tell(session, record, pending, "superseded", act, {"by": by})
    return record


def drop_unneeded(session: Session, record: ExposureRecord, now: datetime) -> list[int]:
    """Free the held ports that no revision which is still open needs; return them.

    Those of a Service that is to be adopted are never free: the end of the exposure gives them back.
    """
    if record.sync.adopts_uid is not None:
        return []
    wanted = {number for r in record.revisions if r.decision in OPEN for number in r.allocation.numbers()}
    return ports.drop_holds(session, record.exposure.id, now, keep=wanted)


def tell(
    session: Session, record: ExposureRecord, revision: Revision | None, kind: str, act: Act, data: Document
) -> None:
    """Write an event about a revision; None: about the exposure as a whole."""
    events.append(
        session,
        record.exposure.id,
        kind,
        actor=act.principal.document(),
        now=act.now,
        revision=revision.number if revision else None,
        request_id=act.request_id,
        data=data,
    )


def _moved(
    session: Session,
    record: ExposureRecord,
    revision: Revision,
    decision: Decision,
    mover: Mover,
    now: datetime,
) -> ExposureRecord:
    """Move one revision; return the record with it moved."""
    target = move(revision.decision, decision, mover)
    exposures.set_decision(session, revision, target, now)
    moved = replace(revision, decision=target, decided_at=now)
    revisions = tuple(moved if each.number == revision.number else each for each in record.revisions)
    return replace(record, revisions=revisions)
