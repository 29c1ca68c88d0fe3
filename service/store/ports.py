"""The ledger's rows. (cluster, port) is the primary key, so two owners of one port cannot be written down.

A number is taken by one statement, an INSERT that may take over a row only when that row is free to take: cooling
and over, or cooling for the same team. So the key arbitrates every race and nobody checks before inserting.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.errors import NodePortTaken, PoolExhausted, PortOwner
from service.domain.exposure import ClaimState, Metadata, PortClaim
from service.domain.ports import Pool
from service.store import tables as t
from service.store.rows import claim_of

CHOOSE_ATTEMPTS = 8
"""How often a choice is repeated when every number it had picked went to somebody else meanwhile."""


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
    """
    for port in sorted(wanted):
        while not _insert(session, taker, [port]):
            claim = get(session, taker.metadata.cluster, port)
            if claim is None:  # freed between the two statements: it may be had now
                continue
            owner = PortOwner(claim.team, claim.namespace, claim.name)
            raise NodePortTaken(port, owner, claim.state.value, claim.until, wanted[port])


def hold_chosen(session: Session, taker: Taker, pool: Pool, count: int) -> list[int]:
    """Choose and hold ``count`` free ports: static band first, then the dynamic one.

    Raises:
        PoolExhausted: fewer are free; nothing that this transaction holds stays after its roll-back.
    """
    held: list[int] = []
    for _ in range(CHOOSE_ATTEMPTS):
        free = _free(session, taker, pool, count - len(held))
        held += _insert(session, taker, free)
        if len(held) == count:
            return held
        if not free:
            break
    raise PoolExhausted(taker.metadata.cluster, count, counts(session, taker.metadata.cluster))


def _free(session: Session, taker: Taker, pool: Pool, count: int) -> list[int]:
    """Return up to ``count`` numbers that look free; at random within a band, so that clients seldom meet."""
    number = func.generate_series(pool.first, pool.last).column_valued("number")
    claim = t.port_claim
    free = ~(
        select(literal(1))
        .where(
            claim.c.cluster == taker.metadata.cluster,
            claim.c.port == number,
            ~_expired(taker.now),
        )
        .exists()
    )
    query = (
        select(number)
        .where(free)
        .order_by(number >= pool.dynamic_band().start, func.random())
        .limit(count)
    )
    return sorted(session.scalars(query))


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
        select(t.port_claim.c.state, func.count()).where(t.port_claim.c.cluster == cluster).group_by(t.port_claim.c.state)
    )
    return {state: count for state, count in session.execute(query).tuples()}
