"""Which worker may act on which cluster, and until when. All times are the database's clock.

A row says who holds a cluster. Who holds it lets it last longer; anybody may take it once its time is over,
and of several who try the database lets one. A holder whose time was over, and whose row nobody has taken,
still holds it: whoever takes it writes another holder there.

Rows are locked by the clusters' names, so that nobody waits crosswise.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from service.store import tables as t
from service.store.database import wake
from service.store.identities import Cluster, cluster_of
from service.store.prepared import Prepared

LENGTH = timedelta(seconds=8)
"""How long a lease lasts from its last renewal on; a worker counts as alive for as long."""

FORGOTTEN = timedelta(hours=1)
"""After so long without a word a worker's row is taken out."""

HANDED_BACK = ""
"""What wakes the workers when a lease was handed back: no cluster has that name."""

SEEN = text("""
    INSERT INTO worker (token, seen_at) VALUES (:holder, clock_timestamp())
    ON CONFLICT ON CONSTRAINT worker_pkey DO UPDATE SET seen_at = excluded.seen_at
""")
FORGET = text("DELETE FROM worker WHERE seen_at < clock_timestamp() - CAST(:forgotten AS interval)")
RENEW = text("""
    WITH mine AS (SELECT cluster FROM lease WHERE holder = :holder ORDER BY cluster FOR UPDATE)
    UPDATE lease SET until = clock_timestamp() + CAST(:length AS interval)
    FROM mine WHERE lease.cluster = mine.cluster
    RETURNING lease.cluster
""")
TAKE = text("""
    INSERT INTO lease (cluster, holder, until, taken_at)
    SELECT name, :holder, clock_timestamp() + CAST(:length AS interval), clock_timestamp()
    FROM cluster WHERE name = ANY (CAST(:clusters AS text[])) AND removed_at IS NULL ORDER BY name
    ON CONFLICT ON CONSTRAINT lease_pkey DO UPDATE
        SET holder = excluded.holder, until = excluded.until, taken_at = excluded.taken_at
        WHERE lease.until < clock_timestamp()
    RETURNING cluster
""")
LIVING = text("SELECT token FROM worker WHERE seen_at > clock_timestamp() - CAST(:length AS interval)")
CLUSTERS = text("""
    SELECT cluster.*, lease.holder, extract(epoch FROM lease.until - clock_timestamp()) AS seconds_left
    FROM cluster LEFT JOIN lease ON lease.cluster = cluster.name
    WHERE cluster.removed_at IS NULL ORDER BY cluster.name
""")
HOLDS = Prepared(
    text("""
    SELECT cluster FROM lease WHERE cluster = :cluster AND holder = :holder AND until > clock_timestamp()
""")
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Who holds what. ``holders``: cluster → its holder, of the leases that are not over; ``workers``: alive.

    ``lapses_in``: after how many seconds the first lease of somebody else is over, unless it is renewed.
    """

    clusters: Mapping[str, Cluster]
    holders: Mapping[str, str]
    workers: frozenset[str]
    lapses_in: float | None


def renew(session: Session, holder: str) -> frozenset[str]:
    """Say that a worker lives, and let its leases last longer; return the clusters that it still holds."""
    session.execute(SEEN, {"holder": holder})
    session.execute(FORGET, {"forgotten": FORGOTTEN})
    return frozenset(session.scalars(RENEW, {"holder": holder, "length": LENGTH}))


def standing(session: Session, holder: str) -> Standing:
    """Return who holds what, as seen by one of the workers."""
    rows = session.execute(CLUSTERS).all()
    left = [float(row.seconds_left) for row in rows if row.holder not in (None, holder)]
    return Standing(
        clusters={row.name: cluster_of(row) for row in rows},
        holders={row.name: row.holder for row in rows if row.holder and row.seconds_left > 0},
        workers=frozenset(session.scalars(LIVING, {"length": LENGTH})),
        lapses_in=min((seconds for seconds in left if seconds > 0), default=None),
    )


def take(session: Session, holder: str, clusters: Collection[str]) -> frozenset[str]:
    """Take those of these clusters that nobody holds now; return them."""
    facts = {"holder": holder, "clusters": sorted(clusters), "length": LENGTH}
    return frozenset(session.scalars(TAKE, facts))


def holds(session: Session, cluster: str, holder: str) -> bool:
    """Return whether a worker holds a cluster at this moment."""
    return HOLDS.first(session, {"cluster": cluster, "holder": holder}) is not None


def hand_back(session: Session, holder: str, clusters: Collection[str]) -> None:
    """Give leases back before their time: whoever may have them is woken."""
    lease = t.lease.c
    mine = select(lease.cluster).where(lease.holder == holder, lease.cluster.in_(sorted(clusters)))
    locked = mine.order_by(lease.cluster).with_for_update().cte("mine")
    session.execute(delete(t.lease).where(lease.cluster == locked.c.cluster))
    wake(session, HANDED_BACK)


def leave(session: Session, holder: str) -> None:
    """Give back whatever a worker holds, and take it out of those that live."""
    held = session.scalars(select(t.lease.c.cluster).where(t.lease.c.holder == holder)).all()
    session.execute(delete(t.worker).where(t.worker.c.token == holder))
    hand_back(session, holder, held)
