"""Exposures with their revisions, and whatever else their documents are made of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from service.domain.chain import Head
from service.domain.errors import Busy, NameTaken
from service.domain.event import Entry
from service.domain.exposure import (
    Allocation,
    Decision,
    Exposure,
    ExposureRecord,
    Intent,
    Metadata,
    Revision,
)
from service.domain.spec import Document
from service.store import events
from service.store import tables as t
from service.store.database import gathering_of
from service.store.exposure_statements import (
    ADD,
    ADD_REVISION,
    LOCK,
    LOCK_AHEAD,
    LOCK_AT_ONCE,
    READ,
    changing,
    changing_revision,
)
from service.store.prepared import Prepared
from service.store.records import Belongings, joined
from service.store.rows import exposure_of

LOCKED = "locked exposures"
"""Of a session, which is one transaction: what was locked and read ahead, and nobody has changed since."""


def add(session: Session, exposure: Exposure, first: Entry) -> None:
    """Write a new exposure with its first event and an empty sync state; its name is taken from now on.

    Raises (with the next answer of the database):
        NameTaken: an exposure of that cluster, namespace and name has not ended.
        Busy: its cluster has just been removed.
    """
    metadata = exposure.metadata
    row = {
        "id": exposure.id,
        "cluster": metadata.cluster,
        "namespace": metadata.namespace,
        "name": metadata.name,
        "team": metadata.team,
        "intent": exposure.intent.value,
        "generation": exposure.generation,
        "change_count": exposure.change_count,
        "created_at": exposure.created_at,
        "next_deadline_at": exposure.next_deadline_at,
        "judged_at": exposure.judged_at,
        "violations": None if exposure.violations is None else list(exposure.violations),
    }
    row |= {f"event_{column}": value for column, value in events.begin(session, first).items()}
    ADD.later(session, row, if_none=lambda: _not_added(session, metadata))


def add_revision(session: Session, revision: Revision) -> None:
    """Write a new revision."""
    row = {
        "exposure_id": revision.exposure_id,
        "number": revision.number,
        "spec": revision.spec.document(),
        "manifest": revision.manifest,
        "digest": revision.digest,
        "allocation": revision.allocation.document(),
        "decision": revision.decision.value,
        "requested_by": revision.requested_by,
        "request_id": revision.request_id,
        "created_at": revision.created_at,
        "kind": revision.kind.value,
        "base": revision.base,
        "editors": list(revision.editors),
        "delta": revision.delta,
        "verdict": revision.verdict,
        "pending_until": revision.pending_until,
    }
    ADD_REVISION.later(session, row)


def written(session: Session) -> None:
    """Return once what was kept back is written: whoever goes on needs the exposure to be there.

    Raises:
        NameTaken, Busy: as for ``add``.
    """
    gathering_of(session).send()


def _not_added(session: Session, metadata: Metadata) -> Busy | NameTaken:
    """Return why an exposure could not be written."""
    there = select(t.cluster.c.name).where(
        t.cluster.c.name == metadata.cluster, t.cluster.c.removed_at.is_(None)
    )
    if session.execute(there).first() is None:
        return Busy(f"Cluster {metadata.cluster} was removed just now.")
    return NameTaken(metadata.namespace, metadata.name, _holder(session, metadata))


def _holder(session: Session, metadata: Metadata) -> UUID | None:
    """Return the exposure that has the name, when it is the same team's: to others it stays unseen."""
    return session.scalar(
        select(t.exposure.c.id).where(
            t.exposure.c.cluster == metadata.cluster,
            t.exposure.c.namespace == metadata.namespace,
            t.exposure.c.name == metadata.name,
            t.exposure.c.team == metadata.team,
            t.exposure.c.ended_at.is_(None),
        )
    )


def lock(session: Session, exposure_id: UUID, *, wait: bool = True) -> ExposureRecord | None:
    """Lock an exposure's row until the transaction ends, then read all of it; None when there is none.

    Its id may be written down meanwhile, as a port's owner: who has ports waits for no exposure.

    Raises (through the transaction):
        Busy: somebody else has the lock; at once unless ``wait``.
    """
    ahead: dict[UUID, ExposureRecord] = session.info.get(LOCKED, {})
    if exposure_id in ahead:
        return ahead.pop(exposure_id)
    records = _locked(session, LOCK if wait else LOCK_AT_ONCE, [exposure_id])
    return records[0] if records else None


def unchanged(session: Session, record: ExposureRecord) -> None:
    """Say that nothing was written about a locked exposure since it was read: the next ``lock`` has it so."""
    session.info.setdefault(LOCKED, {})[record.exposure.id] = record


def lock_ahead(session: Session, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Lock those of some exposures that nobody else has, and read all of them for the next ``lock`` of each.

    Returns:
        Which ones are locked now, until the transaction ends.
    """
    records = _locked(session, LOCK_AHEAD, ids)
    session.info[LOCKED] = {record.exposure.id: record for record in records}
    return frozenset(session.info[LOCKED])


def _locked(session: Session, statement: Prepared, ids: Sequence[UUID]) -> list[ExposureRecord]:
    """Lock exposures and read all of them; what belongs to one is read once it is locked."""
    asked, belongings = statement.ask(session, {"ids": list(ids)}), Belongings(session, ids)
    rows = asked()
    for row in rows:
        events.locked(session, row.id, Head(row.head_seq, row.head_hash))
    return belongings.joined(exposure_of(row) for row in rows)


def get(session: Session, exposure_id: UUID) -> ExposureRecord | None:
    """Return an exposure with everything about it, None when there is none."""
    return of_ids(session, [exposure_id]).get(exposure_id)


def of_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, ExposureRecord]:
    """Return exposures by their ids."""
    asked, belongings = READ.ask(session, {"ids": list(ids)}), Belongings(session, ids)
    return {r.exposure.id: r for r in belongings.joined(exposure_of(row) for row in asked())}


def page(
    session: Session,
    equal: Mapping[str, str],
    teams: frozenset[str] | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
    also: Sequence[ColumnElement[bool]] = (),
) -> list[ExposureRecord]:
    """Return exposures, newest first, below a position.

    Args:
        equal: column → value.
        teams: those to look at; None: all.
        also: conditions that have to hold too.
    """
    query = (
        select(t.exposure)
        .where(*also)
        .order_by(t.exposure.c.created_at.desc(), t.exposure.c.id.desc())
        .limit(limit)
    )
    for column, value in equal.items():
        query = query.where(t.exposure.c[column] == value)
    if teams is not None:
        query = query.where(t.exposure.c.team.in_(teams))
    if before is not None:
        query = query.where(tuple_(t.exposure.c.created_at, t.exposure.c.id) < before)
    return joined(session, [exposure_of(row) for row in session.execute(query)])


def is_compliant(wanted: bool) -> ColumnElement[bool]:
    """Return the condition that no deny rule matches what is live, or that one does."""
    count = func.jsonb_array_length(func.coalesce(t.exposure.c.violations, literal([], JSONB)))
    return and_(t.exposure.c.ended_at.is_(None), count == 0 if wanted else count > 0)


def set_decision(session: Session, revision: Revision, decision: Decision, now: datetime) -> None:
    """Move a revision; the caller asked ``lifecycle.move``. ``decided_at`` is the last person's decision."""
    values: Document = {"decision": decision.value}
    if decision not in (Decision.LIVE, Decision.RETIRED):
        values["decided_at"] = now
    _set_revision(session, revision, values)


def changed(session: Session, exposure_id: UUID, **values: Any) -> None:
    """Count one change by people (the G of the ETag), with the columns that it sets."""
    _set(session, exposure_id, values, is_change=True)


def note(session: Session, exposure_id: UUID, **values: Any) -> None:
    """Write what the worker or the clock knows of an exposure's time; no change by people."""
    _set(session, exposure_id, values)


def set_break_glass(session: Session, revision: Revision, document: Document) -> None:
    """Write down who let a revision through without its seats, or that they are filled by now."""
    _set_revision(session, revision, {"break_glass": document})


def set_intent(session: Session, exposure_id: UUID, intent: Intent, **values: Any) -> None:
    """Set what the owner wants of the whole; a suspension has its reason and time in ``values``."""
    if intent is not Intent.SUSPENDED:
        values |= {"suspension": None, "suspended_at": None, "forbidden_ports": None}
    changed(session, exposure_id, intent=intent.value, **values)


def end(session: Session, exposure_id: UUID, reason: str, now: datetime) -> None:
    """End an exposure: its name is free from now on. Whoever decided it counts the change."""
    _set(session, exposure_id, {"ended_at": now, "end_reason": reason})


def set_allocation(session: Session, revision: Revision, allocation: Allocation) -> None:
    """Write which node ports a revision has; an allocation is not content, so the digest stays."""
    _set_revision(session, revision, {"allocation": allocation.document()})


def _set(session: Session, exposure_id: UUID, values: Document, *, is_change: bool = False) -> None:
    facts = {f"to_{column}": value for column, value in values.items()}
    changing(tuple(sorted(values)), is_change).later(session, facts | {"of": exposure_id})


def _set_revision(session: Session, revision: Revision, values: Document) -> None:
    facts = {f"to_{column}": value for column, value in values.items()}
    its = {"of": revision.exposure_id, "of_number": revision.number}
    changing_revision(tuple(sorted(values))).later(session, facts | its)
