"""A LoadBalancer with ``externalTrafficPolicy: Local``: its health check has a number like any other port."""

import pytest

from tests.conftest import Clock
from tests.integration.reconciler_world import COOLING, SteppingWorld, Story, node_port_thief
from tests.postgres import Database

LOCAL = {
    "type": "LoadBalancer",
    "external_traffic_policy": "Local",
    "ports": [{"name": "http", "port": 80, "target_port": 8080}],
}


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    world = SteppingWorld(database, clock)
    world.cluster.add_namespace("team-b")
    return world


def health_check(world: SteppingWorld, story: Story) -> int:
    """Return the number that the ledger has for the health check."""
    number = world.record(story).revisions[0].allocation.health_check
    assert number is not None
    return number.number


def test_the_service_has_the_number_that_is_claimed_for_its_health_check(world: SteppingWorld) -> None:
    story = world.approved(**LOCAL)
    number = health_check(world, story)
    assert world.owner(number) == ("held", "team-a/hello")

    world.cycle()

    assert story.condition("Applied") == ("True", "InSync")
    assert world.service(story)["spec"]["healthCheckNodePort"] == number == health_check(world, story)
    assert world.owner(number) == ("bound", "team-a/hello")
    assert world.cycle() == 0


def test_after_its_deletion_the_number_of_the_health_check_cools(world: SteppingWorld) -> None:
    story = world.live(**LOCAL)
    number = health_check(world, story)
    story.delete()

    world.cycle(2)

    claim = world.claim(number)
    assert claim is not None
    assert (world.is_gone(story), claim.state, claim.until) == (True, "cooling", world.clock() + COOLING)


def assert_moved(world: SteppingWorld, story: Story, old: int) -> None:
    new = health_check(world, story)
    assert new != old
    assert story.condition("Applied") == ("True", "InSync")
    assert world.service(story)["spec"]["healthCheckNodePort"] == new
    assert (world.owner(old), world.owner(new)) == (
        ("foreign", "team-b/thief"),
        ("bound", "team-a/hello"),
    )
    assert story.kinds().count("port-reassigned") == 1


def test_a_health_check_whose_number_was_taken_before_the_approval_moves(world: SteppingWorld) -> None:
    story = world.request(**LOCAL)
    old = health_check(world, story)
    world.cluster.add_service(node_port_thief(old))
    world.cycle()
    story.approve()

    world.cycle()

    assert_moved(world, story, old)


def test_a_health_check_whose_number_is_stolen_just_before_our_create_moves(world: SteppingWorld) -> None:
    story = world.approved(**LOCAL)
    old = health_check(world, story)
    world.cluster.before_next("create", lambda: world.cluster.add_service(node_port_thief(old)))
    world.cycle()
    assert f"node port {old} by Service team-b/thief" in story.message()

    world.cycle()

    assert_moved(world, story, old)
