"""Ports that a later live revision does without: they cool once the cluster has let them go, not before."""

from copy import deepcopy
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from sqlalchemy import insert

from service.domain.errors import ClusterAway, ObjectChanged
from service.domain.exposure import Allocation, Decision, NodePort, PortOrigin
from service.domain.manifest import digest, render
from service.domain.spec import ExposureType, ServicePort
from service.reconciler.recording import IN_FLIGHT
from service.store import port_history, tables
from tests.conftest import Clock
from tests.fakes import Document
from tests.integration.reconciler_world import COOLING, PORT, SteppingWorld, Story
from tests.postgres import Database

TWO = [{"name": "http", "port": 80, "node_port": PORT}, {"name": "admin", "port": 81, "node_port": 30008}]


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    return SteppingWorld(database, clock)


def revise(world: SteppingWorld, story: Story, **spec: Any) -> None:
    """Write a second revision, approved, with other fields in its spec; its ports keep their numbers."""
    record = world.record(story)
    first = record.revisions[0]
    changed = replace(first.spec, **spec)
    manifest = render(record.exposure.metadata, changed)
    numbers = [port.node_port for port in changed.ports if port.node_port]
    second = replace(
        first,
        number=2,
        spec=changed,
        manifest=manifest,
        digest=digest(record.exposure.metadata, changed, manifest),
        allocation=Allocation(tuple(NodePort(number, PortOrigin.ASKED) for number in numbers)),
    )
    row = {field: getattr(second, field) for field in ("exposure_id", "number", "manifest", "digest")}
    row |= {"spec": second.spec.document(), "allocation": second.allocation.document()}
    row |= {"decision": Decision.APPROVED.value, "created_at": world.clock(), "decided_at": world.clock()}
    row |= {"requested_by": second.requested_by, "request_id": second.request_id}
    with world.transaction() as session:
        session.execute(insert(tables.revision).values(row))


def one_port(story: Story, world: SteppingWorld) -> tuple[ServicePort, ...]:
    return world.record(story).revisions[0].spec.ports[:1]


def inner(story: Story, world: SteppingWorld) -> dict[str, Any]:
    ports = tuple(replace(port, node_port=None) for port in world.record(story).revisions[0].spec.ports)
    return {"type": ExposureType.CLUSTER_IP, "ports": ports}


def lose_a_change(world: SteppingWorld, story: Story) -> Document:
    """Let a second port be asked for and approved, and its PUT be given up; return what is under way."""
    sent: list[Document] = []
    at, api = f"{story.at}/revisions/2", world.api
    assert api.ann.patch(story.at, {"spec": {"ports": TWO}}).status_code == 202
    digest = story.status()["pending"]["digest"]
    assert api.eve.post(f"{at}/reviews", {"verdict": "approve", "digest": digest}).status_code == 201
    world.cluster.mutate_writes(lambda service: sent.append(deepcopy(service)))
    world.cluster.refuse_next("replace", ClusterAway("no answer"))
    world.cycle()
    world.cluster.mutate_writes(None)
    return sent[0]


def withdraw(world: SteppingWorld, story: Story) -> None:
    assert world.api.ann.post(f"{story.at}/revisions/2/withdraw", {}, If_Match="*").status_code == 202


def ending(world: SteppingWorld, port: int) -> str:
    """Return how the last tenure of a number ended."""
    with world.transaction() as session:
        return port_history.of_port(session, "dev", port, 1)[0].ending.value


def test_a_port_that_an_edit_drops_cools_and_the_other_stays(world: SteppingWorld) -> None:
    story = world.live(ports=TWO)
    revise(world, story, ports=one_port(story, world))
    world.cycle()
    assert [port["nodePort"] for port in world.service(story)["spec"]["ports"]] == [PORT]
    assert world.claimed() == "bound"
    claim = world.claim(30008)
    assert claim is not None
    assert (claim.state, claim.until) == ("cooling", world.clock() + COOLING)


def test_from_node_port_to_cluster_ip_every_port_cools(world: SteppingWorld) -> None:
    story = world.live(ports=TWO)
    revise(world, story, **inner(story, world))
    world.cycle()
    assert "nodePort" not in world.service(story)["spec"]["ports"][0]
    assert (world.claimed(PORT), world.claimed(30008)) == ("cooling", "cooling")
    assert story.status()["live"]["revision"] == 2


def test_the_history_tells_what_an_edit_dropped_from_what_a_removal_released(world: SteppingWorld) -> None:
    story = world.live(ports=TWO)
    revise(world, story, ports=one_port(story, world))
    world.cycle()
    story.delete()
    world.cycle()
    assert (ending(world, 30008), ending(world, PORT)) == ("dropped", "released")


def test_the_history_says_dropped_too_when_an_edit_keeps_no_port(world: SteppingWorld) -> None:
    story = world.live(ports=TWO)
    revise(world, story, **inner(story, world))
    world.cycle()
    assert (ending(world, PORT), ending(world, 30008)) == ("dropped", "dropped")


def test_while_the_change_is_not_known_to_be_done_nothing_cools(world: SteppingWorld) -> None:
    story = world.live(ports=TWO)
    revise(world, story, ports=one_port(story, world))
    world.cluster.lose_answer_of("replace")
    world.cycle()
    assert world.claimed(30008) == "bound"
    world.later(seconds=2)
    assert (story.status()["live"]["revision"], world.claimed(30008)) == (2, "bound")
    world.later(seconds=IN_FLIGHT.total_seconds())
    assert world.claimed(30008) == "cooling"


def test_while_the_change_did_not_happen_nothing_cools(world: SteppingWorld) -> None:
    story = world.live(ports=TWO)
    revise(world, story, ports=one_port(story, world))
    world.cluster.refuse_next("replace", ClusterAway("no answer"))
    world.cycle()
    assert world.claimed(30008) == "bound"
    assert story.status()["live"]["revision"] == 1


def test_what_a_newer_request_still_needs_does_not_cool(world: SteppingWorld) -> None:
    story = world.live(ports=TWO)
    revise(world, story, **inner(story, world))
    world.tamper(
        "INSERT INTO revision SELECT exposure_id, 3, spec, manifest, digest, allocation, 'pending', "
        "requested_by, request_id, created_at, NULL FROM revision WHERE number = 1"
    )
    world.cycle()
    assert story.status()["live"]["revision"] == 2
    assert (world.claimed(PORT), world.claimed(30008)) == ("bound", "bound")


def test_healing_a_live_revision_releases_nothing(world: SteppingWorld) -> None:
    world.live(ports=TWO)
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"app": "mine"}))
    world.cycle()
    assert (world.claimed(PORT), world.claimed(30008)) == ("bound", "bound")


# A change that was given up, taken back, and may still arrive.


def test_the_port_of_a_change_that_may_still_arrive_is_kept_though_it_was_taken_back(
    world: SteppingWorld,
) -> None:
    story = world.live()
    late = lose_a_change(world, story)
    withdraw(world, story)
    world.later(seconds=2)
    assert (story.condition("Applied"), world.claimed(30008)) == (("True", "InSync"), "bound")
    world.cluster.replace(late)
    world.cycle()
    assert [port["nodePort"] for port in world.service(story)["spec"]["ports"]] == [PORT]
    assert (world.claimed(), world.claimed(30008)) == ("bound", "cooling")


def test_the_port_of_a_change_that_was_taken_back_cools_once_it_cannot_arrive_any_more(
    world: SteppingWorld,
) -> None:
    story = world.live()
    late = lose_a_change(world, story)
    withdraw(world, story)
    world.later(seconds=2)
    world.later(seconds=IN_FLIGHT.total_seconds())
    assert (world.claimed(), world.claimed(30008), world.cycle()) == ("bound", "cooling", 0)
    assert late["spec"]["ports"][1]["nodePort"] == 30008
    assert world.written() == ["replace"]


def test_the_port_of_a_change_that_was_taken_back_cools_as_soon_as_a_later_write_refuses_it(
    world: SteppingWorld,
) -> None:
    story = world.live()
    late = lose_a_change(world, story)
    withdraw(world, story)
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"app": "mine"}))
    world.later(seconds=2)
    assert world.claimed(30008) == "cooling"
    with pytest.raises(ObjectChanged):
        world.cluster.replace(late)


def test_a_change_that_has_arrived_before_the_watch_tells_of_it_is_not_sent_again(
    world: SteppingWorld,
) -> None:
    story = world.live(ports=TWO)
    revise(world, story, ports=one_port(story, world))
    world.cluster.lose_answer_of("replace")
    world.cycle()
    world.clock.advance(seconds=2)
    world.looker.look(listing=False)
    assert (story.status()["live"]["revision"], world.claimed(30008)) == (2, "bound")
    assert world.written() == ["replace"]


def test_a_process_that_stood_still_before_a_change_does_not_send_it(world: SteppingWorld) -> None:
    story = world.live(ports=TWO)
    revise(world, story, ports=one_port(story, world))
    frozen = count(0.0, 9.0)  # between any two looks at the clock
    world.edge = world.edge_with(monotonic=lambda: next(frozen))
    world.cycle()
    assert (world.written(), world.claimed(30008)) == ([], "bound")
