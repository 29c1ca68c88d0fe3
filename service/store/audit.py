"""What happened that is no exposure's: policies, freezes, requests that were refused. Rows only come."""

from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.domain.spec import Document
from service.store import tables as t


def append(
    session: Session, kind: str, actor: Document, now: datetime, request_id: str | None, data: Document
) -> None:
    """Write down one event."""
    session.execute(
        insert(t.audit_event).inline(),
        {"kind": kind, "actor": actor, "request_id": request_id, "data": data, "at": now},
    )


def of_kind(session: Session, kind: str, limit: int) -> list[Document]:
    """Return the data of the newest events of a kind, the newest first."""
    event = t.audit_event.c
    query = select(event.data).where(event.kind == kind).order_by(event.id.desc()).limit(limit)
    return [dict(data) for data in session.scalars(query)]
