"""The ledger as a whole, for the port map and the metrics: read only, one statement each."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Text, and_, case, column, func, or_, select, values
from sqlalchemy.orm import Session

from service.domain.claim import ClaimState
from service.domain.errors import PortOwner
from service.domain.port_map import TAKEN, Band, Claimed
from service.domain.ports import Pool
from service.store import tables as t


def claimed(session: Session, cluster: str, now: datetime) -> list[Claimed]:
    """Return every number of a cluster that somebody has, ascending, outside of its pool too."""
    claim = t.port_claim.c
    query = (
        select(claim.port, claim.state, claim.team, claim.namespace, claim.name)
        .where(claim.cluster == cluster, _is_taken(now))
        .order_by(claim.port)
    )
    return [
        Claimed(port, state, PortOwner(team, namespace, name))
        for port, state, team, namespace, name in session.execute(query)
    ]


def count_by_band(
    session: Session, pools: Iterable[tuple[str, Pool]], now: datetime
) -> Iterator[tuple[str, Band, str, int]]:
    """Yield cluster, band, state and how many numbers somebody has; what nobody has is not counted."""
    rows = [(name, pool.first, pool.dynamic_band().start, pool.last) for name, pool in pools]
    if not rows:
        return
    pool = values(
        column("cluster", Text),
        column("first", Integer),
        column("dynamic", Integer),
        column("last", Integer),
        name="pool",
    ).data(rows)
    claim = t.port_claim.c
    band = case(
        (or_(claim.port < pool.c.first, claim.port > pool.c.last), Band.OUTSIDE.value),
        (claim.port < pool.c.dynamic, Band.STATIC.value),
        else_=Band.DYNAMIC.value,
    ).label("band")
    query = (
        select(claim.cluster, band, claim.state, func.count())
        .join(pool, pool.c.cluster == claim.cluster)
        .where(_is_taken(now))
        .group_by(claim.cluster, band, claim.state)
    )
    for cluster, name, state, ports in session.execute(query):
        yield cluster, Band(name), state, ports


def _is_taken(now: datetime) -> Any:
    """Return the condition that somebody has a number; a cooling time that is over needs nobody to end it."""
    claim = t.port_claim.c
    over = and_(claim.state == ClaimState.COOLING.value, claim.until <= now)
    return and_(claim.state.in_(TAKEN), ~over)
