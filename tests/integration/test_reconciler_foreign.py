"""Everybody else's Services in the ledger: whose is which number, as soon and as long as it is theirs."""

from typing import Any

import pytest

from service.domain.errors import ClusterAway
from tests.conftest import Clock
from tests.fakes import Document
from tests.integration.api_world import a_request
from tests.integration.reconciler_world import (
    PORT,
    SteppingWorld,
    foreign_service,
    node_port_thief,
)
from tests.postgres import Database

CHOSEN = [{"name": "http", "port": 80}]


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    world = SteppingWorld(database, clock)
    world.cluster.add_namespace("team-b")
    return world


def balancer(name: str, **spec: Any) -> Document:
    return foreign_service(name, "team-b", type="LoadBalancer", ports=[{"port": 80}], **spec)


# Whose are the numbers?


def test_a_foreign_services_number_is_claimed_while_it_is_there(world: SteppingWorld) -> None:
    world.cluster.add_service(node_port_thief(30020))
    world.cycle()
    assert world.owner(30020) == ("foreign", "team-b/thief")
    world.cluster.remove("team-b", "thief")
    world.cycle()
    assert world.owner(30020) is None


def test_a_foreign_number_is_refused_to_others_with_its_owner(world: SteppingWorld) -> None:
    world.cluster.add_service(node_port_thief())
    world.cycle()
    answer = world.api.ann.post("/v1/exposures", a_request())
    assert (answer.status_code, answer.json["code"]) == (409, "node-port-taken")
    assert answer.json["owner"] == {"team": None, "namespace": "team-b", "name": "thief"}


def test_hidden_numbers_count(world: SteppingWorld) -> None:
    local = balancer("local", externalTrafficPolicy="Local", healthCheckNodePort=30021)
    local["spec"]["ports"][0]["nodePort"] = 30020
    world.cluster.add_service(local)
    world.cycle()
    assert world.owner(30020) == world.owner(30021) == ("foreign", "team-b/local")


def test_a_number_that_changes_hands_changes_its_owner(world: SteppingWorld) -> None:
    world.cluster.add_service(node_port_thief(30020))
    world.cycle()
    world.cluster.remove("team-b", "thief")
    world.cluster.add_service(node_port_thief(30020, "heir"))
    world.cycle()
    assert world.owner(30020) == ("foreign", "team-b/heir")


def test_a_number_outside_of_the_pool_is_claimed_too(world: SteppingWorld) -> None:
    world.cluster.add_service(node_port_thief(31000))
    world.cycle()
    assert world.owner(31000) == ("foreign", "team-b/thief")


def test_our_own_services_are_nobody_elses(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.hand_edit(
        "team-a", "hello", lambda s: [s["metadata"].pop("annotations"), s["metadata"].pop("labels")]
    )
    world.cycle(2)
    assert world.owner(PORT) == ("bound", "team-a/hello")
    assert story.condition("Applied") == ("True", "InSync")


def test_a_copy_of_ours_under_another_name_is_foreign(world: SteppingWorld) -> None:
    story = world.live()
    copy = world.service(story)
    copy["metadata"] = {**copy["metadata"], "name": "copy"}
    copy["spec"]["ports"][0]["nodePort"] = 30020
    copy["spec"].pop("clusterIP")
    world.cluster.add_service(copy)
    world.cycle()
    assert world.owner(30020) == ("foreign", "team-a/copy")


def test_a_mark_of_an_exposure_that_nobody_knows_is_foreign(world: SteppingWorld) -> None:
    story = world.request(ports=CHOSEN)
    stranger = node_port_thief(30020)
    mark = {"exposure-id": "00000000-0000-0000-0000-00000000dead", "revision": "1", "digest": "sha256:0"}
    stranger["metadata"] |= {
        "labels": {"app.kubernetes.io/managed-by": "wharfinger"},
        "annotations": {f"wharfinger.dev/{key}": value for key, value in mark.items()}
        | {"wharfinger.dev/create-token": "0"},
    }
    world.cluster.add_service(stranger)
    world.cycle()
    assert world.owner(30020) == ("foreign", "team-b/thief")
    assert story.status()["state"] == "AwaitingApproval"


def test_a_quiet_cluster_costs_no_write(world: SteppingWorld) -> None:
    world.cluster.add_service(node_port_thief(30020))
    world.cycle()
    before = world.claim(30020)
    for _ in range(3):
        world.later(minutes=1)
    assert world.claim(30020) == before


# What was removed, seen by a look that is behind.


def test_a_look_that_is_behind_takes_no_cooling_port_for_a_service_that_is_gone(world: SteppingWorld) -> None:
    story = world.live()
    world.cycle()
    story.delete()
    world.looker.look(listing=False)
    assert (world.owner(PORT), world.is_gone(story)) == (("cooling", "team-a/hello"), True)
    world.looker.look(listing=False)
    assert world.owner(PORT) == ("cooling", "team-a/hello")


def test_a_look_that_is_behind_a_write_of_ours_does_not_repeat_it(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"app": "mine"}))
    world.cycle()
    edited = world.cluster.writes()
    assert world.looker.look(listing=False) == 0
    assert world.cluster.writes() == edited
    assert story.kinds().count("drift-healed") == 1


def test_before_a_port_goes_to_a_stranger_the_stranger_is_read(world: SteppingWorld) -> None:
    story = world.request()
    world.cluster.add_service(node_port_thief())
    world.looker.list_all()
    world.cluster.remove("team-b", "thief")
    world.looker.look(listing=False)
    assert world.owner(PORT) == ("held", "team-a/hello")
    assert story.status()["state"] == "AwaitingApproval"


def test_a_stranger_that_cannot_be_read_costs_nobody_a_port(world: SteppingWorld) -> None:
    world.request()
    world.cluster.add_service(node_port_thief())
    world.cluster.refuse_next("service", ClusterAway("no answer"))
    world.cluster.refuse_next("service", ClusterAway("no answer"))
    world.cycle()
    assert world.owner(PORT) == ("held", "team-a/hello")
    world.cycle()
    assert world.owner(PORT) == ("foreign", "team-b/thief")
