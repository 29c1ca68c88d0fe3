"""The ledger's rows. (cluster, port) is the primary key, so two owners of one port cannot be written down.

Each number of a pool has a row, the free ones too: so a free number can be locked. Who chooses takes the
first free rows that nobody has locked and passes over the others (``SKIP LOCKED``), and waits for nobody.
Numbers that were asked for are locked first, ascending and waiting. Only who finds too few free numbers
waits, for the requests that are about to take the last ones, then in a queue of its like, and holds no number
meanwhile: so nobody waits crosswise. docs/decisions/0006 has the figures and what was refused.

A cooling number whose time is over is as good as a free one, whether or not anybody has moved its row.
One that its own team takes back sooner keeps that time in ``cools_until`` until it is bound.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from service.domain.claim import ClaimState, PortClaim
from service.domain.errors import Busy, NodePortTaken, PoolExhausted, PortOwner
from service.domain.exposure import Metadata
from service.domain.history import Ending
from service.domain.lifetime import kept_until
from service.store import exposures
from service.store import tables as t
from service.store.port_history import FREE, ending, given_back
from service.store.port_statements import BIND, CHOOSE, LOOK, QUEUE, TAKE, WAIT
from service.store.prepared import Prepared
from service.store.rows import claim_of
from service.store.usage import pool_usage

TAKING, CHOOSING, BINDING, LOOKING = Prepared(TAKE), Prepared(CHOOSE), Prepared(BIND), Prepared(LOOK)
ATTEMPTS = 40
"""How often a take is repeated when somebody else freed or took the numbers in between."""


@dataclass(frozen=True, slots=True)
class Taker:
    """For whom ports are taken, and why; the same for every port of one request."""

    exposure_id: UUID
    metadata: Metadata
    reason: str
    now: datetime

    def facts(self) -> dict[str, Any]:
        """Return the parameters that every statement of a take has."""
        metadata = self.metadata
        return {
            "exposure_id": self.exposure_id,
            "cluster": metadata.cluster,
            "team": metadata.team,
            "namespace": metadata.namespace,
            "name": metadata.name,
            "reason": self.reason,
            "now": self.now,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What is wanted at once: numbers that were asked for, numbers to have back, and how many to choose.

    ``asked`` maps a number to the JSON pointer of where it was asked for. ``count`` numbers are wanted beside
    the asked ones; ``earlier`` are taken for it when they may be had, the others are chosen from ``ranges``,
    in their order.
    """

    asked: Mapping[int, str] = field(default_factory=dict)
    earlier: frozenset[int] = frozenset()
    count: int = 0
    ranges: Sequence[range] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What a take gave: which of the stated numbers, and the chosen ones in the order of preference."""

    stated: frozenset[int]
    chosen: tuple[int, ...]


def hold(session: Session, taker: Taker, want: Want) -> Held:
    """Hold everything that is wanted, together or not at all: after an error the caller rolls back.

    Raises:
        NodePortTaken: an asked port, with its owner and until when.
        PoolExhausted: too few are free, whatever becomes of the requests that are under way.
        Busy: numbers change hands faster than we can look.
    """
    wanted, cluster = len(want.asked) + want.count, taker.metadata.cluster
    for attempts in range(ATTEMPTS):
        if attempts == 1:  # else those who find too few take the last ones from each other for ever
            session.execute(QUEUE, {"cluster": cluster})
        if wanted <= 1:  # what is short of one number holds none
            held = _take(session, taker, want)
        else:
            with session.begin_nested() as attempt:
                held = _take(session, taker, want)
                if len(held.stated) + len(held.chosen) < wanted:
                    attempt.rollback()  # gives the numbers and their locks back
        if len(held.stated) + len(held.chosen) == wanted:
            return held
        stated = held.stated | want.asked.keys()
        missing = wanted - len(stated)
        if missing:
            free = _free(session, taker, want.ranges)
            if len(free - stated) >= missing:  # others are about to take them, or have given them back
                free = _wait_until_decided(session, taker, want.ranges)
            if len(free - stated) < missing:  # what was just given back is free, and spoken for
                raise PoolExhausted(cluster, missing, pool_usage(session, cluster, len(free), taker.now))
    raise Busy("Others take these node ports just now. Try again in a second.")


def _take(session: Session, taker: Taker, want: Want) -> Held:
    """Take what can be had now; when an asked number cannot, nothing is chosen.

    Raises:
        NodePortTaken: somebody has an asked number.
    """
    stated = _take_stated(session, taker, want.asked.keys() | want.earlier)
    refused = sorted(want.asked.keys() - stated)
    if refused:
        claim = get(session, taker.metadata.cluster, refused[0])
        if claim is not None and not claim.is_over(taker.now):
            [claim] = with_ends(session, [claim])
            owner = PortOwner(claim.team, claim.namespace, claim.name)
            pointer = want.asked[claim.port]
            raise NodePortTaken(claim.port, owner, claim.state.value, claim.until, pointer)
        return Held(stated, ())  # it was freed between the two statements: it may be had now
    missing = want.count - len(stated - want.asked.keys())
    return Held(stated, _choose(session, taker, want.ranges, missing))


def _take_stated(session: Session, taker: Taker, numbers: Collection[int]) -> frozenset[int]:
    if not numbers:
        return frozenset()
    return frozenset(row.port for row in TAKING.rows(session, taker.facts() | {"numbers": sorted(numbers)}))


def _choose(session: Session, taker: Taker, ranges: Sequence[range], count: int) -> tuple[int, ...]:
    if not count or not ranges:
        return ()
    rows = CHOOSING.rows(session, taker.facts() | _ends(ranges) | {"count": count})
    return tuple(row.port for row in sorted(rows, key=lambda row: (row.place, row.port)))


def _free(session: Session, taker: Taker, ranges: Sequence[range]) -> frozenset[int]:
    """Return the numbers that nobody has, as far as anything has committed."""
    facts = {"cluster": taker.metadata.cluster, "now": taker.now}
    return frozenset(row.port for row in LOOKING.rows(session, facts | _ends(ranges)))


def _wait_until_decided(session: Session, taker: Taker, ranges: Sequence[range]) -> frozenset[int]:
    """Wait until the requests that are about to take free numbers have committed or failed; keep no lock.

    Returns:
        The numbers that are free then.
    """
    facts = {"cluster": taker.metadata.cluster, "now": taker.now}
    with session.begin_nested() as waiting:
        free = frozenset(session.scalars(WAIT, facts | _ends(ranges)))
        waiting.rollback()
    return free


def _ends(ranges: Sequence[range]) -> dict[str, list[int]]:
    return {"firsts": [numbers[0] for numbers in ranges], "lasts": [numbers[-1] for numbers in ranges]}


def bind(session: Session, exposure_id: UUID, ports: Iterable[int], now: datetime) -> Callable[[], set[int]]:
    """Say that the cluster may have these ports from now on; return what names those that it really holds.

    It is kept back, so it costs no round trip where others follow or the transaction ends.
    """
    rows = BINDING.ask(session, {"exposure_id": exposure_id, "ports": sorted(ports), "now": now})
    return lambda: {row.port for row in rows()}


def drop_holds(
    session: Session, exposure_id: UUID, now: datetime, keep: Collection[int] = frozenset()
) -> list[int]:
    """Give the ports of an exposure back that never became bound, but for some; return them.

    They are free, but for those that its team took back while they cooled: these go on cooling.
    """
    condition = and_(_of(exposure_id, ClaimState.HELD), t.port_claim.c.port.not_in(keep))
    return sorted(session.scalars(ending(condition, Ending.UNUSED, now, given_back(now))))


def release(
    session: Session,
    exposure_id: UUID,
    keep: Collection[int],
    until: datetime,
    now: datetime,
    how: Ending = Ending.RELEASED,
) -> list[int]:
    """Send the bound ports of an exposure that the cluster has no more, all but ``keep``, to cooling.

    A direct read has shown the Service gone, or without them, and no call for them can still be under way.

    Args:
        keep: what the exposure goes on with.
        until: when another team may have them.
        how: released, the Service is gone; dropped, it goes on without them.

    Returns:
        The numbers that cool.
    """
    condition = and_(_of(exposure_id, ClaimState.BOUND), t.port_claim.c.port.not_in(keep))
    values = {"state": ClaimState.COOLING.value, "until": until, "changed_at": now}
    return sorted(session.scalars(ending(condition, how, now, values, cooling_until=until)))


def _of(exposure_id: UUID, state: ClaimState) -> Any:
    return and_(t.port_claim.c.exposure_id == exposure_id, t.port_claim.c.state == state.value)


def get(session: Session, cluster: str, port: int) -> PortClaim | None:
    """Return the claim on a number, None when nobody has it."""
    claim = t.port_claim
    query = select(claim).where(claim.c.cluster == cluster, claim.c.port == port, claim.c.state != FREE)
    row = session.execute(query).first()
    return claim_of(row) if row else None


def with_ends(session: Session, claims: Sequence[PortClaim]) -> list[PortClaim]:
    """Return claims, those of exposures with the time until which the clock lets them have their numbers."""
    states = (ClaimState.HELD, ClaimState.BOUND)
    ids = {claim.exposure_id for claim in claims if claim.exposure_id and claim.state in states}
    records = exposures.of_ids(session, sorted(ids)) if ids else {}
    return [
        replace(claim, until=kept_until(records[claim.exposure_id], claim.port))
        if claim.state in states and claim.exposure_id in records
        else claim
        for claim in claims
    ]


def page(session: Session, cluster: str, after: int, limit: int, now: datetime) -> list[PortClaim]:
    """Return the claims of a cluster above a number; cooling ones that are over are free and left out."""
    claim = t.port_claim
    over = and_(claim.c.state == ClaimState.COOLING.value, claim.c.until <= now)
    query = (
        select(claim)
        .where(claim.c.cluster == cluster, claim.c.port > after, claim.c.state != FREE, ~over)
        .order_by(claim.c.port)
        .limit(limit)
    )
    return [claim_of(row) for row in session.execute(query)]
