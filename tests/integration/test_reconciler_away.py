"""A cluster that does not answer: it is left alone for a while, and what it may still do is remembered."""

import pytest

from service.domain.errors import ClusterAway
from service.reconciler.breaker import FAILURES
from service.reconciler.recording import IN_FLIGHT
from tests.conftest import Clock
from tests.integration.reconciler_world import SteppingWorld
from tests.postgres import Database


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    return SteppingWorld(database, clock)


def test_of_a_cluster_that_answers_nobody_no_more_is_asked_for_a_while(world: SteppingWorld) -> None:
    stories = [world.request(f"n{number}", ports=[{"port": 80}]).approve() for number in range(FAILURES + 3)]
    for _ in stories:
        world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle(2)
    assert world.written() == ["create"] * FAILURES
    world.cycle(2)
    assert world.written() == ["create"] * FAILURES


def test_a_create_that_nobody_waits_for_any_more_is_known_when_it_arrives(
    world: SteppingWorld,
) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle()
    [lost] = world.record(story).sync.create_tokens
    world.later(seconds=2)
    world.later(seconds=IN_FLIGHT.total_seconds())
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"a": "b"}))
    world.cycle(2)
    story.delete()
    world.cycle(2)
    world.later(seconds=IN_FLIGHT.total_seconds() + 1)
    assert (story.status()["state"], world.is_gone(story)) == ("Ended", True)
    world.late_create(story, lost)
    for _ in range(3):
        world.later(minutes=2)
    assert world.is_gone(story)
