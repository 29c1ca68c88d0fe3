"""A reviewer says yes, no or something about one revision, bound to the digest that was read.

The count is taken anew under the exposure's row lock with each review: two people on the last seat make one
decision.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.errors import AlreadyDecided, DigestMismatch, Forbidden, NotFound
from service.domain.exposure import Decision, ExposureRecord, Opinion, Review, Revision
from service.domain.lifecycle import Mover
from service.domain.lifetime import is_unreviewed, reviewed_until
from service.domain.principal import Principal
from service.domain.review import check_reviewer, folded, missing, seats_of
from service.domain.spec import Document
from service.store import exposures, reviews
from service.workflow.act import Act
from service.workflow.approval import approve, close, retire, tell
from service.workflow.judge import Judge
from service.workflow.read import check_visible
from service.workflow.revise import check_going_on


@dataclass(frozen=True, slots=True)
class ReviewDraft:
    """A verdict on what had this digest, or a comment about it."""

    verdict: Opinion
    digest: str
    comment: str | None


def review(
    session: Session,
    where: tuple[UUID, int],
    draft: ReviewDraft,
    act: Act,
    judge: Judge,
    review_id: UUID,
) -> Review:
    """Record a review and decide with it, under the exposure's row lock.

    A second verdict of the same person takes the place of the first, until the decision.

    Args:
        where: the exposure, and the revision's number.

    Raises:
        NotFound: no such exposure or revision for this caller.
        Forbidden, SelfReview, DigestMismatch: see ``check_reviewer``; or no seat is for this person.
        Ended, AlreadyDecided: there is nothing left to decide.
    """
    record, revision = _locked(session, where, act.principal)
    if draft.verdict is Opinion.COMMENT:
        return _comment(session, record, revision, draft, act, review_id)
    check_reviewer(act.principal, revision, draft.digest)
    _check_open(record, revision, act.now)
    seats = judge.seats_for(record, revision, act.principal)
    if not seats:
        groups = ", ".join(sorted({seat.group or "any approver" for seat in seats_of(revision)}))
        raise Forbidden(f"None of the seats of this revision is for you: they are for {groups}.")
    written = _written(revision, draft, act, review_id, seats)
    before = _of_person(record, revision, act.principal)
    if before is not None:
        reviews.void(session, before.id, "changed", act.now)
    reviews.add(session, record.exposure.id, written)
    counted = tuple(r for r in record.reviews if before is None or r.id != before.id)
    record = replace(record, reviews=(*counted, written))
    data: Document = {"digest": draft.digest, "comment": draft.comment, "verdict": draft.verdict.value}
    if draft.verdict is Opinion.REJECT and revision.decision is Decision.PENDING:
        close(session, record, revision, (Decision.REJECTED, Mover.REVIEWER), act, data)
    elif draft.verdict is Opinion.REJECT:
        retire(session, record, revision, act, f"{act.principal.person} rejected it after break-glass.")
    else:
        _count(session, record, revision, act, data)
    return written


def withdraw_review(session: Session, where: tuple[UUID, int], review_id: UUID, act: Act) -> None:
    """Take one's own review back, while nothing is decided.

    Raises:
        NotFound: there is none of yours that counts.
        AlreadyDecided, Ended: too late.
    """
    record, revision = _locked(session, where, act.principal)
    found = _of_person(record, revision, act.principal)
    if found is None or found.id != review_id:
        raise NotFound(f"Revision {revision.number} has no review {review_id} of yours that counts.")
    _check_open(record, revision, act.now)
    reviews.void(session, found.id, "withdrawn", act.now)
    exposures.changed(session, record.exposure.id)
    tell(session, record, revision, "review-withdrawn", act, {"review": str(found.id)})


def _locked(
    session: Session, where: tuple[UUID, int], principal: Principal
) -> tuple[ExposureRecord, Revision]:
    exposure_id, number = where
    record = exposures.lock(session, exposure_id)
    check_visible(record, principal)
    assert record is not None
    revision = next((r for r in record.revisions if r.number == number), None)
    if revision is None:
        raise NotFound(f"Exposure {exposure_id} has no revision {number}.")
    return record, revision


def _check_open(record: ExposureRecord, revision: Revision, now: datetime) -> None:
    check_going_on(record.exposure)
    looked_at_later = revision.decision in (Decision.APPROVED, Decision.LIVE) and is_unreviewed(revision)
    if revision.decision is not Decision.PENDING and not looked_at_later:
        raise AlreadyDecided(f"Revision {revision.number} is {revision.decision}: nothing is left to review.")
    check_in_time(revision, now)


def check_in_time(revision: Revision, now: datetime) -> None:
    """Refuse to decide what has waited too long: the clock only has not looked yet.

    Raises:
        AlreadyDecided: its time is over.
    """
    until = reviewed_until(revision)
    if until is not None and until <= now:
        number, since = revision.number, until.isoformat()
        raise AlreadyDecided(f"The waiting time of revision {number} is over since {since}: ask for it anew.")


def _of_person(record: ExposureRecord, revision: Revision, principal: Principal) -> Review | None:
    who = folded(principal.person)
    return next(
        (
            r
            for r in record.reviews_of(revision)
            if r.verdict is not Opinion.COMMENT and folded(r.reviewer["person"]) == who
        ),
        None,
    )


def _written(
    revision: Revision, draft: ReviewDraft, act: Act, review_id: UUID, seats: tuple[str, ...]
) -> Review:
    return Review(
        id=review_id,
        revision=revision.number,
        reviewer=act.principal.document() | {"groups": sorted(act.principal.groups)},
        verdict=draft.verdict,
        digest=draft.digest,
        comment=draft.comment,
        created_at=act.now,
        seats=seats,
    )


def _comment(
    session: Session,
    record: ExposureRecord,
    revision: Revision,
    draft: ReviewDraft,
    act: Act,
    review_id: UUID,
) -> Review:
    """Write a doubt or a question down: anybody who sees the exposure may, and nothing is decided."""
    if draft.digest != revision.digest:
        raise DigestMismatch(draft.digest, revision.digest)
    written = _written(revision, draft, act, review_id, ())
    reviews.add(session, record.exposure.id, written)
    exposures.changed(session, record.exposure.id)
    tell(session, record, revision, "commented", act, {"digest": draft.digest, "comment": draft.comment})
    return written


def _count(session: Session, record: ExposureRecord, revision: Revision, act: Act, data: Document) -> None:
    """Approve when every seat is filled, else say what is missing."""
    left = missing(seats_of(revision), record.reviews_of(revision))
    if left:
        exposures.changed(session, record.exposure.id)
        seats = [{"group": seat.group, "count": seat.count} for seat in left]
        tell(session, record, revision, "reviewed", act, {**data, "missing": seats})
    elif revision.decision is Decision.PENDING:
        approve(session, record, revision, Mover.REVIEWER, act, data)
    else:
        assert revision.break_glass is not None
        reviewed = {**revision.break_glass, "reviewed_at": act.now.isoformat()}
        exposures.set_break_glass(session, revision, reviewed)
        exposures.changed(session, record.exposure.id, next_deadline_at=act.now)
        tell(session, record, revision, "break-glass-reviewed", act, data)
