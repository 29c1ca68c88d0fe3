"""The port that the same exposure had before: whoever calls it finds it there again, whatever lay between."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.integration.api_world import POOL, named
from tests.integration.approval_world import ApprovalWorld, Case
from tests.postgres import Database

WEB, ADMIN = {"name": "web", "port": 80}, {"name": "admin", "port": 81}
CALLED, OTHER = 30005, 30030


@pytest.fixture
def world(database: Database, clock: Clock) -> ApprovalWorld:
    return ApprovalWorld(database, clock)


def at(port: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a port with a number that is asked for."""
    return {**port, "node_port": number}


def changed(world: ApprovalWorld, case: Case, **spec: Any) -> None:
    """Let a change of the exposure become live."""
    assert case.change(**spec).status_code == 202
    if case.status()["pending"]:
        case.approve("eve")
    world.settle()
    assert case.decisions()[-1] == "live"


def deleted(world: ApprovalWorld, case: Case) -> None:
    """Let an exposure end."""
    assert world.by("ann").delete(case.at, If_Match="*").status_code == 202
    world.settle()
    assert case.state() == "Ended"


def fill_static_band(world: ApprovalWorld) -> None:
    """Let somebody hold every number of the static band."""
    body = named("full")
    body["spec"]["ports"] = [{"name": f"p{n}", "port": n, "node_port": n} for n in POOL.static_band()]
    world.api.ann.submit(body)


def numbers(case: Case) -> dict[str, int]:
    """Return the number of each port, by its name."""
    return {port["name"]: port["node_port"] for port in case.status()["ports"]}


def test_a_port_that_is_added_again_gets_its_number_back(world: ApprovalWorld) -> None:
    case = world.alive(ports=[at(WEB, CALLED), at(ADMIN, OTHER)])
    changed(world, case, ports=[WEB])
    assert world.claimed(OTHER) == "cooling"

    case.change(ports=[WEB, ADMIN])

    assert numbers(case) == {"web": CALLED, "admin": OTHER}
    assert world.claimed(OTHER) == "held"


def test_a_port_that_is_added_again_before_the_cluster_let_it_go_keeps_its_number(
    world: ApprovalWorld,
) -> None:
    case = world.alive(ports=[at(WEB, CALLED), at(ADMIN, OTHER)])
    case.change(ports=[WEB])
    assert world.claimed(OTHER) == "bound"

    case.change(ports=[WEB, ADMIN])

    assert numbers(case) == {"web": CALLED, "admin": OTHER}


def test_a_number_of_what_is_live_may_be_asked_for_again_though_it_was_reserved_meanwhile(
    world: ApprovalWorld,
) -> None:
    case = world.alive(ports=[at(WEB, CALLED), at(ADMIN, OTHER)])
    case.change(ports=[WEB])
    rule = {"first": OTHER, "last": OTHER, "team": "team-b", "reason": "partners"}
    assert world.api.pia.put("/v1/clusters/dev/reservations/edge", rule).status_code == 201

    assert case.change(ports=[WEB, at(ADMIN, OTHER)]).status_code == 202

    assert numbers(case) == {"web": CALLED, "admin": OTHER}


def test_a_number_of_the_dynamic_band_that_the_cluster_has_is_warned_of_no_more(world: ApprovalWorld) -> None:
    fill_static_band(world)
    case = world.alive(ports=[WEB])
    assert "is of the dynamic band" in case.made.json["warnings"][0]

    answer = case.change(ports=[WEB, ADMIN])

    [warning] = answer.json["warnings"]
    assert warning.startswith(f"Node port {numbers(case)['admin']} is of the dynamic band")


def test_while_it_is_suspended_its_number_of_the_dynamic_band_is_warned_of(world: ApprovalWorld) -> None:
    fill_static_band(world)
    case = world.alive(ports=[WEB])
    case.act("suspend")
    world.settle()

    answer = case.change(selector={"app": "new"})

    [warning] = answer.json["warnings"]
    assert warning.startswith(f"Node port {numbers(case)['web']} is of the dynamic band")


def test_a_service_that_is_of_type_node_port_again_gets_its_numbers_back(world: ApprovalWorld) -> None:
    case = world.alive(ports=[at(WEB, CALLED), at(ADMIN, OTHER)])
    changed(world, case, type="ClusterIP", ports=[WEB, ADMIN])
    assert (world.claimed(CALLED), world.claimed(OTHER)) == ("cooling", "cooling")

    case.change(type="NodePort")

    assert numbers(case) == {"web": CALLED, "admin": OTHER}


def test_what_was_live_comes_back_and_not_what_was_rejected(world: ApprovalWorld) -> None:
    case = world.alive(ports=[at(WEB, CALLED)])
    case.change(ports=[at(WEB, OTHER)])
    assert case.review("eve", "reject").status_code == 201
    deleted(world, case)

    again = world.ask(ports=[WEB])

    assert numbers(again) == {"web": CALLED}


def test_a_rejected_wish_for_an_older_number_does_not_bring_that_one_back(world: ApprovalWorld) -> None:
    case = world.alive(ports=[at(WEB, OTHER)])
    changed(world, case, ports=[at(WEB, CALLED)])
    case.change(ports=[at(WEB, OTHER)])
    assert case.review("eve", "reject").status_code == 201
    deleted(world, case)
    assert (world.claimed(CALLED), world.claimed(OTHER)) == ("cooling", "cooling")

    again = world.ask(ports=[WEB])

    assert numbers(again) == {"web": CALLED}


def test_ports_that_were_dropped_one_after_the_other_all_come_back(world: ApprovalWorld) -> None:
    case = world.alive(ports=[at(WEB, CALLED), at(ADMIN, OTHER)])
    changed(world, case, ports=[WEB])
    deleted(world, case)

    again = world.ask(ports=[ADMIN, WEB])

    assert numbers(again) == {"web": CALLED, "admin": OTHER}


def test_a_number_that_cools_for_somebody_else_is_not_looked_for(world: ApprovalWorld) -> None:
    case = world.alive(ports=[at(WEB, CALLED), at(ADMIN, OTHER)])
    deleted(world, case)
    other = named("other")
    other["spec"]["ports"] = [at(WEB, CALLED)]
    world.api.ann.submit(other)

    again = world.ask(ports=[WEB, ADMIN])

    assert numbers(again)["web"] != CALLED
    assert numbers(again)["admin"] == OTHER
