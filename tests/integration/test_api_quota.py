"""Quotas over HTTP: what a team may have, has and holds, who may read it, and what is refused."""

import pytest
from werkzeug.test import TestResponse

from service.domain.quota import Limits
from service.workflow.quota import set_quota
from tests.integration.api_world import World, a_request, assert_problem, named, review_of

ADDRESS = "/v1/teams/team-a/quota"


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


def limit(world: World, **limits: int) -> None:
    """Let the platform limit team-a in cluster dev."""
    with world.transaction() as session:
        set_quota(session, "team-a", "dev", Limits(**limits))


def test_a_quota_shows_used_held_and_limit(world: World) -> None:
    limit(world, exposures=5, node_ports=3, longest_lifetime=30 * 86400)
    world.eve.post(*review_of(world.ann.submit()))
    world.ann.submit(named("waiting"))
    world.ann.submit(named("inside", type="ClusterIP"))
    assert world.ann.get(ADDRESS).json == {
        "team": "team-a",
        "clusters": [
            {
                "cluster": "dev",
                "exposures": {"used": 1, "held": 2, "limit": 5},
                "node_ports": {"used": 1, "held": 1, "limit": 3},
                "load_balancers": {"used": 0, "held": 0, "limit": None},
                "longest_lifetime": "720h",
            }
        ],
    }


def test_one_cluster_can_be_asked_for(world: World) -> None:
    assert [found["cluster"] for found in world.ann.get(f"{ADDRESS}?cluster=dev").json["clusters"]] == ["dev"]
    assert world.ann.get(f"{ADDRESS}?cluster=prod").json["clusters"] == []


@pytest.mark.parametrize("who", ["ann", "eve", "aud", "pia"])
def test_members_and_those_who_see_every_team_read_it(world: World, who: str) -> None:
    assert getattr(world, who).get(ADDRESS).status_code == 200


def test_another_teams_quota_does_not_exist_for_a_stranger(world: World) -> None:
    assert_problem(world.ben.get(ADDRESS), 404, "not-found")
    assert_problem(world.pia.get("/v1/teams/team-x/quota"), 404, "not-found")
    assert_problem(world.stranger.get(ADDRESS), 401, "unauthenticated")


def refused(answer: TestResponse, quota: str) -> dict[str, object]:
    problem = assert_problem(answer, 403, "quota-exceeded")
    assert (problem["team"], problem["cluster"], problem["quota"]) == ("team-a", "dev", quota)
    return problem


def test_one_more_than_the_quota_is_refused_with_who_has_the_others(world: World) -> None:
    limit(world, node_ports=1)
    made = world.ann.submit()
    before = world.rows()
    problem = refused(world.ann.post("/v1/exposures", named("more")), "node_ports")
    assert (problem["limit"], problem["used"], problem["held"], problem["asked"]) == (1, 0, 1, 1)
    assert problem["exposures"] == [
        {
            "id": made.json["metadata"]["id"],
            "namespace": "team-a",
            "name": "hello",
            "state": "held",
            "amount": 1,
        }
    ]
    assert world.rows() == before


def test_a_quota_counts_what_is_there_and_not_what_was(world: World) -> None:
    limit(world, exposures=1)
    made = world.ann.submit()
    refused(world.ann.post("/v1/exposures", named("more")), "exposures")
    world.ann.delete(made.location, If_Match="*")
    assert world.ann.post("/v1/exposures", named("more")).status_code == 201


def test_a_load_balancer_and_a_lifetime_are_limited_too(world: World) -> None:
    limit(world, load_balancers=0, longest_lifetime=3600)
    refused(
        world.ann.post("/v1/exposures", named("balancer", type="LoadBalancer", lifetime="1h")),
        "load_balancers",
    )
    refused(world.ann.post("/v1/exposures", a_request(lifetime="61m")), "longest_lifetime")
    refused(world.ann.post("/v1/exposures", a_request(lifetime=...)), "longest_lifetime")
    assert world.ann.post("/v1/exposures", a_request(lifetime="1h")).status_code == 201


def test_another_teams_quota_does_not_bind(world: World) -> None:
    limit(world, exposures=0)
    body = named("theirs")
    body["metadata"] |= {"team": "team-b", "namespace": "team-b"}
    assert world.ben.post("/v1/exposures", body).status_code == 201
