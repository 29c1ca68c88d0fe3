"""Adoptions over HTTP: who may ask and look, what is refused, and that one request for a Service is open."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from service.store import identities
from tests.integration.adoption_world import ADDRESS, a_wish
from tests.integration.api_world import World, assert_problem


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


def count(world: World) -> int:
    with world.transaction() as session:
        return session.scalar(text("SELECT count(*) FROM adoption")) or 0


def test_a_wish_is_taken_and_says_what_it_waits_for(world: World) -> None:
    made = world.ann.post(ADDRESS, a_wish())
    assert made.status_code == 202
    assert made.json == world.ann.get(made.headers["Location"]).json
    assert made.json == {
        "id": made.headers["Location"].removeprefix(f"{ADDRESS}/"),
        "cluster": "dev",
        "namespace": "team-a",
        "name": "shop",
        "team": "team-a",
        "lifetime": "720h",
        "justification": "made by hand last year",
        "requested_by": {"kind": "person", "person": "ann", "acted_for": None},
        "state": "waiting",
        "message": "The worker of cluster dev reads Service team-a/shop next.",
        "faults": [],
        "uid": None,
        "service": None,
        "exposure_id": None,
        "created_at": "2030-01-01T12:00:00Z",
        "updated_at": "2030-01-01T12:00:00Z",
    }


@pytest.mark.parametrize(
    ("who", "fields", "status", "code", "pointer"),
    [
        ("eve", {}, 403, "forbidden", None),
        ("ben", {}, 422, "invalid", "#/team"),
        ("ben", {"team": "team-b"}, 422, "invalid", "#/namespace"),
        ("ann", {"team": "team-z"}, 422, "invalid", "#/team"),
        ("ann", {"name": "Shop"}, 422, "invalid", "#/name"),
        ("ann", {"name": ...}, 422, "invalid", "#/name"),
        ("ann", {"justification": " "}, 422, "invalid", "#/justification"),
        ("ann", {"uid": "u"}, 422, "invalid", "#/uid"),
    ],
)
def test_who_may_not_ask_for_an_exposure_may_not_ask_for_an_adoption(
    world: World, who: str, fields: dict[str, Any], status: int, code: str, pointer: str | None
) -> None:
    answer = getattr(world, who).post(ADDRESS, a_wish(**fields))
    assert_problem(answer, status, code)
    if pointer:
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert count(world) == 0


def test_an_unknown_cluster_has_no_adoptions(world: World) -> None:
    address = ADDRESS.replace("/dev/", "/other/")
    made = world.ann.post(ADDRESS, a_wish()).json["id"]
    for answer in (
        world.ann.post(address, a_wish()),
        world.ann.get(address),
        world.ann.get(f"{address}/{made}"),
    ):
        assert_problem(answer, 404, "not-found")


def test_a_second_request_for_the_same_service_waits_for_the_end_of_the_first(world: World) -> None:
    with world.transaction() as session:
        identities.give_namespace(session, "team-b", "dev", "team-a")
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: world.ann.post(ADDRESS, a_wish()), range(4)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    made = next(answer.json["id"] for answer in answers if answer.status_code == 202)
    again, other = world.ann.post(ADDRESS, a_wish()), world.ben.post(ADDRESS, a_wish(team="team-b"))
    assert_problem(again, 409, "adoption-open")
    assert (again.json["adoption_id"], "adoption_id" in other.json) == (made, False)
    assert made in again.json["detail"]
    assert made not in other.text


def test_adoptions_are_listed_newest_first_for_those_who_may_see_them(world: World, clock) -> None:
    for name in ("one", "two", "three"):
        world.ann.post(ADDRESS, a_wish(name=name))
        clock.advance(seconds=1)
    world.ben.post(ADDRESS, a_wish(namespace="team-b", team="team-b"))
    first = world.ann.get(f"{ADDRESS}?page_size=2")
    second = world.ann.get(f"{ADDRESS}?page_size=2&page_token={first.json['next_page_token']}")
    names = [item["name"] for page in (first, second) for item in page.json["items"]]
    assert (names, second.json["next_page_token"]) == (["three", "two", "one"], None)
    assert [item["name"] for item in world.ben.get(ADDRESS).json["items"]] == ["shop"]
    assert len(world.eve.get(ADDRESS).json["items"]) == 4
    assert_problem(world.ann.get(f"{ADDRESS}?page_token=x"), 400, "bad-page-token")


def test_another_teams_adoption_is_not_there(world: World) -> None:
    at = world.ann.post(ADDRESS, a_wish()).headers["Location"]
    assert_problem(world.ben.get(at), 404, "not-found")
    assert world.aud.get(at).status_code == 200


def test_a_dry_run_stores_nothing(world: World) -> None:
    assert world.ann.post(f"{ADDRESS}?dry_run=true", a_wish()).status_code == 202
    assert count(world) == 0
