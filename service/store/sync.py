"""The worker's own axis: what it did, and what it saw. Nobody else writes here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.exposure import Document
from service.store import tables as t


def record(session: Session, exposure_id: UUID, now: datetime, **values: Any) -> None:
    """Write what the worker did; counts one sync change (the S of the ETag)."""
    session.execute(
        update(t.exposure_sync)
        .where(t.exposure_sync.c.exposure_id == exposure_id)
        .values(sync_count=t.exposure_sync.c.sync_count + 1, changed_at=now, **values)
    )


def record_readiness(
    session: Session, exposure_id: UUID, now: datetime, ready_endpoints: int, ingress: Sequence[Document]
) -> None:
    """Write what was seen of an exposure's endpoints and load balancer."""
    record(session, exposure_id, now, ready_endpoints=ready_endpoints, ingress=list(ingress))


def record_view(session: Session, cluster: str, node_addresses: Sequence[str], now: datetime) -> None:
    """Write what was seen of a cluster's nodes."""
    row = {"cluster": cluster, "node_addresses": list(node_addresses), "seen_at": now}
    statement = pg_insert(t.cluster_view).values(row)
    session.execute(
        statement.on_conflict_do_update(
            constraint=t.cluster_view.primary_key,
            set_={"node_addresses": statement.excluded.node_addresses, "seen_at": statement.excluded.seen_at},
        )
    )
