"""A suspended exposure keeps its number in the ledger alone: in the cluster a stranger may take it."""

from typing import Any

import pytest

from service.domain.errors import ClusterAway
from tests.conftest import Clock
from tests.integration.reconciler_world import (
    PORT,
    SteppingWorld,
    Story,
    assert_needs_requester,
    node_port_thief,
    without_its_port,
)
from tests.postgres import Database

CHOSEN = [{"name": "http", "port": 80}]


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    world = SteppingWorld(database, clock)
    world.cluster.add_namespace("team-b")
    return world


def suspended(world: SteppingWorld, **spec: Any) -> Story:
    """Give one that was live, and whose Service is gone."""
    story = world.live(**spec)
    story.post("suspend")
    world.cycle(2)
    assert world.is_gone(story)
    return story


def test_a_chosen_port_that_is_taken_during_a_suspension_moves_at_once(world: SteppingWorld) -> None:
    story = suspended(world, ports=CHOSEN)
    old = story.node_port()
    world.cluster.add_service(node_port_thief(old))
    world.cycle(2)
    new = story.node_port()
    assert (world.owner(old), world.owner(new)) == (("foreign", "team-b/thief"), ("held", "team-a/hello"))
    assert story.status()["state"] == "Suspended"
    story.post("resume")
    world.cycle(2)
    assert world.service(story)["spec"]["ports"][0]["nodePort"] == new != old
    assert story.condition("Applied") == ("True", "InSync")
    assert story.kinds().count("port-reassigned") == 1


def test_an_asked_port_that_is_taken_during_a_suspension_is_the_thiefs_and_says_so(
    world: SteppingWorld,
) -> None:
    story = suspended(world)
    world.cluster.add_service(node_port_thief())
    world.cycle(3)
    assert world.owner(PORT) == ("foreign", "team-b/thief")
    assert story.status()["state"] == "Suspended"
    assert story.condition("Allocated") == ("False", "NodePortTaken")
    story.post("resume")
    world.cycle(2)
    assert_needs_requester(world, story)


def test_when_the_thief_goes_before_the_resume_the_asked_port_is_taken_back(world: SteppingWorld) -> None:
    story = suspended(world)
    world.cluster.add_service(node_port_thief())
    world.cycle(2)
    world.cluster.remove("team-b", "thief")
    world.cycle(2)
    assert world.owner(PORT) == ("held", "team-a/hello")
    assert story.condition("Allocated") == ("True", "InLedger")
    story.post("resume")
    world.cycle(2)
    assert story.condition("Applied") == ("True", "InSync")


def test_who_lacks_its_port_and_is_suspended_goes_on_waiting_for_it(world: SteppingWorld) -> None:
    story = without_its_port(world)
    story.post("suspend")
    world.cycle(3)
    assert world.is_gone(story)
    assert story.condition("Allocated") == ("False", "NodePortTaken")
    world.cluster.remove("team-b", "thief")
    world.cycle(2)
    assert world.owner(PORT) == ("held", "team-a/hello")
    assert story.condition("Allocated") == ("True", "InLedger")


def test_a_suspended_one_keeps_its_port_while_a_create_of_ours_may_arrive(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle()
    story.post("suspend")
    world.cluster.add_service(node_port_thief())
    world.cycle(2)
    assert world.owner(PORT) == ("bound", "team-a/hello")
    world.later(seconds=20)
    world.later(seconds=20)
    assert world.owner(PORT) == ("foreign", "team-b/thief")
