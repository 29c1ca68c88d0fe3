"""What happened, in order; rows are only ever added."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.domain.exposure import Event
from service.domain.spec import Document
from service.store import tables as t
from service.store.database import LATER
from service.store.rows import event_of

APPEND = insert(t.event).inline()
"""Inline: nobody needs the new id."""


def append(
    session: Session,
    exposure_id: UUID,
    kind: str,
    *,
    actor: Document,
    now: datetime,
    revision: int | None = None,
    request_id: str | None = None,
    data: Document | None = None,
) -> None:
    """Write down one event."""
    session.execute(
        APPEND,
        {
            "exposure_id": exposure_id,
            "kind": kind,
            "revision": revision,
            "actor": actor,
            "request_id": request_id,
            "data": data or {},
            "at": now,
        },
        execution_options=LATER,
    )


def of_exposure(session: Session, exposure_id: UUID, after: int, limit: int) -> list[Event]:
    """Return events with an id above ``after``, oldest first."""
    query = (
        select(t.event)
        .where(t.event.c.exposure_id == exposure_id, t.event.c.id > after)
        .order_by(t.event.c.id)
        .limit(limit)
    )
    return [event_of(row) for row in session.execute(query)]
