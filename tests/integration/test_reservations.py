"""Reservations in the ledger: who is given which number, and that they are rules and no claims."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from service.domain.reservation import Reservation
from service.store import foreign, ports, reservations
from tests.integration.api_world import Caller, World, a_request, assert_problem
from tests.postgres import Database

HOUR = timedelta(hours=1)
ADDRESS = "/v1/clusters/dev/node-ports"


@pytest.fixture
def world(database: Database, clock) -> World:
    return World(database.transaction, clock)


def reserve(world: World, name: str, first: int, last: int, team: str | None, **fields: object) -> None:
    values = {"reason": "the fair", "until": None, "created_at": world.now()} | fields
    with world.transaction() as session:
        made = Reservation(cluster="dev", name=name, first=first, last=last, team=team, **values)  # type: ignore[arg-type]
        reservations.put(session, made)


def ask(caller: Caller, team: str, name: str, *node_ports: int | None):
    listed = [{"name": f"p{i}", "port": 80 + i, "node_port": number} for i, number in enumerate(node_ports)]
    body = a_request(ports=listed)
    body["metadata"] = {"cluster": "dev", "namespace": team, "team": team, "name": name}
    return caller.post("/v1/exposures", body)


def given(answer) -> list[int]:
    assert answer.status_code == 201, answer.text
    return [port["node_port"] for port in answer.json["status"]["ports"]]


def test_a_team_is_given_its_own_numbers_first_then_the_static_band(world: World) -> None:
    reserve(world, "fair", 30030, 30031, "team-a")
    assert sorted(given(ask(world.ann, "team-a", "one", None, None))) == [30030, 30031]
    assert given(ask(world.ann, "team-a", "two", None))[0] < 30016


def test_own_numbers_of_the_dynamic_band_come_with_a_warning_too(world: World) -> None:
    reserve(world, "fair", 30030, 30031, "team-a")
    [warning] = ask(world.ann, "team-a", "one", None).json["warnings"]
    assert "dynamic band" in warning


@pytest.mark.parametrize("team", ["team-a", None])
def test_numbers_of_others_are_never_chosen(world: World, team: str | None) -> None:
    reserve(world, "fair", 30000, 30038, team)
    assert sorted(given(ask(world.ben, "team-b", "two", None, None))) == [30039, 30040]
    problem = assert_problem(ask(world.ben, "team-b", "three", None), 409, "pool-exhausted")
    assert (problem["counts"], problem["reserved"]) == ({"free": 39, "held": 2}, 39)


def test_a_number_of_others_that_is_asked_for_is_refused_with_the_rule(world: World) -> None:
    reserve(world, "fair", 30005, 30009, "team-a", until=world.now() + HOUR)
    problem = assert_problem(ask(world.ben, "team-b", "two", None, 30007), 409, "node-port-reserved")
    assert {name: problem[name] for name in ("port", "reservation", "team", "reason", "until")} == {
        "port": 30007,
        "reservation": "fair",
        "team": "team-a",
        "reason": "the fair",
        "until": "2030-01-01T13:00:00Z",
    }
    assert problem["errors"][0]["pointer"] == "#/spec/ports/1/node_port"
    assert world.rows() == (0, 0, 0)


def test_after_its_end_a_reservation_keeps_nothing(world: World, clock) -> None:
    reserve(world, "fair", 30005, 30009, "team-a", until=world.now() + HOUR)
    clock.advance(hours=1)
    assert given(ask(world.ben, "team-b", "two", 30007)) == [30007]


def test_who_had_a_number_before_the_reservation_keeps_it(world: World) -> None:
    assert given(ask(world.ben, "team-b", "two", 30007)) == [30007]
    reserve(world, "fair", 30005, 30009, "team-a")
    assert_problem(ask(world.ann, "team-a", "one", 30007), 409, "node-port-taken")


def test_a_foreign_service_on_a_reserved_number_does_not_end_the_reservation(world: World) -> None:
    reserve(world, "fair", 30005, 30005, "team-a")
    with world.transaction() as session:
        foreign.import_foreign(session, "dev", {30005: ("kube-system", "dns")}, world.now())
    assert_problem(ask(world.ann, "team-a", "one", 30005), 409, "node-port-taken")
    with world.transaction() as session:
        foreign.import_foreign(session, "dev", {}, world.now())
    assert_problem(ask(world.ben, "team-b", "two", 30005), 409, "node-port-reserved")
    assert given(ask(world.ann, "team-a", "one", 30005)) == [30005]


def test_an_earlier_port_that_is_reserved_for_others_by_now_is_not_given_back(world: World, clock) -> None:
    made = ask(world.ben, "team-b", "two", 30007)
    with world.transaction() as session:
        number = ports.bind(session, made.json["metadata"]["id"], [30007], clock())()
        ports.release(session, made.json["metadata"]["id"], (), clock() + HOUR, clock())
        session.execute(text("UPDATE exposure SET ended_at = now()"))
    assert number == {30007}
    reserve(world, "fair", 30005, 30009, "team-a")
    assert given(ask(world.ben, "team-b", "two", None)) != [30007]
