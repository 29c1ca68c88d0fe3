"""Exposures whose time has come."""

from datetime import datetime

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from service.domain.exposure import ExposureRecord
from service.store import exposures
from service.store import tables as t
from service.store.prepared import Prepared

DUE = Prepared(
    select(t.exposure.c.id)
    .where(t.exposure.c.ended_at.is_(None), t.exposure.c.next_deadline_at <= bindparam("now"))
    .order_by(t.exposure.c.next_deadline_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True, key_share=True)
)


def claim(session: Session, now: datetime, most: int) -> list[ExposureRecord]:
    """Lock the exposures that have been due longest and that nobody else has; return them."""
    due = [row.id for row in DUE.rows(session, {"now": now, "most": most})]
    exposures.lock_ahead(session, due)
    found = (exposures.lock(session, exposure_id) for exposure_id in due)
    return [record for record in found if record is not None]


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
