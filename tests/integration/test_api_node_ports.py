"""One node port over HTTP: who has it, who had it, for whom it is kept; and what a full pool answers."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from service.domain.ports import Pool
from service.store import foreign, identities, ports
from tests.integration.api_world import World, a_request, assert_problem, named, review_of

ADDRESS = "/v1/clusters/dev/node-ports/30007"
OWNER = {"team": "team-a", "namespace": "team-a", "name": "hello"}


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


def set_pool(world: World, pool: Pool) -> None:
    """Let the platform change the cluster's range."""
    with world.transaction() as session:
        identities.put_cluster(session, identities.Cluster("dev", None, pool), world.now())


def import_foreign(world: World, *numbers: int) -> None:
    """Let the worker have seen a foreign Service with these node ports, and no other."""
    with world.transaction() as session:
        foreign.import_foreign(session, "dev", dict.fromkeys(numbers, ("kube-system", "dns")), world.now())


def make_cooling(world: World, made: TestResponse, hours: int) -> None:
    """Let the worker have made an exposure's Service, and have seen that it is gone."""
    exposure_id = made.json["metadata"]["id"]
    numbers = [port["node_port"] for port in made.json["status"]["ports"]]
    with world.transaction() as session:
        ports.bind(session, exposure_id, numbers, world.now())
        ports.release(session, exposure_id, (), world.now() + timedelta(hours=hours), world.now())


def test_a_port_tells_since_when_and_by_whom_it_is_held(world: World) -> None:
    world.ann.submit()
    assert world.ben.get(ADDRESS).json == {
        "port": 30007,
        "state": "held",
        "owner": OWNER,
        "reason": "product demo on Thursday",
        "since": "2030-01-01T12:00:00Z",
        "until": "2030-01-15T12:00:00Z",  # undecided until then, it expires
        "reserved_for": None,
        "history": [],
        "has_more_history": False,
    }


def test_the_list_tells_until_when_each_is_kept(world: World) -> None:
    world.ann.submit()
    import_foreign(world, 30008)
    items = world.ben.get("/v1/clusters/dev/node-ports").json["items"]
    assert [(item["port"], item["until"]) for item in items] == [
        (30007, "2030-01-15T12:00:00Z"),
        (30008, None),
    ]


def test_a_hold_that_ended_is_history_and_names_its_exposure_to_its_team_alone(world: World, clock) -> None:
    made = world.ann.submit()
    clock.advance(hours=1)
    world.ann.delete(made.location, If_Match="*")
    now = world.ann.get(ADDRESS).json
    assert (now["state"], now["owner"], now["since"]) == ("free", None, None)
    [tenure] = now["history"]
    assert tenure == {
        "state": "held",
        "owner": OWNER,
        "exposure_id": made.json["metadata"]["id"],
        "reason": "product demo on Thursday",
        "began_at": "2030-01-01T12:00:00Z",
        "ended_at": "2030-01-01T13:00:00Z",
        "ending": "unused",
        "thief": None,
        "cooling_until": None,
    }
    assert world.ben.get(ADDRESS).json["history"] == [tenure | {"exposure_id": None}]
    assert world.eve.get(ADDRESS).json["history"] == [tenure]


def test_a_released_port_says_who_had_it_and_until_when_it_cools(world: World) -> None:
    make_cooling(world, world.ann.submit(), hours=24)
    now = world.ben.get(ADDRESS).json
    assert (now["state"], now["until"]) == ("cooling", "2030-01-02T12:00:00Z")
    [tenure] = now["history"]
    assert (tenure["ending"], tenure["cooling_until"]) == ("released", "2030-01-02T12:00:00Z")


def test_a_port_that_a_foreign_service_took_names_the_thief(world: World, clock) -> None:
    world.ann.submit()
    clock.advance(minutes=1)
    import_foreign(world, 30007)
    now = world.ben.get(ADDRESS).json
    thief = {"team": None, "namespace": "kube-system", "name": "dns"}
    assert (now["state"], now["owner"]) == ("foreign", thief)
    [tenure] = now["history"]
    assert (tenure["owner"], tenure["ending"], tenure["thief"]) == (OWNER, "lost", thief)


def test_the_newest_owner_before_comes_first(world: World, clock) -> None:
    for name in ("first", "second"):
        body = a_request()
        body["metadata"]["name"] = name
        made = world.ann.submit(body)
        clock.advance(hours=1)
        world.ann.delete(made.location, If_Match="*")
    history = world.ann.get(ADDRESS).json["history"]
    assert [tenure["owner"]["name"] for tenure in history] == ["second", "first"]


def test_a_long_past_is_cut_and_says_so_and_is_read_page_by_page(world: World) -> None:
    owners = ("team", "namespace", "name", "reason", "began_at", "ended_at", "ending", "exposure_id")
    world.ann.delete(world.ann.submit().location, If_Match="*")
    with world.transaction() as session:
        copied = ", ".join(name for name in owners if name != "name")
        session.execute(
            text(
                f"INSERT INTO port_history (cluster, port, state, name, {copied}) "
                f"SELECT cluster, port, state, 'old-' || number, {copied} "
                "FROM port_history, generate_series(1, 51) AS number"
            )
        )
    shown = world.ann.get(ADDRESS).json
    assert (len(shown["history"]), shown["has_more_history"]) == (50, True)
    read, address = [], f"{ADDRESS}/history?page_size=20"
    while address:
        page = world.ann.get(address)
        read += page.json["items"]
        address = page.headers.get("Link", "").removeprefix("<").removesuffix('>; rel="next"')
    assert [tenure["owner"]["name"] for tenure in read] == [f"old-{n}" for n in range(51, 0, -1)] + ["hello"]
    assert read[:50] == shown["history"]


def test_a_whole_past_says_that_there_is_no_more(world: World) -> None:
    world.ann.delete(world.ann.submit().location, If_Match="*")
    shown, page = world.ann.get(ADDRESS).json, world.ann.get(f"{ADDRESS}/history").json
    assert shown["has_more_history"] is False
    assert page == {"items": shown["history"], "next_page_token": None}


def test_the_exposures_of_the_past_are_hidden_from_strangers_in_its_pages_too(world: World) -> None:
    world.ann.delete(world.ann.submit().location, If_Match="*")
    [tenure] = world.ben.get(f"{ADDRESS}/history").json["items"]
    assert (tenure["owner"], tenure["exposure_id"]) == (OWNER, None)


def test_the_past_of_a_number_that_was_never_there_is_not_found(world: World) -> None:
    set_pool(world, Pool(30020, 30040))
    assert world.ben.get("/v1/clusters/dev/node-ports/30021/history").json["items"] == []
    assert_problem(world.ben.get("/v1/clusters/dev/node-ports/30008/history"), 404, "not-found")


def test_a_reserved_port_says_for_whom(world: World) -> None:
    rule = {"first": 30005, "last": 30009, "team": "team-b", "reason": "partners"}
    world.pia.put("/v1/clusters/dev/reservations/edge", rule)
    reserved = world.ann.get(ADDRESS).json["reserved_for"]
    assert {name: reserved[name] for name in ("name", *rule)} == {"name": "edge", **rule}


def test_a_claim_outside_the_range_is_still_told_and_what_was_never_there_is_not(world: World) -> None:
    world.ann.submit()
    set_pool(world, Pool(30020, 30040))
    assert world.ben.get(ADDRESS).json["owner"] == OWNER
    listed = world.ben.get("/v1/clusters/dev/node-ports").json["items"]
    assert [claim["port"] for claim in listed] == [30007]
    assert_problem(world.ben.get("/v1/clusters/dev/node-ports/30008"), 404, "not-found")


def test_a_full_pool_counts_who_has_it_and_says_when_to_come_back(world: World) -> None:
    set_pool(world, Pool(30007, 30009))
    make_cooling(world, world.ann.submit(), hours=2)
    import_foreign(world, 30008)
    world.ann.submit(named("other"))
    answer = world.ben.post("/v1/exposures", for_team_b())
    problem = assert_problem(answer, 409, "pool-exhausted")
    assert problem["counts"] == {"cooling": 1, "foreign": 1, "held": 1}
    assert problem["teams"] == {"team-a": 1}
    assert problem["next_free_at"] == "2030-01-01T14:00:00Z"
    assert answer.headers["Retry-After"] == "7200"


def test_a_full_pool_names_every_team_that_has_a_number(world: World) -> None:
    teams = [f"crew-{number}" for number in range(1, 7)]
    set_pool(world, Pool(30007, 30012))
    for team in teams:
        world.ann.submit(named(team))
    with world.transaction() as session:
        session.execute(text("UPDATE port_claim SET team = name WHERE state = 'held'"))
    problem = assert_problem(world.ben.post("/v1/exposures", for_team_b()), 409, "pool-exhausted")
    assert problem["teams"] == dict.fromkeys(teams, 1)


def test_a_full_pool_where_nothing_cools_says_to_come_back_in_a_minute(world: World) -> None:
    set_pool(world, Pool(30007, 30007))
    world.ann.submit()
    answer = world.ben.post("/v1/exposures", for_team_b())
    assert assert_problem(answer, 409, "pool-exhausted")["next_free_at"] is None
    assert answer.headers["Retry-After"] == "60"


def for_team_b() -> dict[str, Any]:
    body = named("theirs")
    body["metadata"] |= {"team": "team-b", "namespace": "team-b"}
    return body


def test_a_chosen_port_of_the_dynamic_band_comes_with_a_warning(world: World) -> None:
    set_pool(world, Pool(30030, 30030))
    made = world.ann.submit(named("hello"))
    [warning] = made.json["warnings"]
    assert "Node port 30030 is of the dynamic band 30030-30030" in warning
    assert made.headers["Warning"] == f'299 - "{warning}"'


def test_a_request_without_surprises_has_no_warning(world: World) -> None:
    made = world.ann.submit()
    assert made.json["warnings"] == []
    assert "Warning" not in made.headers
    world.eve.post(*review_of(made))
    assert "warnings" not in world.ann.get(made.location).json
