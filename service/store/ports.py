"""The ledger's rows. (cluster, port) is the primary key, so two owners of one port cannot be written down.

A number is taken by one statement, an INSERT that may take over a row only when that row is free to take:
cooling and over, or cooling for the same team. So the key arbitrates every race and nobody checks before
inserting.

The key alone would let requests wait for each other's numbers in any order, and so deadlock. Hence an
advisory lock on (cluster, port), kept until the transaction ends, comes before the INSERT: first for the
numbers that were asked for, ascending and waiting, then for those that we choose, without waiting. Who
chooses passes over what somebody is about to take; only when nothing else is left it waits, and holds no
chosen number meanwhile. The locks are for order alone: a writer that takes none (the worker's import) is
still arbitrated by the key.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Select, and_, cast, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.errors import Busy, NodePortTaken, PoolExhausted, PortOwner
from service.domain.exposure import ClaimState, Metadata, PortClaim
from service.domain.ports import Pool
from service.store import tables as t
from service.store.rows import claim_of

ATTEMPTS = 8
"""How often a take is repeated when somebody else freed or took the numbers in between."""


@dataclass(frozen=True, slots=True)
class Taker:
    """For whom ports are taken, and why; the same for every port of one request."""

    exposure_id: UUID
    metadata: Metadata
    reason: str
    now: datetime

    def row(self, port: int) -> dict[str, Any]:
        """Return the row of a held port."""
        return {
            "cluster": self.metadata.cluster,
            "port": port,
            "state": ClaimState.HELD.value,
            "team": self.metadata.team,
            "namespace": self.metadata.namespace,
            "name": self.metadata.name,
            "exposure_id": self.exposure_id,
            "reason": self.reason,
            "until": None,
            "changed_at": self.now,
        }


def hold_asked(session: Session, taker: Taker, wanted: Mapping[int, str]) -> None:
    """Hold the ports that were asked for: all of them, or the caller's transaction fails.

    Args:
        wanted: port → JSON pointer of where it was asked for.

    Raises:
        NodePortTaken: with the owner and until when.
        Busy: a port is freed and taken again faster than we can look.
    """
    if not wanted:
        return
    cluster, open_ports = taker.metadata.cluster, sorted(wanted)
    session.execute(_locks(cluster, open_ports))
    for _ in range(ATTEMPTS):
        held = set(_insert(session, taker, open_ports))
        open_ports = [port for port in open_ports if port not in held]
        if not open_ports:
            return
        claim = get(session, cluster, open_ports[0])
        if claim is not None:  # else it was freed between the two statements: it may be had now
            owner = PortOwner(claim.team, claim.namespace, claim.name)
            raise NodePortTaken(claim.port, owner, claim.state.value, claim.until, wanted[claim.port])
    raise Busy(f"Node port {open_ports[0]} changes hands all the time. Try again in a second.")


def hold_chosen(session: Session, taker: Taker, pool: Pool, count: int) -> list[int]:
    """Choose and hold ``count`` free ports, the lowest first: that is the static band, then the dynamic one.

    Raises:
        PoolExhausted: fewer are free, whatever becomes of the requests that are under way.
        Busy: some would be free, and other requests are faster every time.
    """
    cluster = taker.metadata.cluster
    for _ in range(ATTEMPTS):
        with session.begin_nested() as attempt:
            picked = _pick(session, taker, pool, count)
            if len(picked) == count and len(_insert(session, taker, picked)) == count:
                return picked
            attempt.rollback()  # gives the numbers and their locks back
        if len(picked) == count:
            continue  # somebody had committed one between our look and our lock
        free = list(session.scalars(_free(taker, pool)))
        if len(free) < count:
            raise PoolExhausted(cluster, count, counts(session, cluster))
        _wait_until_decided(session, cluster, [port for port in free if port not in picked])
    raise Busy(f"Others take the last node ports of cluster {cluster} just now. Try again in a second.")


def _pick(session: Session, taker: Taker, pool: Pool, count: int) -> list[int]:
    """Lock up to ``count`` free numbers that nobody else is about to take; return them, ascending.

    The list of free numbers is materialized so that the scan over it, which locks, stops at the limit.
    """
    free = _free(taker, pool).cte("free").prefix_with("MATERIALIZED")
    lock = func.pg_try_advisory_xact_lock(_lock_class(taker.metadata.cluster), free.c.number)
    return list(session.scalars(select(free.c.number).where(lock).limit(count)))


def _free(taker: Taker, pool: Pool) -> Select[int]:
    """Return the query for the numbers that nobody has, ascending."""
    number = func.generate_series(pool.first, pool.last).column_valued("number")
    claim = t.port_claim.c
    taken = select(literal(1)).where(
        claim.cluster == taker.metadata.cluster, claim.port == number, ~_expired(taker.now)
    )
    return select(number.label("number")).where(~taken.exists()).order_by(number)


def _wait_until_decided(session: Session, cluster: str, ports: Sequence[int]) -> None:
    """Wait until the requests that are about to take these numbers have committed or failed; keep no lock."""
    with session.begin_nested() as waiting:
        session.execute(_locks(cluster, ports, shared=True))
        waiting.rollback()


def _locks(cluster: str, ports: Sequence[int], *, shared: bool = False) -> Select[tuple[None]]:
    """Return the statement that locks numbers one by one, waiting; they ascend: none waits crosswise."""
    number = func.unnest(cast(list(ports), ARRAY(Integer))).column_valued("number")
    lock = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
    return select(lock(_lock_class(cluster), number))


def _lock_class(cluster: str) -> int:
    """Return the first half of a port's lock, 32 signed bits; clusters that share one wait needlessly."""
    return zlib.crc32(cluster.encode()) - 2**31


def _expired(now: datetime) -> Any:
    return and_(t.port_claim.c.state == ClaimState.COOLING.value, t.port_claim.c.until <= now)


def _insert(session: Session, taker: Taker, ports: Iterable[int]) -> list[int]:
    """Take those of ``ports`` that may be taken; return them."""
    rows = [taker.row(port) for port in ports]
    if not rows:
        return []
    statement: Insert = pg_insert(t.port_claim).values(rows)
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in ("cluster", "port")}
    own_cooling = and_(
        t.port_claim.c.state == ClaimState.COOLING.value, t.port_claim.c.team == taker.metadata.team
    )
    upsert = statement.on_conflict_do_update(
        constraint=t.port_claim.primary_key,
        set_=replaced,
        where=or_(_expired(taker.now), own_cooling),
    ).returning(t.port_claim.c.port)
    return list(session.scalars(upsert))


def bind(session: Session, exposure_id: UUID, ports: Iterable[int], now: datetime) -> set[int]:
    """Say that the cluster may have these ports from now on; return those that this exposure really holds."""
    statement = (
        update(t.port_claim)
        .where(
            t.port_claim.c.exposure_id == exposure_id,
            t.port_claim.c.port.in_(sorted(ports)),
            t.port_claim.c.state.in_([ClaimState.HELD.value, ClaimState.BOUND.value]),
        )
        .values(state=ClaimState.BOUND.value, changed_at=now)
        .returning(t.port_claim.c.port)
    )
    return set(session.scalars(statement))


def drop_holds(session: Session, exposure_id: UUID) -> None:
    """Free the ports of an exposure that never became bound."""
    session.execute(
        delete(t.port_claim).where(
            t.port_claim.c.exposure_id == exposure_id, t.port_claim.c.state == ClaimState.HELD.value
        )
    )


def cool(session: Session, exposure_id: UUID, until: datetime, now: datetime) -> list[int]:
    """Send the bound ports of an exposure, whose Service is gone, to cooling; return them."""
    statement = (
        update(t.port_claim)
        .where(t.port_claim.c.exposure_id == exposure_id, t.port_claim.c.state == ClaimState.BOUND.value)
        .values(state=ClaimState.COOLING.value, until=until, changed_at=now)
        .returning(t.port_claim.c.port)
    )
    return sorted(session.scalars(statement))


def get(session: Session, cluster: str, port: int) -> PortClaim | None:
    """Return the claim on a number, None when nobody has it."""
    query = select(t.port_claim).where(t.port_claim.c.cluster == cluster, t.port_claim.c.port == port)
    row = session.execute(query).first()
    return claim_of(row) if row else None


def page(session: Session, cluster: str, after: int, limit: int, now: datetime) -> list[PortClaim]:
    """Return the claims of a cluster above a number; cooling ones that are over are free and left out."""
    query = (
        select(t.port_claim)
        .where(t.port_claim.c.cluster == cluster, t.port_claim.c.port > after, ~_expired(now))
        .order_by(t.port_claim.c.port)
        .limit(limit)
    )
    return [claim_of(row) for row in session.execute(query)]


def counts(session: Session, cluster: str) -> dict[str, int]:
    """Return how many ports of a cluster are in each state."""
    query = (
        select(t.port_claim.c.state, func.count())
        .where(t.port_claim.c.cluster == cluster)
        .group_by(t.port_claim.c.state)
    )
    return dict(iter(session.execute(query)))
