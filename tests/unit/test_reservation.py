"""Reservations: who may have a number, and in which order numbers are chosen."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.ports import Pool
from service.domain.reservation import Asker, Reservation, blocking, choosable, without
from tests.builders import NOON

POOL = Pool(30000, 30040)
STATIC, DYNAMIC = POOL.static_band(), POOL.dynamic_band()
NUMBERS = st.integers(29990, 30050)


def make_reservation(first: int, last: int, **fields: Any) -> Reservation:
    defaults: dict[str, Any] = {
        "cluster": "dev",
        "name": "demo",
        "team": "team-a",
        "reason": "the fair",
        "until": None,
        "created_at": NOON,
    }
    return Reservation(first=first, last=last, **(defaults | fields))


@st.composite
def rules(draw: st.DrawFn) -> list[Reservation]:
    ends = draw(
        st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from([None, "team-a", "team-b"])), max_size=4)
    )
    return [make_reservation(min(a, b), max(a, b), team=team) for a, b, team in ends]


@pytest.mark.parametrize(
    ("asker", "team", "is_kept"),
    [
        (Asker("team-a"), "team-a", False),
        (Asker("team-b"), "team-a", True),
        (Asker("team-b"), None, True),
        (Asker("team-b", platform=True), None, False),
        (Asker("team-b", platform=True), "team-a", True),
    ],
)
def test_a_reserved_number_is_for_whom_it_is_reserved(asker: Asker, team: str | None, is_kept: bool) -> None:
    rule = make_reservation(30005, 30006, team=team)
    assert (blocking([rule], 30005, asker, NOON) is rule) == is_kept
    assert blocking([rule], 30007, asker, NOON) is None


def test_a_reservation_ends_at_its_end() -> None:
    rule = make_reservation(30005, 30006, until=NOON)
    assert blocking([rule], 30005, Asker("team-b"), NOON - timedelta(seconds=1)) is rule
    assert blocking([rule], 30005, Asker("team-b"), NOON) is None


def test_where_rules_overlap_a_number_is_for_whom_all_of_them_let() -> None:
    both = [make_reservation(30000, 30010), make_reservation(30005, 30015, name="own", team=None)]
    assert blocking(both, 30004, Asker("team-a"), NOON) is None
    assert blocking(both, 30005, Asker("team-a"), NOON) is both[1]


def test_own_numbers_go_before_the_static_band_and_that_before_the_dynamic_one() -> None:
    own = make_reservation(30030, 30032)
    assert choosable(POOL, [own], "team-a", NOON, turn=0) == [
        range(30030, 30033),
        range(30000, 30016),
        range(30016, 30030),
        range(30033, 30041),
    ]


def test_a_turn_begins_each_part_further_on() -> None:
    assert choosable(POOL, [], "team-a", NOON, turn=5) == [
        range(30005, 30016),
        range(30000, 30005),
        range(30021, 30041),
        range(30016, 30021),
    ]


@given(rules(), st.integers(0, 2**64))
def test_all_that_no_rule_keeps_can_be_chosen_once_and_nothing_else(
    found: list[Reservation], turn: int
) -> None:
    numbers = [n for part in choosable(POOL, found, "team-a", NOON, turn) for n in part]
    free = {n for n in (*STATIC, *DYNAMIC) if blocking(found, n, Asker("team-a"), NOON) is None}
    assert len(numbers) == len(set(numbers))
    assert set(numbers) == free


@given(rules(), st.integers(0, 2**64))
def test_the_order_is_own_then_static_then_dynamic(found: list[Reservation], turn: int) -> None:
    own = {n for rule in found if rule.team == "team-a" for n in range(rule.first, rule.last + 1)}
    numbers = [n for part in choosable(POOL, found, "team-a", NOON, turn) for n in part]
    ranks = [0 if n in own else 1 if n in STATIC else 2 for n in numbers]
    assert ranks == sorted(ranks)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5), st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5))
def test_what_is_taken_out_of_ranges_is_out(kept: list[tuple[int, int]], out: list[tuple[int, int]]) -> None:
    left = without([range(*ends) for ends in kept], [range(*ends) for ends in out])
    holes = {n for ends in out for n in range(*ends)}
    assert [n for part in left for n in part] == [n for ends in kept for n in range(*ends) if n not in holes]
