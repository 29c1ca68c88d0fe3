"""A cooling port that its team took back and did not use goes on cooling: nobody else gets it any sooner."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from service.domain.claim import PortClaim
from service.domain.exposure import Metadata
from service.store import exposures, foreign, ports
from tests.conftest import Clock
from tests.integration.api_world import World, a_request, assert_problem, review_of
from tests.postgres import Database

PORT = 30007
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def world(database: Database, clock: Clock) -> World:
    return World(database.transaction, clock)


def asking(name: str, team: str = "team-a") -> dict[str, Any]:
    """Return a team's request for the number."""
    body = a_request()
    body["metadata"] |= {"namespace": team, "team": team, "name": name}
    return body


def cooled(world: World) -> PortClaim:
    """Let an exposure of team-a end whose port begins to cool, for a day."""
    first = UUID(world.ann.submit(a_request()).json["metadata"]["id"])
    with world.transaction() as session:
        ports.bind(session, first, [PORT], world.now())
        ports.release(session, first, (), world.now() + DAY, world.now())
        statement = text("UPDATE exposure SET ended_at = :now, end_reason = 'Deleted' WHERE id = :id")
        session.execute(statement, {"now": world.now(), "id": first})
    before = claim(world)
    assert before is not None
    return before


def claim(world: World) -> PortClaim | None:
    with world.transaction() as session:
        return ports.get(session, "dev", PORT)


def taken_back(world: World, name: str = "second") -> UUID:
    """Let team-a ask for the cooling port by another exposure."""
    return UUID(world.ann.submit(asking(name)).json["metadata"]["id"])


def drop(world: World, exposure_id: UUID) -> None:
    with world.transaction() as session:
        assert ports.drop_holds(session, exposure_id, world.now()) == [PORT]


@pytest.mark.parametrize("how", ["withdrawn", "rejected"])
def test_a_request_that_ends_unused_gives_the_rest_of_the_cooling_time_back(
    world: World, clock: Clock, how: str
) -> None:
    before = cooled(world)
    clock.advance(hours=1)
    made = world.ann.submit(asking("second"))
    assert world.ann.get(f"/v1/clusters/dev/node-ports/{PORT}").json["owner"]["name"] == "second"
    clock.advance(hours=1)
    if how == "withdrawn":
        assert world.ann.delete(made.location, If_Match="*").status_code == 202
    else:
        assert world.eve.post(*review_of(made, "reject")).status_code == 201

    told = world.ben.get(f"/v1/clusters/dev/node-ports/{PORT}").json

    assert claim(world) == before
    assert told["state"] == "cooling"
    assert told["owner"] == {"team": "team-a", "namespace": "team-a", "name": "hello"}
    assert told["until"] == "2030-01-02T12:00:00Z"
    past = [(tenure["owner"]["name"], tenure["ending"], tenure["ended_at"]) for tenure in told["history"]]
    assert past == [
        ("second", "unused", "2030-01-01T14:00:00Z"),
        ("hello", "released", "2030-01-01T12:00:00Z"),
    ]
    refused = world.ben.post("/v1/exposures", asking("other", "team-b"))
    problem = assert_problem(refused, 409, "node-port-taken")
    assert (problem["state"], problem["until"]) == ("cooling", "2030-01-02T12:00:00Z")


def test_it_comes_back_each_time(world: World, clock: Clock) -> None:
    before = cooled(world)
    for name in ("second", "third"):
        drop(world, taken_back(world, name))
        clock.advance(hours=1)
        assert claim(world) == before


def test_with_the_cooling_time_over_meanwhile_the_number_is_free(world: World, clock: Clock) -> None:
    cooled(world)
    second = taken_back(world)
    clock.advance(days=1)
    drop(world, second)
    assert claim(world) is None


def test_an_edit_that_keeps_the_hold_forgets_nothing(world: World) -> None:
    before = cooled(world)
    second = taken_back(world)
    with world.transaction() as session:
        taker = ports.Taker(second, Metadata("dev", "team-a", "second", "team-a"), "an edit", world.now())
        ports.hold(session, taker, ports.Want(asked={PORT: "#/here"}))
    drop(world, second)
    assert claim(world) == before


def test_once_bound_it_cools_for_its_own_sake(world: World, clock: Clock) -> None:
    cooled(world)
    second = taken_back(world)
    with world.transaction() as session:
        ports.bind(session, second, [PORT], clock())
        ports.release(session, second, (), clock() + HOUR, clock())
    after = claim(world)
    assert after is not None
    assert (after.exposure_id, after.until) == (second, clock() + HOUR)


def test_what_a_foreign_service_took_from_the_hold_is_free_when_that_goes(world: World, clock: Clock) -> None:
    cooled(world)
    taken_back(world)
    for observed in ({PORT: ("kube-system", "dns")}, {}):
        with world.transaction() as session:
            foreign.import_foreign(session, "dev", observed, clock())
    assert claim(world) is None
    drop(world, taken_back(world, "third"))
    assert claim(world) is None


def test_a_cooling_port_whose_past_was_not_written_down_cools_on_in_its_last_owners_name(
    world: World, clock: Clock
) -> None:
    first = cooled(world)
    second = taken_back(world)
    with world.transaction() as session:
        session.execute(text("UPDATE port_claim SET cools_until = :until"), {"until": clock() + HOUR})
    drop(world, second)
    after = claim(world)
    assert after is not None
    assert (after.state, after.team, after.name) == ("cooling", first.team, "second")
    assert after.until == clock() + HOUR


def test_it_comes_back_while_somebody_works_on_the_exposure_that_had_it(
    own_database: Database, clock: Clock
) -> None:
    """Who has that exposure's row may wait for numbers, so who has numbers must not wait for the row."""
    world = World(own_database.transaction, clock)
    first = cooled(world)
    second = taken_back(world)
    assert first.exposure_id is not None
    with world.transaction() as session, world.transaction() as other:
        exposures.lock(session, first.exposure_id)
        other.connection().exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
        assert ports.drop_holds(other, second, clock()) == [PORT]
