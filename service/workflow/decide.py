"""A reviewer decides about one revision, bound to the digest that was read. One seat for now."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.errors import AlreadyDecided, Ended, NotFound
from service.domain.exposure import Decision, ExposureRecord, Review, Revision
from service.domain.lifecycle import Mover, move
from service.domain.review import check_reviewer
from service.store import events, exposures, ports
from service.store.database import wake
from service.workflow.act import Act
from service.workflow.read import check_visible

APPROVE, REJECT = "approve", "reject"


@dataclass(frozen=True, slots=True)
class ReviewDraft:
    """A verdict (``approve`` or ``reject``) on what had this digest."""

    verdict: str
    digest: str
    comment: str | None


def review(
    session: Session, exposure_id: UUID, number: int, draft: ReviewDraft, act: Act, review_id: UUID
) -> Review:
    """Record a review and decide with it, under the exposure's row lock.

    Raises:
        NotFound: no such exposure or revision for this caller.
        Forbidden, SelfReview, DigestMismatch: see ``check_reviewer``.
        Ended, AlreadyDecided: there is nothing left to decide.
    """
    record = exposures.lock(session, exposure_id)
    check_visible(record, act.principal)
    assert record is not None
    revision = next((r for r in record.revisions if r.number == number), None)
    if revision is None:
        raise NotFound(f"Exposure {exposure_id} has no revision {number}.")
    check_reviewer(act.principal, revision, draft.digest)
    if record.exposure.ended_at:
        reason = record.exposure.end_reason
        raise Ended(f"This exposure has ended ({reason}): there is nothing to review any more.")
    if revision.decision is not Decision.PENDING:
        raise AlreadyDecided(f"Revision {number} is {revision.decision}: nothing is left to review.")
    written = Review(
        review_id, number, act.principal.document(), draft.verdict, draft.digest, draft.comment, act.now
    )
    exposures.add_review(session, exposure_id, written)
    if draft.verdict == APPROVE:
        _approve(session, record, revision, draft, act)
    else:
        _reject(session, record, revision, draft, act)
    return written


def _approve(
    session: Session, record: ExposureRecord, revision: Revision, draft: ReviewDraft, act: Act
) -> None:
    approved = move(revision.decision, Decision.APPROVED, Mover.REVIEWER)
    exposures.set_decision(session, revision, approved, act.now)
    exposures.changed(session, revision.exposure_id)
    _tell(session, revision, "approved", draft, act)
    wake(session, record.exposure.metadata.cluster)


def _reject(
    session: Session, record: ExposureRecord, revision: Revision, draft: ReviewDraft, act: Act
) -> None:
    rejected = move(revision.decision, Decision.REJECTED, Mover.REVIEWER)
    exposures.set_decision(session, revision, rejected, act.now)
    ports.drop_holds(session, revision.exposure_id, act.now)
    exposures.changed(session, revision.exposure_id)
    if record.newest(Decision.APPROVED, Decision.LIVE) is None:
        exposures.end(session, revision.exposure_id, "Rejected", act.now)
    _tell(session, revision, "rejected", draft, act)


def _tell(session: Session, revision: Revision, kind: str, draft: ReviewDraft, act: Act) -> None:
    events.append(
        session,
        revision.exposure_id,
        kind,
        actor=act.principal.document(),
        now=act.now,
        revision=revision.number,
        request_id=act.request_id,
        data={"digest": draft.digest, "comment": draft.comment},
    )
