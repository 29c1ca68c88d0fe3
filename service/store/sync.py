"""The worker's own axis: what it did, and what it saw. Nobody else writes here."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, distinct, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.store import tables as t
from service.store.prepared import Prepared


def record(session: Session, exposure_id: UUID, now: datetime, **values: Any) -> None:
    """Write what the worker did; counts one sync change. ``changed_at`` moves with the state alone."""
    facts = {f"to_{column}": value for column, value in values.items()}
    _record(tuple(sorted(values))).later(session, facts | {"of": exposure_id, "now": now})


@cache
def _record(columns: tuple[str, ...]) -> Prepared:
    """Return what writes these columns: each way of recording is one statement."""
    sync = t.exposure_sync
    values: dict[str, Any] = {c: bindparam(f"to_{c}", type_=sync.c[c].type) for c in columns}
    if "state" in columns:
        is_same = sync.c.state == bindparam("to_state", type_=sync.c.state.type)
        now = bindparam("now", type_=sync.c.changed_at.type)
        values["changed_at"] = case((is_same, sync.c.changed_at), else_=now)
    its = update(sync).where(sync.c.exposure_id == bindparam("of", type_=sync.c.exposure_id.type))
    return Prepared(its.values(sync_count=sync.c.sync_count + 1, **values))


def record_readiness(session: Session, exposure_id: UUID, uid: str, now: datetime, **seen: Any) -> None:
    """Write what was seen of a Service's endpoints and load balancer, unless it is gone or another by now."""
    facts = {f"to_{column}": value for column, value in seen.items()}
    facts |= {"to_ready_changed_at": now, "of": exposure_id, "of_uid": uid}
    _record_readiness(tuple(sorted(("ready_changed_at", *seen)))).later(session, facts)


@cache
def _record_readiness(columns: tuple[str, ...]) -> Prepared:
    sync = t.exposure_sync
    values: dict[str, Any] = {c: bindparam(f"to_{c}", type_=sync.c[c].type) for c in columns}
    its = (
        sync.c.exposure_id == bindparam("of", type_=sync.c.exposure_id.type),
        sync.c.uid == bindparam("of_uid", type_=sync.c.uid.type),
    )
    return Prepared(update(sync).where(*its).values(sync_count=sync.c.sync_count + 1, **values))


def record_view(
    session: Session, cluster: str, node_addresses: Sequence[str], now: datetime
) -> list[str] | None:
    """Write what was seen of a cluster that can be read; return its node addresses before, if it was seen."""
    view = t.cluster_view
    before = session.execute(
        select(view.c.node_addresses).where(view.c.cluster == cluster, view.c.seen_at.is_not(None))
    ).scalar()
    _record_view(session, cluster, now, None, node_addresses)
    return before


def touched_by_nodes(session: Session, cluster: str) -> int:
    """Return how many exposures are reached through the nodes of a cluster now."""
    e, claim = t.exposure, t.port_claim
    query = select(func.count(distinct(claim.c.exposure_id))).join_from(
        claim, e, e.c.id == claim.c.exposure_id
    )
    is_reached = (claim.c.cluster == cluster, claim.c.state == "bound", e.c.intent == "present")
    return session.execute(query.where(*is_reached)).scalar_one()


def record_unreadable(session: Session, cluster: str, problem: str, now: datetime) -> None:
    """Write why a cluster cannot be read; what was seen before stays, with its time."""
    _record_view(session, cluster, now, problem, None)


def _record_view(
    session: Session, cluster: str, now: datetime, problem: str | None, node_addresses: Sequence[str] | None
) -> None:
    """Write one look. The change count, part of each ETag, moves only when a reader can see a difference."""
    view = t.cluster_view
    row = {
        "cluster": cluster,
        "node_addresses": list(node_addresses or ()),
        "seen_at": None if node_addresses is None else now,
        "problem": problem,
        "change_count": 1,
    }
    new = pg_insert(view).values(row)
    seen: dict[str, Any] = {"problem": new.excluded.problem}
    if node_addresses is not None:
        seen |= {"node_addresses": new.excluded.node_addresses, "seen_at": new.excluded.seen_at}
    changed = or_(
        *(view.c[name].is_distinct_from(value) for name, value in seen.items() if name != "seen_at")
    )
    seen["change_count"] = view.c.change_count + case((changed, 1), else_=0)
    session.execute(new.on_conflict_do_update(constraint=view.primary_key, set_=seen))
