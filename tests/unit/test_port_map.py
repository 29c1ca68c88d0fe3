"""The port map: every number of the pool in exactly one run, alike neighbours in one, counts that add up."""

from collections.abc import Iterable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import PortOwner
from service.domain.port_map import STATES, Band, Claimed, PortMap, Run, port_map, selected
from service.domain.ports import Pool
from service.domain.reservation import Reservation
from tests.builders import NOON

POOL = Pool(30000, 30040)
"""Static: 30000-30015, dynamic: 30016-30040."""


def make_claimed(port: int, state: str = "bound", team: str | None = "team-a") -> Claimed:
    return Claimed(port, state, PortOwner(team, team or "kube-system", "hello"))


def make_reservation(first: int, last: int, name: str = "edge", team: str | None = None) -> Reservation:
    until = NOON + timedelta(days=1)
    return Reservation(
        cluster="dev",
        name=name,
        first=first,
        last=last,
        team=team,
        reason="partners",
        until=until,
        created_at=NOON,
    )


def make_map(*claimed: Claimed, pool: Pool = POOL, reservations: Iterable[Reservation] = ()) -> PortMap:
    return port_map("dev", pool, claimed, tuple(reservations))


def free(first: int, last: int, band: Band, reservation: str | None = None) -> Run:
    return Run(first, last, "free", None, band, reservation)


def bound(first: int, last: int, band: Band = Band.STATIC, team: str = "team-a") -> Run:
    return Run(first, last, "bound", team, band, None)


def test_an_empty_pool_is_one_free_run_a_band():
    assert make_map().runs == (free(30000, 30015, Band.STATIC), free(30016, 30040, Band.DYNAMIC))


def test_a_pool_without_a_static_band_is_one_free_run():
    assert make_map(pool=Pool(30000, 30009)).runs == (free(30000, 30009, Band.DYNAMIC),)


def test_neighbours_of_one_state_and_team_are_one_run():
    runs = make_map(make_claimed(30003), make_claimed(30004), make_claimed(30005)).runs
    assert runs[:3] == (
        free(30000, 30002, Band.STATIC),
        bound(30003, 30005),
        free(30006, 30015, Band.STATIC),
    )


def test_a_run_ends_where_the_team_the_state_or_the_band_changes():
    claimed = [
        make_claimed(30012),
        make_claimed(30013, team="team-b"),
        make_claimed(30014, "held"),
        make_claimed(30015),
        make_claimed(30016),
    ]
    assert make_map(*claimed).runs[1:-1] == (
        bound(30012, 30012),
        bound(30013, 30013, team="team-b"),
        Run(30014, 30014, "held", "team-a", Band.STATIC, None),
        bound(30015, 30015),
        bound(30016, 30016, Band.DYNAMIC),
    )


def test_a_reservation_cuts_runs_and_is_named_in_free_and_in_taken_ones():
    runs = make_map(make_claimed(30005), reservations=[make_reservation(30004, 30006)]).runs
    assert [(run.first, run.last, run.state, run.reservation) for run in runs[:5]] == [
        (30000, 30003, "free", None),
        (30004, 30004, "free", "edge"),
        (30005, 30005, "bound", "edge"),
        (30006, 30006, "free", "edge"),
        (30007, 30015, "free", None),
    ]


def test_a_reservation_over_the_pools_ends_covers_what_is_inside():
    runs = make_map(reservations=[make_reservation(29000, 33000)]).runs
    assert runs == (free(30000, 30015, Band.STATIC, "edge"), free(30016, 30040, Band.DYNAMIC, "edge"))


def test_claims_outside_the_pool_are_apart_and_not_counted():
    below, above = make_claimed(29999), make_claimed(30041, "foreign", None)
    found = make_map(below, make_claimed(30000), above)
    assert found.outside == (below, above)
    assert found.counts() == {"free": 40, "held": 0, "bound": 1, "cooling": 0, "foreign": 0}


def test_each_band_has_its_ends_and_every_state():
    [static, dynamic] = make_map(make_claimed(30001), make_claimed(30020, "cooling")).bands
    assert (static.band, static.first, static.last) == (Band.STATIC, 30000, 30015)
    assert static.counts == {"free": 15, "held": 0, "bound": 1, "cooling": 0, "foreign": 0}
    assert (dynamic.band, dynamic.first, dynamic.last) == (Band.DYNAMIC, 30016, 30040)
    assert dynamic.counts == {"free": 24, "held": 0, "bound": 0, "cooling": 1, "foreign": 0}


def test_runs_are_selected_by_state_and_by_team():
    runs = make_map(make_claimed(30001), make_claimed(30003, "held"), make_claimed(30005, team="team-b")).runs
    assert [run.first for run in selected(runs, "bound", None)] == [30001, 30005]
    assert [run.first for run in selected(runs, None, "team-a")] == [30001, 30003]
    assert [run.first for run in selected(runs, "bound", "team-b")] == [30005]
    assert list(selected(runs, None, None)) == list(runs)


@st.composite
def maps(draw: st.DrawFn) -> tuple[Pool, list[Claimed], list[Reservation], PortMap]:
    first = draw(st.integers(100, 140))
    pool = Pool(first, draw(st.integers(first, 200)))
    ports = sorted(draw(st.sets(st.integers(95, 205))))
    states = st.sampled_from(STATES[1:])
    claimed = [make_claimed(port, draw(states), draw(st.sampled_from(["a", "b", None]))) for port in ports]
    ends = draw(st.lists(st.tuples(st.integers(95, 205), st.integers(0, 30)), max_size=4))
    rules = [make_reservation(low, low + more, f"rule-{low}") for low, more in ends]
    return pool, claimed, rules, port_map("dev", pool, claimed, rules)


@given(maps())
def test_every_number_of_the_pool_is_in_one_run_that_tells_the_truth(drawn):
    pool, claimed, rules, found = drawn
    numbers = [number for run in found.runs for number in range(run.first, run.last + 1)]
    assert numbers == list(range(pool.first, pool.last + 1))
    by_port = {claim.port: claim for claim in claimed}
    for run in found.runs:
        for number in range(run.first, run.last + 1):
            claim = by_port.get(number)
            assert (run.state, run.team) == ((claim.state, claim.owner.team) if claim else ("free", None))
            assert (run.band is Band.STATIC) == (number in pool.static_band())
            covering = {rule.name for rule in rules if rule.first <= number <= rule.last}
            assert run.reservation in (covering or {None})


@given(maps())
def test_neighbouring_runs_differ(drawn):
    *_, found = drawn
    for run, following in zip(found.runs, found.runs[1:], strict=False):
        assert run.likeness() != following.likeness()


@given(maps())
def test_the_counts_of_the_bands_add_up_to_the_pool(drawn):
    pool, claimed, _, found = drawn
    assert sum(found.counts().values()) == pool.last - pool.first + 1
    assert [(band.first, band.last) for band in found.bands][-1][1] == pool.last
    assert len(found.outside) == sum(claim.port not in pool for claim in claimed)
