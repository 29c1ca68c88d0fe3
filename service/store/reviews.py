"""Reviews. What was said is never changed: a review that counts no more is void, and says why."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.errors import AlreadyDecided
from service.domain.exposure import Opinion, Review, Revision
from service.domain.review import folded
from service.store import tables as t

AWAITED = """
    exposure.ended_at IS NULL AND EXISTS (
        SELECT FROM revision
        WHERE revision.exposure_id = exposure.id AND revision.decision = 'pending'
            AND lower(revision.requested_by ->> 'person') <> :me
            AND lower(coalesce(revision.requested_by ->> 'acted_for', '')) <> :me
            AND NOT EXISTS (SELECT FROM unnest(revision.editors) AS editor (person) WHERE lower(person) = :me)
            AND NOT EXISTS (
                SELECT FROM review
                WHERE review.exposure_id = exposure.id AND review.revision = revision.number
                    AND person = :me AND verdict <> 'comment' AND voided_at IS NULL
            )
            AND EXISTS (
                SELECT FROM jsonb_array_elements(
                    coalesce(revision.verdict -> 'seats', '[{"group": null}]')
                ) AS seat (wanted)
                WHERE wanted ->> 'group' IS NULL OR wanted ->> 'group' = ANY (CAST(:groups AS text[]))
            )
    )
"""


def awaited_from(person: str, groups: frozenset[str]) -> ColumnElement[bool]:
    """Return the condition that an exposure waits for somebody who could still review it.

    Args:
        person: as ``folded`` writes it.
        groups: in which this person is.
    """
    return text(AWAITED).bindparams(me=person, groups=sorted(groups))  # type: ignore[return-value]


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
