"""Reviews. What was said is never changed: a review that counts no more is void, and says why."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.errors import AlreadyDecided
from service.domain.exposure import Opinion, Review, Revision
from service.domain.review import folded
from service.store import tables as t


def add(session: Session, exposure_id: UUID, review: Review) -> None:
    """Write a review.

    Raises:
        AlreadyDecided: this person has one on this revision that counts.
    """
    inserted = session.scalar(
        pg_insert(t.review)
        .values(
            id=review.id,
            exposure_id=exposure_id,
            revision=review.revision,
            person=folded(review.reviewer["person"]),
            reviewer=review.reviewer,
            verdict=review.verdict.value,
            digest=review.digest,
            comment=review.comment,
            created_at=review.created_at,
            seats=list(review.seats),
        )
        .on_conflict_do_nothing()
        .returning(t.review.c.id)
    )
    if inserted is None:
        raise AlreadyDecided("You have reviewed this revision already; one person has one review.")


def void(session: Session, review_id: UUID, reason: str, now: datetime) -> None:
    """Let a review count no more."""
    session.execute(
        update(t.review).where(t.review.c.id == review_id).values(voided_at=now, void_reason=reason)
    )


def void_all(session: Session, revision: Revision, reason: str, now: datetime) -> None:
    """Let every verdict on a revision count no more; comments stay as they are."""
    review = t.review.c
    session.execute(
        update(t.review)
        .where(
            review.exposure_id == revision.exposure_id,
            review.revision == revision.number,
            review.voided_at.is_(None),
            review.verdict != Opinion.COMMENT.value,
        )
        .values(voided_at=now, void_reason=reason)
    )
