"""The port map over HTTP."""

import pytest
from sqlalchemy import event

from service.domain.ports import Pool
from service.store import foreign, identities
from tests.integration.api_world import POOL, World, a_request, assert_problem, named

ADDRESS = "/v1/clusters/dev/node-port-map"


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


def import_foreign(world: World, *ports: int) -> None:
    """Let the worker have seen a foreign Service with these node ports."""
    with world.transaction() as session:
        foreign.import_foreign(session, "dev", dict.fromkeys(ports, ("kube-system", "dns")), world.now())


def set_pool(world: World, pool: Pool) -> None:
    """Let the platform change the cluster's range."""
    with world.transaction() as session:
        identities.put_cluster(session, identities.Cluster("dev", None, pool), world.now())


def test_the_map_shows_counts_bands_and_runs_of_free_and_taken_numbers(world: World) -> None:
    world.ann.submit()
    import_foreign(world, 30020, 30021)
    found = world.ben.get(ADDRESS).json
    nothing = {"free": 0, "held": 0, "bound": 0, "cooling": 0, "foreign": 0}
    assert (found["cluster"], found["first"], found["last"]) == ("dev", POOL.first, POOL.last)
    assert found["counts"] == nothing | {"free": 38, "held": 1, "foreign": 2}
    assert found["bands"] == [
        {"band": "static", "first": 30000, "last": 30015, "counts": nothing | {"free": 15, "held": 1}},
        {"band": "dynamic", "first": 30016, "last": 30040, "counts": nothing | {"free": 23, "foreign": 2}},
    ]
    free = {"state": "free", "team": None, "reservation": None}
    assert found["runs"] == [
        {"first": 30000, "last": 30006, "band": "static", **free},
        {"first": 30007, "last": 30007, "band": "static", **free, "state": "held", "team": "team-a"},
        {"first": 30008, "last": 30015, "band": "static", **free},
        {"first": 30016, "last": 30019, "band": "dynamic", **free},
        {"first": 30020, "last": 30021, "band": "dynamic", **free, "state": "foreign"},
        {"first": 30022, "last": 30040, "band": "dynamic", **free},
    ]
    assert found["outside"] == []


def test_the_filters_choose_runs_and_leave_the_counts(world: World) -> None:
    world.ann.submit()
    whole = world.ann.get(ADDRESS).json
    held = world.ann.get(f"{ADDRESS}?state=held").json
    assert [run["first"] for run in held["runs"]] == [30007]
    assert held["counts"] == whole["counts"]
    assert world.ann.get(f"{ADDRESS}?team=team-a").json["runs"] == held["runs"]
    assert world.ann.get(f"{ADDRESS}?team=team-b&state=held").json["runs"] == []


def test_numbers_outside_a_smaller_range_are_listed_apart(world: World) -> None:
    world.ann.submit()
    set_pool(world, Pool(30008, 30040))
    found = world.ben.get(ADDRESS).json
    owner = {"team": "team-a", "namespace": "team-a", "name": "hello"}
    assert found["outside"] == [{"port": 30007, "state": "held", "owner": owner}]
    assert found["first"] == found["runs"][0]["first"] == 30008
    assert sum(found["counts"].values()) == found["counts"]["free"] == 33


def test_a_larger_range_is_free_at_once(world: World) -> None:
    set_pool(world, Pool(30000, 30049))
    assert world.ben.get(ADDRESS).json["counts"]["free"] == 50


def test_a_reservation_that_is_over_is_not_shown(world: World, clock) -> None:
    rule = {"first": 30002, "last": 30003, "reason": "x", "until": "2030-01-01T13:00:00Z"}
    world.pia.put("/v1/clusters/dev/reservations/edge", rule)
    reserved = [run for run in world.ann.get(ADDRESS).json["runs"] if run["reservation"] == "edge"]
    assert [(run["first"], run["last"], run["state"]) for run in reserved] == [(30002, 30003, "free")]
    clock.advance(hours=1)
    assert {run["reservation"] for run in world.ann.get(ADDRESS).json["runs"]} == {None}


def test_the_map_costs_the_same_few_statements_however_much_is_taken(world: World, database) -> None:
    statements: list[str] = []

    def cost() -> int:
        statements.clear()
        world.ann.get(ADDRESS)
        return len(statements)

    event.listen(database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    empty = cost()
    for number in range(5):
        world.ann.submit(named(f"n{number}"))
    assert cost() == empty <= 5


def test_an_unknown_cluster_has_no_map(world: World) -> None:
    assert_problem(world.ann.get("/v1/clusters/prod/node-port-map"), 404, "not-found")


@pytest.mark.parametrize(
    "query", ["state=gone", "state=", "colour=red", "team=a%00b", "state=free&state=held"]
)
def test_other_filters_are_refused(world: World, query: str) -> None:
    assert_problem(world.ann.get(f"{ADDRESS}?{query}"), 400, "malformed")


def test_a_request_without_a_token_is_refused(world: World) -> None:
    assert_problem(world.stranger.get(ADDRESS), 401, "unauthenticated")


def test_what_has_cooled_is_free_although_nobody_moved_it(world: World, clock) -> None:
    made = world.ann.submit(a_request())
    world.ann.delete(made.location, If_Match="*")
    clock.advance(days=2)
    assert world.ann.get(ADDRESS).json["counts"]["free"] == 41
