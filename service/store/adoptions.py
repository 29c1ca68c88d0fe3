"""Requests to adopt a Service: who asked, what was read, what came of it; one that is open for a name."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.adoption import Adoption, AdoptionState, changes_of
from service.domain.errors import AdoptionOpen, Busy, Fault
from service.domain.exposure import Metadata
from service.domain.spec import Document
from service.store import clusters, foreign
from service.store import tables as t
from service.store.rows import adoption_of
from service.store.tables.adoptions import OPEN

adoption = t.adoption


def add(session: Session, wanted: Adoption) -> None:
    """Write a new request.

    Raises:
        AdoptionOpen: one for the same Service is not over.
        Busy: the cluster was removed just now.
    """
    metadata = wanted.metadata
    if not clusters.keep(session, metadata.cluster):
        raise Busy(f"Cluster {metadata.cluster} was removed just now.")
    row = {
        "id": wanted.id,
        "cluster": metadata.cluster,
        "namespace": metadata.namespace,
        "name": metadata.name,
        "team": metadata.team,
        "requested_by": wanted.requested_by,
        "request_id": wanted.request_id,
        "lifetime": wanted.lifetime,
        "justification": wanted.justification,
        "state": wanted.state.value,
        "faults": [],
        "created_at": wanted.created_at,
        "updated_at": wanted.updated_at,
    }
    statement = pg_insert(adoption).values(row)
    written = statement.on_conflict_do_nothing(
        index_elements=["cluster", "namespace", "name"], index_where=OPEN
    ).returning(adoption.c.id)
    if session.scalar(written) is None:
        raise AdoptionOpen(metadata.namespace, metadata.name, _holder(session, metadata))


def _holder(session: Session, metadata: Metadata) -> UUID | None:
    """Return the open request for a Service, when it is the same team's: to others it stays unseen."""
    query = select(adoption.c.id).where(*_named(metadata), adoption.c.team == metadata.team, OPEN)
    return session.scalar(query)


def _named(metadata: Metadata) -> Sequence[ColumnElement[bool]]:
    return [adoption.c[name] == getattr(metadata, name) for name in ("cluster", "namespace", "name")]


def get(session: Session, cluster: str, adoption_id: UUID) -> Adoption | None:
    """Return a request of a cluster, None when there is none."""
    query = select(adoption).where(adoption.c.id == adoption_id, adoption.c.cluster == cluster)
    row = session.execute(query).first()
    return adoption_of(row) if row else None


def page(
    session: Session,
    cluster: str,
    teams: Collection[str] | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Adoption]:
    """Return requests of a cluster, newest first, below a position; ``teams`` None: of all."""
    query = (
        select(adoption)
        .where(adoption.c.cluster == cluster)
        .order_by(adoption.c.created_at.desc(), adoption.c.id.desc())
        .limit(limit)
    )
    if teams is not None:
        query = query.where(adoption.c.team.in_(teams))
    if before is not None:
        query = query.where(tuple_(adoption.c.created_at, adoption.c.id) < before)
    return [adoption_of(row) for row in session.execute(query)]


def waiting(session: Session, cluster: str, limit: int) -> list[Adoption]:
    """Return the requests whose Service nobody has read yet, the oldest first."""
    query = select(adoption).where(adoption.c.cluster == cluster, _is(AdoptionState.WAITING))
    return [adoption_of(row) for row in session.execute(query.order_by(adoption.c.created_at).limit(limit))]


def lock_waiting(session: Session, adoption_id: UUID) -> bool:
    """Lock a request until the transaction ends; return False when it waits no more, or for somebody else."""
    query = select(adoption.c.id).where(adoption.c.id == adoption_id, _is(AdoptionState.WAITING))
    return session.scalar(query.with_for_update(skip_locked=True)) is not None


def lock_all_waiting(session: Session, cluster: str) -> None:
    """Lock the requests of a cluster whose Service nobody has read yet until the transaction ends."""
    query = select(adoption.c.id).where(adoption.c.cluster == cluster, _is(AdoptionState.WAITING))
    session.execute(query.order_by(adoption.c.id).with_for_update())


def refuse_all_waiting(session: Session, cluster: str, fault: Fault, now: datetime) -> list[str]:
    """Refuse the requests of a cluster whose Service nobody has read; return their namespace/name, sorted."""
    its = and_(adoption.c.cluster == cluster, _is(AdoptionState.WAITING))
    told = {"state": AdoptionState.REFUSED.value, "faults": [asdict(fault)], "updated_at": now}
    refused = update(adoption).where(its).values(told).returning(adoption.c.namespace, adoption.c.name)
    return sorted(f"{row.namespace}/{row.name}" for row in session.execute(refused))


def refuse(session: Session, adoption_id: UUID, faults: Sequence[Fault], now: datetime) -> None:
    """Write down why a request is refused."""
    told = list(map(asdict, faults))
    _move(session, adoption.c.id == adoption_id, AdoptionState.REFUSED, now, faults=told)


def request(session: Session, adoption_id: UUID, copy: Document, exposure_id: UUID, now: datetime) -> None:
    """Write down what was read of a Service, and which exposure is to have it."""
    uid = copy["metadata"]["uid"]
    read: dict[str, Any] = {"uid": uid, "service": copy, "exposure_id": exposure_id}
    _move(session, adoption.c.id == adoption_id, AdoptionState.REQUESTED, now, **read)
    sync = t.exposure_sync
    session.execute(update(sync).where(sync.c.exposure_id == exposure_id).values(adopts_uid=uid))


def adopted(session: Session, exposure_id: UUID, stored: Document, now: datetime) -> list[Document]:
    """Write down that a Service is its exposure's; return in what it differs from what was read of it."""
    its = adoption.c.exposure_id == exposure_id
    copy = session.execute(select(adoption.c.service).where(its)).scalar_one()
    _move(session, its, AdoptionState.ADOPTED, now)
    return changes_of(copy, stored)


def give_back(session: Session, exposure_id: UUID, now: datetime) -> None:
    """Write down that an adoption came to nothing; its numbers are the Service's, as before."""
    foreign.give_back(session, exposure_id, now)
    _move(session, adoption.c.exposure_id == exposure_id, AdoptionState.ENDED, now)


def pending(session: Session, cluster: str) -> dict[tuple[str, str], str]:
    """Return which Services are to be adopted and are not yet: namespace and name → uid."""
    exposure, sync = t.exposure.c, t.exposure_sync.c
    query = (
        select(exposure.namespace, exposure.name, sync.adopts_uid)
        .join_from(t.exposure, t.exposure_sync, sync.exposure_id == exposure.id)
        .where(exposure.cluster == cluster, exposure.ended_at.is_(None), sync.adopts_uid.is_not(None))
    )
    return {(namespace, name): uid for namespace, name, uid in session.execute(query)}


def _is(state: AdoptionState) -> ColumnElement[bool]:
    return adoption.c.state == state.value


def _move(
    session: Session, which: ColumnElement[bool], state: AdoptionState, now: datetime, **values: Any
) -> None:
    session.execute(update(adoption).where(which).values(state=state.value, updated_at=now, **values))
