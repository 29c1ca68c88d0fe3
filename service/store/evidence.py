"""Everything that is kept of an exposure, as it is stored: what evidence is made of and the audit reads.

Rows as they are, not domain values: a column that comes later is evidence too, and a row that somebody has
spoilt can still be told of.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, func, select
from sqlalchemy.orm import Session

from service.domain.chain import content, stamp
from service.domain.spec import Document
from service.store import tables as t
from service.store.rows import event_of


def kept(session: Session, ids: Sequence[UUID]) -> dict[UUID, Document]:
    """Return ``{exposure, revisions, reviews, events}`` of each of these exposures that there is."""
    query = select(t.exposure).where(t.exposure.c.id.in_(ids)).order_by(t.exposure.c.id)
    found: dict[UUID, Document] = {
        row.id: {"exposure": _plain(row), "revisions": [], "reviews": [], "events": []}
        for row in session.execute(query)
    }
    for row in _of(session, t.revision, ids, "number"):
        found[row.exposure_id]["revisions"].append(_plain(row))
    for row in _of(session, t.review, ids, "created_at", "id"):
        found[row.exposure_id]["reviews"].append(_plain(row))
    for row in _of(session, t.event, ids, "seq"):
        event = event_of(row)
        found[row.exposure_id]["events"].append({**content(event), "hash": event.hash})
    return found


def ids_after(session: Session, last: UUID | None, limit: int) -> list[UUID]:
    """Return exposures' ids in their order, those behind ``last``."""
    query = select(t.exposure.c.id).order_by(t.exposure.c.id).limit(limit)
    return list(session.scalars(query if last is None else query.where(t.exposure.c.id > last)))


def count(session: Session) -> int:
    """Return how many exposures there are."""
    return session.scalar(select(func.count()).select_from(t.exposure)) or 0


def _of(session: Session, table: Table, ids: Sequence[UUID], *order: str) -> Sequence[Row[Any]]:
    query = select(table).where(table.c.exposure_id.in_(ids)).order_by(*(table.c[name] for name in order))
    return session.execute(query).all()


def _plain(row: Row[Any]) -> Document:
    """Return a row as JSON values."""
    return {name: _json(value) for name, value in row._mapping.items()}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    return str(value) if isinstance(value, UUID) else value
