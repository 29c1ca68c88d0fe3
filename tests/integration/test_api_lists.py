"""Lists over HTTP: events, exposures and the ledger, page by page, and what a page token holds for."""

import pytest

from service.api.paging import page_token
from tests.integration.api_world import World, a_request, assert_problem, named, review_of


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


def test_events_tell_the_story_in_order(world: World) -> None:
    made = world.ann.post("/v1/exposures", a_request(), X_Request_Id="thursday-1")
    world.eve.post(*review_of(made))
    page = world.ann.get(f"{made.location}/events?page_size=1")
    [first] = page.json["items"]
    assert (first["kind"], first["request_id"], first["actor"]["person"]) == (
        "requested",
        "thursday-1",
        "ann",
    )
    next_page = page.headers["Link"].removeprefix("<").removesuffix('>; rel="next"')
    rest = world.ann.get(next_page).json
    assert [event["kind"] for event in rest["items"]] == ["approved"]
    assert rest["next_page_token"] is None


def test_a_list_is_read_page_by_page_newest_first(world: World, clock) -> None:
    for number in range(5):
        world.ann.submit(named(f"n{number}"))
    names, address = [], "/v1/exposures?page_size=2&team=team-a"
    while address:
        page = world.ann.get(address)
        names += [item["metadata"]["name"] for item in page.json["items"]]
        address = page.headers.get("Link", "").removeprefix("<").removesuffix('>; rel="next"')
    assert sorted(names) == [f"n{number}" for number in range(5)]
    assert page.json["next_page_token"] is None
    assert "Link" not in page.headers


def test_a_list_is_filtered_and_hides_other_teams(world: World) -> None:
    world.ann.submit(named("one"))
    world.ann.submit(named("two"))
    assert [item["metadata"]["name"] for item in world.ann.get("/v1/exposures?name=two").json["items"]] == [
        "two"
    ]
    assert world.ann.get("/v1/exposures?cluster=prod").json == {"items": [], "next_page_token": None}
    assert world.ben.get("/v1/exposures").json["items"] == []
    assert len(world.eve.get("/v1/exposures?page_size=9999999999999999999999").json["items"]) == 2


def test_a_page_token_holds_for_its_list_and_filters_only(world: World) -> None:
    for number in range(3):
        world.ann.submit(named(f"n{number}"))
    token = world.ann.get("/v1/exposures?page_size=1").json["next_page_token"]
    assert world.ann.get(f"/v1/exposures?page_size=2&page_token={token}").status_code == 200
    assert_problem(world.ann.get(f"/v1/exposures?name=n1&page_token={token}"), 400, "bad-page-token")
    assert_problem(world.ann.get(f"/v1/clusters/dev/node-ports?page_token={token}"), 400, "bad-page-token")


def test_a_page_token_from_before_the_first_year_is_a_position_like_any_other(world: World) -> None:
    with world.app.test_request_context("/v1/exposures"):
        token = page_token(("0001-01-01T00:00:00+23:59", "00000000-0000-7000-8000-000000000000"))
    assert world.ann.get(f"/v1/exposures?page_token={token}").json["items"] == []


def test_the_ledger_is_open_to_everyone_known(world: World) -> None:
    world.ann.submit()
    claim = {
        "port": 30007,
        "state": "held",
        "owner": {"team": "team-a", "namespace": "team-a", "name": "hello"},
        "reason": "product demo on Thursday",
        "until": "2030-01-15T12:00:00Z",
    }
    assert claim.items() <= world.ben.get("/v1/clusters/dev/node-ports/30007").json.items()
    assert world.ben.get("/v1/clusters/dev/node-ports").json == {"items": [claim], "next_page_token": None}
    free = {"port": 30008, "state": "free", "owner": None, "reason": None, "until": None}
    assert free.items() <= world.ben.get("/v1/clusters/dev/node-ports/30008").json.items()
