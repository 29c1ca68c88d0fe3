"""The picture of a cluster's node ports: counts, bands, and runs of neighbours that are alike.

A pool has up to 65,535 numbers and few claims, so nothing here walks the numbers: the picture changes only
where a claim, a band or a reservation begins or ends, and between two such cuts all numbers are alike.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from service.domain.claim import ClaimState
from service.domain.errors import PortOwner
from service.domain.ports import Pool
from service.domain.reservation import Reservation

FREE = "free"
TAKEN = tuple(state.value for state in ClaimState)
STATES = (FREE, *TAKEN)


class Band(StrEnum):
    """Where a number stands: in one of the pool's bands, or outside, after a change of the pool."""

    STATIC = "static"
    DYNAMIC = "dynamic"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A number that somebody has, and one of the states ``TAKEN``."""

    port: int
    state: str
    owner: PortOwner


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring numbers, both ends inclusive, with the same state, team, band and reservation.

    ``team`` is None for free numbers and for those of foreign Services; ``reservation`` names the rule that
    covers the numbers now.
    """

    first: int
    last: int
    state: str
    team: str | None
    band: Band
    reservation: str | None

    def likeness(self) -> tuple[str | None, ...]:
        """Return what neighbours have in common to be one run."""
        return self.state, self.team, self.band, self.reservation


@dataclass(frozen=True, slots=True)
class BandCounts:
    """One band of the pool, both ends inclusive, and how many of its numbers are in each state."""

    band: Band
    first: int
    last: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PortMap:
    """The whole picture; ``outside`` has the claims that the pool no longer covers."""

    cluster: str
    pool: Pool
    bands: tuple[BandCounts, ...]
    runs: tuple[Run, ...]
    outside: tuple[Claimed, ...]

    def counts(self) -> dict[str, int]:
        """Return how many numbers of the pool are in each state."""
        return {state: sum(band.counts[state] for band in self.bands) for state in STATES}


def port_map(
    cluster: str, pool: Pool, claimed: Sequence[Claimed], reservations: Sequence[Reservation]
) -> PortMap:
    """Return the picture.

    Args:
        cluster, pool: whose.
        claimed: ascending, at most one a number; inside the pool or not.
        reservations: those that hold now.
    """
    inside = [claim for claim in claimed if claim.port in pool]
    runs = tuple(_joined(_pieces(pool, inside, reservations)))
    return PortMap(
        cluster,
        pool,
        tuple(_band_counts(pool, runs)),
        runs,
        tuple(claim for claim in claimed if claim.port not in pool),
    )


def bands(pool: Pool) -> dict[Band, range]:
    """Return the bands of a pool that are not empty."""
    both = {Band.STATIC: pool.static_band(), Band.DYNAMIC: pool.dynamic_band()}
    return {band: numbers for band, numbers in both.items() if numbers}


def selected(runs: Iterable[Run], state: str | None, team: str | None) -> Iterator[Run]:
    """Yield the runs with this state and this team; None: any."""
    for run in runs:
        if state in (None, run.state) and team in (None, run.team):
            yield run


def _pieces(pool: Pool, inside: Sequence[Claimed], reservations: Sequence[Reservation]) -> Iterator[Run]:
    """Yield alike numbers between two cuts, neighbours possibly alike as well."""
    by_port = {claim.port: claim for claim in inside}
    static = pool.static_band()
    cuts = {pool.first, static.stop, pool.last + 1}
    cuts.update(cut for rule in reservations for cut in (rule.first, rule.last + 1))
    cuts.update(cut for port in by_port for cut in (port, port + 1))
    ends = sorted(cut for cut in cuts if pool.first <= cut <= pool.last + 1)
    for first, stop in pairwise(ends):
        claim = by_port.get(first)
        rule = next((rule for rule in reservations if first in rule), None)
        yield Run(
            first,
            stop - 1,
            claim.state if claim else FREE,
            claim.owner.team if claim else None,
            Band.STATIC if first in static else Band.DYNAMIC,
            rule.name if rule else None,
        )


def _joined(pieces: Iterable[Run]) -> Iterator[Run]:
    """Yield the pieces with alike neighbours made one."""
    run: Run | None = None
    for piece in pieces:
        if run is None or run.likeness() != piece.likeness():
            if run is not None:
                yield run
            run = piece
        else:
            run = replace(run, last=piece.last)
    if run is not None:
        yield run


def _band_counts(pool: Pool, runs: Iterable[Run]) -> Iterator[BandCounts]:
    found = Counter[tuple[Band, str]]()
    for run in runs:
        found[run.band, run.state] += run.last - run.first + 1
    for band, numbers in bands(pool).items():
        counts = {state: found[band, state] for state in STATES}
        yield BandCounts(band, numbers.start, numbers.stop - 1, counts)
