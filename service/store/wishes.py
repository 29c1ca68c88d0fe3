"""What the worker asks of the ledger: for whom something may be due, who owns which key, what is settled.

A tick asks for what is due, whatever the number of exposures that are in sync; a sweep reads a row for each.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from service.domain.exposure import Allocation, ExposureRecord
from service.domain.plan import FIGHT, NODE_PORT_TAKEN, POOL_EXHAUSTED, Owner, Ref
from service.domain.spec import Document
from service.store import ledger
from service.store import tables as t
from service.store.prepared import Prepared
from service.store.records import joined
from service.store.rows import exposure_of

DUE = Prepared(
    text("""
    SELECT e.namespace, e.name
    FROM exposure AS e JOIN exposure_sync AS s ON s.exposure_id = e.id
    WHERE e.cluster = :cluster AND e.ended_at IS NULL
      AND e.id IN (
        SELECT exposure_id FROM revision WHERE decision = 'approved'
        UNION ALL SELECT id FROM exposure WHERE ended_at IS NULL AND intent <> 'present'
        UNION ALL SELECT exposure_id FROM exposure_sync
            WHERE state NOT IN ('none', 'in_sync', 'removed') OR reason = ANY (:lacking)
        UNION ALL SELECT exposure_id FROM exposure_sync WHERE paused AND state = 'removed'
      )
      AND NOT (e.intent = 'suspended' AND s.state IN ('none', 'removed') AND s.create_tokens = '{}')
      AND (s.next_attempt_at IS NULL OR s.next_attempt_at <= :now OR s.reason = ANY (:lacking)
        OR s.aim IS DISTINCT FROM CASE WHEN e.intent <> 'present' THEN 'removal' ELSE 'revision ' || (
            SELECT max(number) FROM revision WHERE exposure_id = e.id AND decision IN ('approved', 'live')
        ) END)
    ORDER BY e.created_at, e.id
""")
)
"""What rests after a failure is left out, but for what may end by itself: a fight, or a port that is lacking.

``domain.plan`` has the last word on that.
"""

SETTLED = text("""
    SELECT e.id, e.namespace, e.name, e.intent = 'present' AS is_present, s.state, s.revision, s.uid,
        s.create_tokens, s.late_tokens, s.aim, s.reason, s.ready_endpoints, s.ingress, s.target_ports,
        live.number, live.digest, live.manifest, live.allocation, live.request_id,
        coalesce(own.ports, '{}') AS ports,
        EXISTS (
            SELECT FROM revision WHERE exposure_id = e.id AND decision IN ('pending', 'approved')
        ) AS is_open
    FROM exposure AS e
    JOIN exposure_sync AS s ON s.exposure_id = e.id
    LEFT JOIN revision AS live ON live.exposure_id = e.id AND live.decision = 'live'
    LEFT JOIN (
        SELECT exposure_id, array_agg(port) AS ports FROM port_claim
        WHERE cluster = :cluster AND state IN ('held', 'bound') GROUP BY exposure_id
    ) AS own ON own.exposure_id = e.id
    WHERE e.cluster = :cluster AND e.ended_at IS NULL
    ORDER BY e.created_at, e.id
""")


@dataclass(frozen=True, slots=True)
class Settled:
    """An exposure whose live revision is in the cluster, as far as the ledger knows, with nothing open."""

    ref: Ref
    exposure_id: UUID
    revision: int
    digest: str
    request_id: str
    manifest: Document
    allocation: Allocation
    uid: str
    create_tokens: tuple[str, ...]
    ready_endpoints: int
    ingress: Sequence[Document]
    target_ports: Mapping[str, Sequence[int]]


def due(session: Session, cluster: str, now: datetime) -> list[Ref]:
    """Return the keys for which something may have to be done, the oldest exposure first."""
    facts = {"cluster": cluster, "now": now, "lacking": [NODE_PORT_TAKEN, POOL_EXHAUSTED, FIGHT]}
    return [Ref(row.namespace, row.name) for row in DUE.rows(session, facts)]


def sweep(session: Session, cluster: str) -> tuple[list[Settled], list[Ref]]:
    """Return what is settled, and the keys of all others that have not ended."""
    settled, others = [], []
    for row in session.execute(SETTLED, {"cluster": cluster}):
        found = _settled_of(row)
        if found is not None:
            settled.append(found)
        elif row.is_present or row.state not in ("none", "removed") or _may_have_one(row) or _may_lack(row):
            others.append(Ref(row.namespace, row.name))
    return settled, others


def _may_have_one(row: Row[Any]) -> bool:
    """Return whether the cluster may have a Service of what is down: a late create may arrive at any time."""
    return bool(row.uid or row.create_tokens or row.late_tokens)


def _may_lack(row: Row[Any]) -> bool:
    """Return whether a number of what is down may have gone to somebody, or is said to have."""
    given = Allocation.from_document(row.allocation).numbers() if row.allocation else set()
    return bool(row.is_open or row.reason is not None or given - set(row.ports))


def _settled_of(row: Row[Any]) -> Settled | None:
    is_in_sync = row.is_present and row.state == "in_sync" and row.revision == row.number and row.uid
    if not is_in_sync or row.is_open or row.aim is not None or row.reason is not None:
        return None
    allocation = Allocation.from_document(row.allocation)
    if allocation.numbers() != set(row.ports):  # it lacks one, or has one that it does not need
        return None
    return Settled(
        ref=Ref(row.namespace, row.name),
        exposure_id=row.id,
        revision=row.number,
        digest=row.digest,
        request_id=row.request_id,
        manifest=row.manifest,
        allocation=allocation,
        uid=row.uid,
        create_tokens=tuple(row.create_tokens),
        ready_endpoints=row.ready_endpoints,
        ingress=row.ingress,
        target_ports=row.target_ports,
    )


def owners(session: Session, cluster: str) -> dict[Ref, Owner]:
    """Return by what each exposure that has not ended knows its Service."""
    e, s = t.exposure, t.exposure_sync
    query = (
        select(e.c.namespace, e.c.name, e.c.id, s.c.uid, s.c.create_tokens, s.c.late_tokens)
        .join_from(e, s, s.c.exposure_id == e.c.id)
        .where(e.c.cluster == cluster, e.c.ended_at.is_(None))
    )
    return {
        Ref(row.namespace, row.name): Owner(row.id, row.uid, (*row.create_tokens, *row.late_tokens))
        for row in session.execute(query)
    }


OF_REFS = Prepared(
    text("""
    SELECT exposure.*
    FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])) AS wanted (namespace, name)
    JOIN exposure USING (namespace, name)
    WHERE cluster = :cluster AND ended_at IS NULL
""")
)


def of_refs(
    session: Session, cluster: str, refs: Iterable[Ref]
) -> tuple[dict[Ref, ExposureRecord], ledger.Newest]:
    """Return the exposures that have these keys now, and the newest event of all of them."""
    refs = tuple(refs)
    keys = {"namespaces": [ref.namespace for ref in refs], "names": [ref.name for ref in refs]}
    rows = OF_REFS.rows(session, {"cluster": cluster, **keys})
    newest = ledger.ask_newest(session, [row.id for row in rows])
    records = joined(session, [exposure_of(row) for row in rows])
    return {Ref(r.exposure.metadata.namespace, r.exposure.metadata.name): r for r in records}, newest()
