"""Exposures whose time has come."""

from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from service.domain.exposure import ExposureRecord
from service.store import exposures
from service.store import tables as t


def claim(session: Session, now: datetime) -> ExposureRecord | None:
    """Lock the exposure that has been due longest and that nobody else has; None: there is none."""
    exposure = t.exposure.c
    query = (
        select(exposure.id)
        .where(exposure.ended_at.is_(None), exposure.next_deadline_at <= now)
        .order_by(exposure.next_deadline_at)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
    )
    found = session.scalar(query)
    return exposures.get(session, found) if found is not None else None


def call_up(session: Session, epoch: int, now: datetime) -> None:
    """Let every exposure be looked at that was judged by older policies than these."""
    exposure = t.exposure.c
    stale = (
        select(exposure.id)
        .where(exposure.ended_at.is_(None), exposure.judged_at < epoch)
        .where(or_(exposure.next_deadline_at.is_(None), exposure.next_deadline_at > now))
        .order_by(exposure.id)
        .with_for_update(skip_locked=True, key_share=True)
        .cte("stale")
    )
    session.execute(update(t.exposure).where(exposure.id == stale.c.id).values(next_deadline_at=now))
