"""The port map of one cluster for everyone who is known, and the counts of all clusters for the metrics."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from service.domain.errors import NotFound
from service.domain.port_map import FREE, TAKEN, Band, PortMap, bands, port_map
from service.store import identities, reservations
from service.store import port_map as rows


@dataclass(frozen=True, slots=True)
class PortCount:
    """How many node ports of a cluster's band are in a state."""

    cluster: str
    band: Band
    state: str
    ports: int


def of_cluster(session: Session, name: str, now: datetime) -> PortMap:
    """Return the port map of a cluster.

    Raises:
        NotFound: no such cluster.
    """
    cluster = identities.cluster(session, name)
    if cluster is None:
        raise NotFound(f"There is no cluster {name!r}.")
    rules = reservations.holding(session, name, now)
    return port_map(name, cluster.pool, rows.claimed(session, name, now), rules)


def port_counts(session: Session, now: datetime) -> Iterator[PortCount]:
    """Yield the counts of every cluster: each band of its pool with each state, nothing left out."""
    pools = {cluster.name: cluster.pool for cluster in identities.clusters(session)}
    taken = {
        (cluster, band, state): ports
        for cluster, band, state, ports in rows.count_by_band(session, pools.items(), now)
    }
    for cluster, pool in pools.items():
        for band, numbers in bands(pool).items():
            counts = {state: taken.get((cluster, band, state), 0) for state in TAKEN}
            counts[FREE] = len(numbers) - sum(counts.values())
            yield from (PortCount(cluster, band, state, ports) for state, ports in counts.items())
        for state in TAKEN:
            yield PortCount(cluster, Band.OUTSIDE, state, taken.get((cluster, Band.OUTSIDE, state), 0))
