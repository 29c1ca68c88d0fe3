"""Quotas in the ledger: what is counted, when, and that a crowd never passes one."""

from collections import Counter
from datetime import timedelta

import pytest

from service.domain.errors import Busy
from service.domain.principal import Principal, PrincipalKind
from service.domain.quota import Limits, Usage
from service.store import ports, quotas
from service.store.foreign import import_foreign
from service.workflow.quota import set_quota, team_quota
from tests.integration.api_world import World, a_request, assert_problem, named
from tests.integration.reconciler_world import Story
from tests.integration.test_concurrent_requests import a_request_for, send_at_once
from tests.integration.test_concurrent_requests import world as crowded_world
from tests.postgres import Database

crowded = crowded_world
PLATFORM = Principal(PrincipalKind.PERSON, "pat", teams=frozenset({"team-a"}))


@pytest.fixture
def world(database: Database, clock) -> World:
    return World(database.transaction, clock)


def limit(world: World, **limits: int) -> None:
    with world.transaction() as session:
        set_quota(session, "team-a", "dev", Limits(**limits))


def usage(world: World) -> tuple[Usage, Usage, Usage]:
    with world.transaction() as session:
        [found] = team_quota(session, "team-a", "dev", PLATFORM)
    return found.exposures, found.node_ports, found.load_balancers


def test_hidden_ports_and_shared_ones_are_counted_as_the_ledger_has_them(world: World) -> None:
    limit(world, node_ports=2)
    both = [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]
    world.ann.submit(named("dns") | {"spec": a_request(ports=both)["spec"]})
    balancer = {"type": "LoadBalancer", "external_traffic_policy": "Local"}
    world.ann.submit(named("lb", **balancer))
    assert usage(world) == (Usage(0, 2), Usage(0, 2), Usage(0, 1))
    problem = assert_problem(world.ann.post("/v1/exposures", named("more")), 403, "quota-exceeded")
    assert (problem["used"], problem["held"], problem["asked"]) == (0, 2, 1)


def test_approval_makes_of_held_used(world: World) -> None:
    story = Story(world, a_request())
    assert usage(world)[:2] == (Usage(0, 1), Usage(0, 1))
    story.approve()
    assert usage(world)[:2] == (Usage(1, 0), Usage(1, 0))


def test_what_is_given_back_may_be_had_again_and_a_cooling_port_does_not_count(world: World, clock) -> None:
    limit(world, exposures=1, node_ports=1)
    story = Story(world, a_request())
    assert_problem(world.ann.post("/v1/exposures", named("two")), 403, "quota-exceeded")
    with world.transaction() as session:
        ports.bind(session, story.id, [30007], clock())
        ports.release(session, story.id, (), clock() + timedelta(hours=1), clock())
    story.delete()
    world.ann.submit(named("two"))


def test_a_refusal_holds_nothing(world: World) -> None:
    limit(world, node_ports=0)
    assert_problem(world.ann.post("/v1/exposures", a_request()), 403, "quota-exceeded")
    assert world.rows() == (0, 0, 0)


def test_a_change_of_an_asked_port_needs_another_one_until_it_is_live(world: World) -> None:
    limit(world, node_ports=1)
    story = Story(world, a_request())
    story.approve()
    change = {"spec": {"ports": [{"port": 80, "node_port": 30008}]}}
    problem = assert_problem(world.ann.patch(story.at, change), 403, "quota-exceeded")
    assert (problem["limit"], problem["used"], problem["held"], problem["asked"]) == (1, 1, 0, 1)
    assert "beside what is live" in problem["detail"]
    assert usage(world)[1] == Usage(1, 0)


def test_what_a_change_holds_is_held_and_what_is_approved_is_used(world: World) -> None:
    limit(world, node_ports=2)
    story = Story(world, a_request())
    story.approve()
    story.change(type="LoadBalancer", external_traffic_policy="Local", ports=[{"port": 80}])
    assert usage(world) == (Usage(1, 0), Usage(1, 1), Usage(0, 1))


def test_a_change_that_takes_the_place_of_one_that_waits_needs_nothing_more(world: World) -> None:
    limit(world, node_ports=2)
    story = Story(world, a_request())
    story.approve()
    for number in (30008, 30009):
        story.change(ports=[{"port": 80, "node_port": number}])
    assert usage(world)[1] == Usage(1, 1)


def test_a_change_that_keeps_its_ports_is_let_through_at_the_limit(world: World) -> None:
    limit(world, exposures=1, node_ports=1)
    story = Story(world, a_request())
    story.change(selector={"app": "other"})
    assert usage(world)[:2] == (Usage(0, 1), Usage(0, 1))


def test_a_port_that_a_foreign_service_took_counts_while_it_is_asked_for(world: World, clock) -> None:
    limit(world, node_ports=1)
    Story(world, a_request())
    with world.transaction() as session:
        import_foreign(session, "dev", {30007: ("team-b", "thief")}, clock())
    assert_problem(world.ann.post("/v1/exposures", named("two")), 403, "quota-exceeded")


def test_another_teams_quota_is_its_own(world: World) -> None:
    limit(world, exposures=0)
    body = a_request()
    body["metadata"] |= {"team": "team-b", "namespace": "team-b"}
    world.ben.submit(body)


def test_limits_that_are_lifted_bound_nothing(world: World) -> None:
    limit(world, exposures=0)
    limit(world)
    world.ann.submit(a_request())


@pytest.mark.parametrize("limits", [{"exposures": 7, "node_ports": 9}, {"node_ports": 7}], ids=str)
def test_sixty_four_clients_of_one_team_never_pass_its_quota(crowded: World, limits: dict[str, int]) -> None:
    limit(crowded, **limits)
    answers = send_at_once(crowded, [a_request_for(number, None) for number in range(64)])
    assert Counter(answer.status_code for answer in answers) == {201: 7, 403: 57}
    for answer in answers:
        if answer.status_code == 403:
            assert_problem(answer, 403, "quota-exceeded")
    assert usage(crowded)[:2] == (Usage(0, 7), Usage(0, 7))


def put_hastily(world: World, limits: Limits) -> None:
    """Set limits unless somebody has the row."""
    with world.transaction() as session:
        session.connection().exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
        quotas.put(session, "team-a", "dev", limits)


def test_limits_wait_for_the_requests_that_were_let_in_without_them(own_database: Database, clock) -> None:
    world = World(own_database.transaction, clock)
    with world.transaction() as before:
        assert quotas.lock(before, "team-a", "dev") == Limits()
        with pytest.raises(Busy):
            put_hastily(world, Limits(exposures=1))
    put_hastily(world, Limits(exposures=1))
    with world.transaction() as session:
        assert quotas.lock(session, "team-a", "dev") == Limits(exposures=1)


def test_requests_without_limits_do_not_wait_for_each_other(own_database: Database, clock) -> None:
    world = World(own_database.transaction, clock)
    limit(world)
    with world.transaction() as first, world.transaction() as second:
        second.connection().exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
        assert quotas.lock(first, "team-a", "dev") == quotas.lock(second, "team-a", "dev") == Limits()
