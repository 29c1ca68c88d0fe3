"""Quotas: what counts against a limit, and what a refusal says."""

from typing import Any
from uuid import UUID

import pytest

from service.domain.errors import QuotaExceeded
from service.domain.quota import SHOWN, Consumer, Demand, Limits, Usage, check, growth, status


def make_consumer(number: int = 1, **fields: Any) -> Consumer:
    defaults: dict[str, Any] = {
        "namespace": "team-a",
        "name": f"e{number}",
        "exposures": Usage(1),
        "node_ports": Usage(1),
    }
    return Consumer(exposure_id=UUID(int=number), **(defaults | fields))


MINE = [
    make_consumer(1, node_ports=Usage(2)),
    make_consumer(2, exposures=Usage(0, 1), node_ports=Usage(0, 1)),
    make_consumer(3, node_ports=Usage()),
]


def refused(limits: Limits, demand: Demand, consumers: list[Consumer] = MINE) -> QuotaExceeded:
    with pytest.raises(QuotaExceeded) as caught:
        check(status("team-a", "dev", limits, consumers), demand, consumers)
    return caught.value


def test_what_is_approved_is_used_and_what_waits_is_held() -> None:
    found = status("team-a", "dev", Limits(), MINE)
    assert (found.exposures, found.node_ports, found.load_balancers) == (
        Usage(2, 1),
        Usage(2, 1),
        Usage(0, 0),
    )


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        Limits(exposures=4),
        Limits(node_ports=5),
        Limits(load_balancers=0),
        Limits(longest_lifetime=60),
    ],
    ids=["none", "exposures", "node ports", "other", "lifetime"],
)
def test_what_fits_just_is_let_through(limits: Limits) -> None:
    check(status("team-a", "dev", limits, MINE), Demand(node_ports=2, lifetime=60), MINE)


def test_a_refusal_tells_the_limit_what_is_used_and_held_and_by_whom() -> None:
    error = refused(Limits(node_ports=4), Demand(node_ports=2))
    assert error.facts == {
        "team": "team-a",
        "cluster": "dev",
        "quota": "node_ports",
        "limit": 4,
        "used": 2,
        "held": 1,
        "asked": 2,
        "exposures": [
            {"id": str(UUID(int=1)), "namespace": "team-a", "name": "e1", "state": "used", "amount": 2},
            {"id": str(UUID(int=2)), "namespace": "team-a", "name": "e2", "state": "held", "amount": 1},
        ],
    }
    assert "may have 4 node ports: 2 are used and 1 held for requests, 2 more" in str(error)


def test_a_limit_that_was_lowered_below_what_is_there_lets_in_what_it_does_not_bound() -> None:
    check(status("team-a", "dev", Limits(node_ports=1), MINE), Demand(node_ports=0), MINE)
    assert refused(Limits(node_ports=1), Demand(node_ports=1)).facts["used"] == 2


@pytest.mark.parametrize(("lifetime", "words"), [(61, "for 61 s"), (None, "without an end")])
def test_too_long_a_lifetime_is_refused(lifetime: int | None, words: str) -> None:
    error = refused(Limits(longest_lifetime=60), Demand(lifetime=lifetime))
    assert words in str(error)
    assert error.facts["quota"] == "longest_lifetime"
    assert (error.facts["limit"], error.facts["asked"]) == (60, lifetime)


def test_what_an_exposure_has_and_what_its_change_holds_are_listed_apart() -> None:
    both = [make_consumer(1, node_ports=Usage(1, 2))]
    listed = refused(Limits(node_ports=3), Demand(exposures=0, node_ports=1), both).facts["exposures"]
    assert isinstance(listed, list)
    assert [(share["state"], share["amount"]) for share in listed] == [("held", 2), ("used", 1)]


def test_a_change_demands_what_is_more_than_before() -> None:
    before = make_consumer(node_ports=Usage(2), load_balancers=Usage())
    after = make_consumer(node_ports=Usage(2, 1), load_balancers=Usage(0, 1))
    assert growth(before, after, 60) == Demand(exposures=0, node_ports=1, load_balancers=1, lifetime=60)
    assert growth(after, before, None) == Demand(exposures=0)


def test_of_many_exposures_the_largest_are_listed() -> None:
    many = [make_consumer(number, node_ports=Usage(number)) for number in range(1, SHOWN + 5)]
    listed = refused(Limits(node_ports=1), Demand(node_ports=1), many).facts["exposures"]
    assert isinstance(listed, list)
    assert [share["amount"] for share in listed] == list(range(SHOWN + 4, 4, -1))
