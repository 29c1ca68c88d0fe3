"""Reservations over HTTP: the platform writes them, everyone who is known reads them, and they bind."""

from typing import Any

import pytest

from tests.integration.api_bad_input import UNREADABLE, Bad
from tests.integration.api_world import World, a_request, assert_problem, named

ADDRESS = "/v1/clusters/dev/reservations/edge"
UNTIL = "2031-01-01T00:00:00Z"


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


def a_reservation(**fields: Any) -> dict[str, Any]:
    """Return a reservation of 30000-30009 for team-b, a year long; ``...`` leaves a field out."""
    body = {"first": 30000, "last": 30009, "team": "team-b", "reason": "partners", "until": UNTIL}
    return {name: value for name, value in (body | fields).items() if value is not ...}


def test_a_new_reservation_is_created_and_the_same_again_is_fine(world: World) -> None:
    made = world.pia.put(ADDRESS, a_reservation())
    assert made.status_code == 201
    assert made.json == {
        "cluster": "dev",
        "name": "edge",
        "first": 30000,
        "last": 30009,
        "team": "team-b",
        "reason": "partners",
        "until": UNTIL,
        "created_at": "2030-01-01T12:00:00Z",
    }
    again = world.pia.put(ADDRESS, a_reservation())
    assert (again.status_code, again.json) == (200, made.json)


def test_a_put_changes_the_whole_reservation_and_keeps_its_birth(world: World, clock) -> None:
    world.pia.put(ADDRESS, a_reservation())
    clock.advance(hours=1)
    changed = world.pia.put(ADDRESS, {"first": 30001, "last": 30001, "reason": "ingress"})
    assert changed.status_code == 200
    assert changed.json == world.ann.get(ADDRESS).json
    kept = {name: changed.json[name] for name in ("first", "last", "team", "reason", "until", "created_at")}
    assert kept == {
        "first": 30001,
        "last": 30001,
        "team": None,
        "reason": "ingress",
        "until": None,
        "created_at": "2030-01-01T12:00:00Z",
    }


def test_reservations_are_listed_by_name_for_everyone_known(world: World) -> None:
    for name in ("c", "a", "b"):
        world.pia.put(f"/v1/clusters/dev/reservations/{name}", a_reservation())
    page = world.ann.get("/v1/clusters/dev/reservations?page_size=2")
    assert [item["name"] for item in page.json["items"]] == ["a", "b"]
    next_page = page.headers["Link"].removeprefix("<").removesuffix('>; rel="next"')
    assert [item["name"] for item in world.ann.get(next_page).json["items"]] == ["c"]


def test_a_deleted_reservation_is_gone(world: World) -> None:
    world.pia.put(ADDRESS, a_reservation())
    gone = world.pia.delete(ADDRESS)
    assert (gone.status_code, gone.data) == (204, b"")
    assert_problem(world.ann.get(ADDRESS), 404, "not-found")
    assert_problem(world.pia.delete(ADDRESS), 404, "not-found")


@pytest.mark.parametrize("who", ["ann", "eve", "aud"])
def test_only_the_platform_writes(world: World, who: str) -> None:
    world.pia.put(ADDRESS, a_reservation())
    caller = getattr(world, who)
    assert_problem(caller.put(ADDRESS, a_reservation(reason="mine")), 403, "forbidden")
    assert_problem(caller.delete(ADDRESS), 403, "forbidden")
    assert world.ann.get(ADDRESS).json["reason"] == "partners"


def test_an_asked_port_of_another_teams_reservation_is_refused_with_whose_it_is(world: World) -> None:
    world.pia.put(ADDRESS, a_reservation())
    problem = assert_problem(world.ann.post("/v1/exposures", a_request()), 409, "node-port-reserved")
    assert (problem["port"], problem["reservation"], problem["team"]) == (30007, "edge", "team-b")
    assert (problem["reason"], problem["until"]) == ("partners", UNTIL)
    assert problem["errors"][0]["pointer"] == "#/spec/ports/0/node_port"
    assert world.rows()[0] == 0


def test_a_chosen_port_is_none_of_another_teams_and_a_teams_own_comes_first(world: World) -> None:
    ours = a_reservation(first=30020, last=30020, team="team-a")
    assert world.pia.put(ADDRESS, a_reservation(first=30004, last=30019)).status_code == 201
    assert world.pia.put("/v1/clusters/dev/reservations/ours", ours).status_code == 201
    chosen = [world.ann.submit(named(f"n{n}")).json["status"]["ports"][0]["node_port"] for n in range(2)]
    assert chosen[0] == 30020
    assert 30000 <= chosen[1] < 30004


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"first": ...}, "#/first"),
        ({"last": None}, "#/last"),
        ({"first": "30000"}, "#/first"),
        ({"first": 0}, "#/first"),
        ({"last": 65536}, "#/last"),
        ({"last": 29999}, "#/last"),
        ({"first": True}, "#/first"),
        ({"team": 7}, "#/team"),
        ({"team": ""}, "#/team"),
        ({"team": "team-x"}, "#/team"),
        ({"reason": ...}, "#/reason"),
        ({"reason": " \n"}, "#/reason"),
        ({"reason": "a" * 2001}, "#/reason"),
        ({"until": "tomorrow"}, "#/until"),
        ({"until": "2029-12-31T00:00:00Z"}, "#/until"),
        ({"name": "edge"}, "#/name"),
    ],
)
def test_a_faulty_reservation_is_refused_with_its_place(
    world: World, fields: dict[str, Any], pointer: str
) -> None:
    problem = assert_problem(world.pia.put(ADDRESS, a_reservation(**fields)), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert_problem(world.pia.get(ADDRESS), 404, "not-found")


@pytest.mark.parametrize("bad", UNREADABLE, ids=lambda bad: bad.name)
def test_what_cannot_be_read_is_refused(world: World, bad: Bad) -> None:
    assert_problem(world.pia.put(ADDRESS, bad.body), bad.status, bad.code)


@pytest.mark.parametrize("name", ["Edge", "a b", "-a", "a" * 64, "a%0A"])
def test_a_name_that_is_none_is_refused(world: World, name: str) -> None:
    answer = world.pia.put(f"/v1/clusters/dev/reservations/{name}", a_reservation())
    assert answer.status_code in (404, 422)
    assert answer.mimetype == "application/problem+json"


def test_an_unknown_cluster_has_no_reservations(world: World) -> None:
    for answer in (
        world.pia.get("/v1/clusters/prod/reservations"),
        world.pia.get("/v1/clusters/prod/reservations/edge"),
        world.pia.put("/v1/clusters/prod/reservations/edge", a_reservation()),
        world.pia.delete("/v1/clusters/prod/reservations/edge"),
    ):
        assert_problem(answer, 404, "not-found")
