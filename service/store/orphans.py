"""The Services that no exposure wants any more, as the worker has seen them. Only it writes here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.orphan import Ended, Sighting
from service.domain.plan import Ref
from service.store import tables as t


@dataclass(frozen=True, slots=True)
class Orphan:
    """One of them."""

    ref: Ref
    uid: str
    exposure_id: UUID


def exposures_behind(session: Session, ids: Collection[UUID]) -> tuple[frozenset[UUID], Mapping[UUID, Ended]]:
    """Return which of these exposures there are, and what those that have ended would know as theirs."""
    e, s = t.exposure, t.exposure_sync
    query = (
        select(e.c.id, e.c.ended_at, s.c.uid, s.c.create_tokens, s.c.late_tokens)
        .join_from(e, s, s.c.exposure_id == e.c.id)
        .where(e.c.id.in_(ids))
    )
    rows = session.execute(query).all()
    ended = {
        row.id: Ended(row.uid, (*row.create_tokens, *row.late_tokens))
        for row in rows
        if row.ended_at is not None
    }
    return frozenset(row.id for row in rows), ended


def see(
    session: Session, cluster: str, seen: Collection[Orphan], now: datetime
) -> tuple[dict[str, Sighting], frozenset[str]]:
    """Count one sighting of each of these, and forget the others.

    Returns:
        Uid → how it stands now; and the uids that are seen for the first time.
    """
    o = t.orphan
    uids = [orphan.uid for orphan in seen]
    session.execute(delete(o).where(o.c.cluster == cluster, o.c.uid.not_in(uids)))
    if not seen:
        return {}, frozenset()
    rows = [
        {
            "cluster": cluster,
            "uid": orphan.uid,
            "namespace": orphan.ref.namespace,
            "name": orphan.ref.name,
            "exposure_id": orphan.exposure_id,
            "first_seen_at": now,
            "sightings": 1,
        }
        for orphan in seen
    ]
    again = {"sightings": o.c.sightings + 1}
    written = pg_insert(o).values(rows).on_conflict_do_update(constraint=o.primary_key, set_=again)
    found = session.execute(written.returning(o.c.uid, o.c.first_seen_at, o.c.sightings)).all()
    standing = {row.uid: Sighting(row.first_seen_at, row.sightings) for row in found}
    return standing, frozenset(uid for uid, sighting in standing.items() if sighting.sightings == 1)


def record_counts(session: Session, cluster: str, orphans: int, strangers: int, withheld: int) -> int:
    """Write how many there are for the metrics; return how many removals were withheld before."""
    view = t.cluster_view
    before = session.execute(select(view.c.withheld).where(view.c.cluster == cluster)).scalar() or 0
    counts = {"orphans": orphans, "strangers": strangers, "withheld": withheld}
    session.execute(update(view).where(view.c.cluster == cluster).values(counts))
    return before


def released_at(session: Session, cluster: str) -> datetime | None:
    """Return when a person last let the removals of a cluster go on."""
    found: datetime | None = session.execute(
        select(t.cluster.c.brake_released_at).where(t.cluster.c.name == cluster)
    ).scalar_one()
    return found
