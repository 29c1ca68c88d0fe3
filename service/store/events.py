"""What happened, in order; rows are only ever added, each one chained to the one before.

A new event has to know the hash of the last one. The exposure's row has it, and its lock lets one writer at a
time go on from there. Within a transaction that lock is kept, so where the chain ends is read once.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, bindparam, insert, select, update
from sqlalchemy.orm import Session

from service.domain.chain import Head, link
from service.domain.event import Entry, Event
from service.domain.spec import Document
from service.store import tables as t
from service.store.prepared import Prepared
from service.store.rows import event_of

HEADS = "chain heads"
"""Of a session, which is one transaction: exposure → where its chain ends."""

HEAD = (
    select(t.exposure.c.head_seq, t.exposure.c.head_hash)
    .where(t.exposure.c.id == bindparam("exposure_id"))
    .with_for_update(key_share=True)
)
WRITTEN = ("seq", "previous_hash", "hash", "kind", "revision", "actor", "request_id", "data", "at")


def _append() -> Executable:
    """Return what writes an event and moves the head of its chain; from another head it fails, with NULL."""
    moved = (
        update(t.exposure)
        .where(t.exposure.c.id == bindparam("of"), t.exposure.c.head_seq == bindparam("seq") - 1)
        .values(head_seq=bindparam("seq"), head_hash=bindparam("hash"))
        .returning(t.exposure.c.id)
        .cte("moved")
    )
    values: dict[str, ColumnElement[Any]] = {column: bindparam(column) for column in WRITTEN}
    values["exposure_id"] = select(moved.c.id).scalar_subquery()
    return insert(t.event).values(values).inline()


APPEND = Prepared(_append())
"""Inline: nobody needs the new id."""


def begin(session: Session, first: Entry) -> Document:
    """Begin the chain of an exposure that this transaction makes; return the columns of its first event."""
    head = link(first)
    locked(session, first.exposure_id, head)
    return _row(first, head)


def locked(session: Session, exposure_id: UUID, head: Head) -> None:
    """Say where a chain ends whose exposure this transaction has locked: it is not read then."""
    session.info.setdefault(HEADS, {})[exposure_id] = head


def append(
    session: Session,
    exposure_id: UUID,
    kind: str,
    *,
    actor: Document,
    request_id: str,
    now: datetime,
    revision: int | None = None,
    data: Document | None = None,
) -> None:
    """Write down one event as the last one of its exposure's chain.

    Args:
        request_id: of the request that it comes from; what the worker does comes from the revision's.
    """
    heads: dict[UUID, Head] = session.info.setdefault(HEADS, {})
    if exposure_id not in heads:
        heads[exposure_id] = Head(*session.execute(HEAD, {"exposure_id": exposure_id}).one())
    last = heads[exposure_id]
    entry = Entry(
        exposure_id=exposure_id,
        seq=last.seq + 1,
        previous_hash=last.hash,
        kind=kind,
        revision=revision,
        actor=actor,
        request_id=request_id,
        data=data or {},
        at=now,
    )
    heads[exposure_id] = link(entry)
    APPEND.later(session, {"of": exposure_id, **_row(entry, heads[exposure_id])})


def _row(entry: Entry, head: Head) -> Document:
    return {column: getattr(entry, column) for column in WRITTEN if column != "hash"} | {"hash": head.hash}


def newest(session: Session, exposure_id: UUID, kinds: Collection[str]) -> Event | None:
    """Return the last event of an exposure that is of one of these kinds."""
    query = (
        select(t.event)
        .where(t.event.c.exposure_id == exposure_id, t.event.c.kind.in_(kinds))
        .order_by(t.event.c.seq.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    return event_of(row) if row is not None else None


def of_exposure(session: Session, exposure_id: UUID, after: int, limit: int) -> list[Event]:
    """Return events that stand after ``after`` in their chain, oldest first."""
    query = (
        select(t.event)
        .where(t.event.c.exposure_id == exposure_id, t.event.c.seq > after)
        .order_by(t.event.c.seq)
        .limit(limit)
    )
    return [event_of(row) for row in session.execute(query)]
