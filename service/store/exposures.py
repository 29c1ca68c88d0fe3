"""Exposures with their revisions and reviews."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, bindparam, insert, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.allocation import Before
from service.domain.errors import AlreadyDecided, NameTaken
from service.domain.exposure import (
    Allocation,
    ClaimState,
    ClusterView,
    Decision,
    Exposure,
    ExposureRecord,
    Intent,
    Metadata,
    Review,
    Revision,
    Sync,
)
from service.domain.spec import Document, Spec
from service.store import events
from service.store import tables as t
from service.store.rows import claim_of, exposure_of, revision_of, sync_of


def _add() -> Executable:
    """Return what writes an exposure and its empty sync state: nothing when the name is taken."""
    made = (
        pg_insert(t.exposure)
        .values({column: bindparam(column) for column in COLUMNS})
        .on_conflict_do_nothing(
            index_elements=["cluster", "namespace", "name"], index_where=t.exposure.c.ended_at.is_(None)
        )
        .returning(t.exposure.c.id)
        .cte("made")
    )
    values = [literal(value, t.exposure_sync.c[column].type) for column, value in UNTOUCHED.items()]
    return (
        insert(t.exposure_sync)
        .from_select(["exposure_id", *UNTOUCHED], select(made.c.id, *values))
        .returning(t.exposure_sync.c.exposure_id)
    )


COLUMNS = (
    "id",
    "cluster",
    "namespace",
    "name",
    "team",
    "intent",
    "generation",
    "change_count",
    "created_at",
)
UNTOUCHED: Document = {
    "state": "none",
    "create_tokens": [],
    "attempts": 0,
    "retryable": True,
    "still_serving": False,
    "ready_endpoints": 0,
    "ingress": [],
    "sync_count": 0,
}
"""What the worker knows of a new exposure: the row of ``Sync()``."""
ADD = _add()
ADD_REVISION = insert(t.revision)


def add(session: Session, exposure: Exposure) -> None:
    """Write a new exposure with an empty sync state; its name is taken from now on.

    Raises:
        NameTaken: an exposure of that cluster, namespace and name has not ended.
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
    }
    if session.execute(ADD, row).first() is None:
        raise NameTaken(metadata.namespace, metadata.name, _holder(session, metadata))
    events.begin(session, exposure.id)


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
    }
    session.execute(ADD_REVISION, row)


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
    its = select(t.exposure.c.id).where(t.exposure.c.id == exposure_id)
    row = its.with_for_update(nowait=not wait, key_share=True)
    return get(session, exposure_id) if session.execute(row).first() else None


def get(session: Session, exposure_id: UUID) -> ExposureRecord | None:
    """Return an exposure with everything about it, None when there is none."""
    rows = session.execute(select(t.exposure).where(t.exposure.c.id == exposure_id)).all()
    records = _records(session, [exposure_of(row) for row in rows])
    return records[0] if records else None


def page(
    session: Session,
    equal: Mapping[str, str],
    teams: frozenset[str] | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[ExposureRecord]:
    """Return exposures, newest first, below a position.

    Args:
        equal: column → value.
        teams: those to look at; None: all.
    """
    query = select(t.exposure).order_by(t.exposure.c.created_at.desc(), t.exposure.c.id.desc()).limit(limit)
    for column, value in equal.items():
        query = query.where(t.exposure.c[column] == value)
    if teams is not None:
        query = query.where(t.exposure.c.team.in_(teams))
    if before is not None:
        query = query.where(tuple_(t.exposure.c.created_at, t.exposure.c.id) < before)
    return _records(session, [exposure_of(row) for row in session.execute(query)])


def unsettled(session: Session, cluster: str) -> list[ExposureRecord]:
    """Return every exposure of a cluster that has not ended: what the worker looks at."""
    query = select(t.exposure).where(t.exposure.c.cluster == cluster, t.exposure.c.ended_at.is_(None))
    return _records(session, [exposure_of(row) for row in session.execute(query)])


def _records(session: Session, exposures: Sequence[Exposure]) -> list[ExposureRecord]:
    """Join what belongs to these exposures: one statement a table, whatever their number."""
    ids = [exposure.id for exposure in exposures]
    if not ids:
        return []
    revisions: dict[UUID, list[Revision]] = defaultdict(list)
    for row in session.execute(
        select(t.revision).where(t.revision.c.exposure_id.in_(ids)).order_by(t.revision.c.number)
    ):
        revisions[row.exposure_id].append(revision_of(row))
    syncs: dict[UUID, Sync] = {
        row.exposure_id: sync_of(row)
        for row in session.execute(select(t.exposure_sync).where(t.exposure_sync.c.exposure_id.in_(ids)))
    }
    claims: dict[UUID, list[Any]] = defaultdict(list)
    for row in session.execute(
        select(t.port_claim).where(t.port_claim.c.exposure_id.in_(ids)).order_by(t.port_claim.c.port)
    ):
        claims[row.exposure_id].append(claim_of(row))
    clusters = {exposure.metadata.cluster for exposure in exposures}
    views = {
        row.cluster: ClusterView(tuple(row.node_addresses), row.seen_at, row.problem, row.change_count)
        for row in session.execute(select(t.cluster_view).where(t.cluster_view.c.cluster.in_(clusters)))
    }
    return [
        ExposureRecord(
            exposure=exposure,
            revisions=tuple(revisions[exposure.id]),
            sync=syncs[exposure.id],
            claims=tuple(claims[exposure.id]),
            view=views.get(exposure.metadata.cluster, ClusterView()),
        )
        for exposure in exposures
    ]


BEFORE = (
    select(t.revision.c.spec, t.revision.c.allocation)
    .join_from(t.port_claim, t.revision, t.revision.c.exposure_id == t.port_claim.c.exposure_id)
    .where(
        *(t.port_claim.c[name] == bindparam(name) for name in ("cluster", "namespace", "name", "team")),
        t.port_claim.c.state == ClaimState.COOLING.value,
    )
    .order_by(t.revision.c.created_at.desc(), t.revision.c.number.desc())
    .limit(1)
)


def before(session: Session, metadata: Metadata) -> Before | None:
    """Return the last revision of who had this identity before, while a port of it is cooling."""
    identity = {name: getattr(metadata, name) for name in ("cluster", "namespace", "name", "team")}
    row = session.execute(BEFORE, identity).first()
    return Before(Spec.from_document(row.spec), Allocation.from_document(row.allocation)) if row else None


def set_decision(session: Session, revision: Revision, decision: Decision, now: datetime) -> None:
    """Move a revision; the caller asked ``lifecycle.move``. ``decided_at`` is the last person's decision."""
    values: Document = {"decision": decision.value}
    if decision not in (Decision.LIVE, Decision.RETIRED):
        values["decided_at"] = now
    session.execute(
        update(t.revision)
        .where(t.revision.c.exposure_id == revision.exposure_id, t.revision.c.number == revision.number)
        .values(values)
    )


def changed(session: Session, exposure_id: UUID, **values: Any) -> None:
    """Count one change by people (the G of the ETag), with the columns that it sets."""
    session.execute(
        update(t.exposure)
        .where(t.exposure.c.id == exposure_id)
        .values(change_count=t.exposure.c.change_count + 1, **values)
    )


def set_intent(session: Session, exposure_id: UUID, intent: Intent) -> None:
    """Set what the owner wants of the whole."""
    changed(session, exposure_id, intent=intent.value)


def end(session: Session, exposure_id: UUID, reason: str, now: datetime) -> None:
    """End an exposure: its name is free from now on. Whoever decided it counts the change."""
    session.execute(
        update(t.exposure).where(t.exposure.c.id == exposure_id).values(ended_at=now, end_reason=reason)
    )


def add_review(session: Session, exposure_id: UUID, review: Review) -> None:
    """Write a review.

    Raises:
        AlreadyDecided: this person has reviewed this revision before.
    """
    inserted = session.scalar(
        pg_insert(t.review)
        .values(
            id=review.id,
            exposure_id=exposure_id,
            revision=review.revision,
            person=review.reviewer["person"],
            reviewer=review.reviewer,
            verdict=review.verdict,
            digest=review.digest,
            comment=review.comment,
            created_at=review.created_at,
        )
        .on_conflict_do_nothing(constraint="review_exposure_id_revision_person_key")
        .returning(t.review.c.id)
    )
    if inserted is None:
        raise AlreadyDecided("You have reviewed this revision already; one person has one review.")


def set_allocation(session: Session, revision: Revision, allocation: Allocation) -> None:
    """Write which node ports a revision has; an allocation is not content, so the digest stays."""
    session.execute(
        update(t.revision)
        .where(t.revision.c.exposure_id == revision.exposure_id, t.revision.c.number == revision.number)
        .values(allocation=allocation.document())
    )
