"""What the worker makes of people's decisions, on real rows and a cluster that behaves."""

import time

import pytest
from sqlalchemy import text

from service.domain.exposure import SyncState
from service.domain.manifest import Mark
from service.store import exposures
from tests.conftest import Clock
from tests.integration.api_world import PEOPLE
from tests.integration.reconciler_world import PORT, SteppingWorld, seconds
from tests.postgres import Database

FREE = {"name": "http", "port": 80, "target_port": 8080, "protocol": "TCP"}


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    return SteppingWorld(database, clock)


def test_nothing_is_sent_before_the_approval(world: SteppingWorld) -> None:
    story = world.request()
    world.cycle(3)
    assert world.written() == []
    assert (story.status()["state"], world.claimed()) == ("AwaitingApproval", "held")


def test_an_approved_request_becomes_one_service_with_mark_digest_and_ports(world: SteppingWorld) -> None:
    story = world.approved()
    world.cycle()
    service = world.service(story)
    mark = Mark.of(service)
    assert mark is not None
    assert (mark.exposure_id, mark.revision, mark.digest) == (story.id, 1, story.digest)
    assert mark.request_id == world.record(story).revisions[0].request_id
    assert service["spec"]["selector"] == {"app": "hello"}
    [port] = service["spec"]["ports"]
    assert port == {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP", "nodePort": PORT}
    assert world.written() == ["create"]


def test_an_applied_revision_is_live_and_known_by_its_uid(world: SteppingWorld) -> None:
    story = world.approved()
    world.cycle()
    sync, status = world.record(story).sync, story.status()
    assert status["live"] == {"revision": 1, "digest": story.digest}
    assert (status["approved"], status["pending"], status["observed_generation"]) == (None, None, 1)
    assert (sync.state, sync.uid) == (SyncState.IN_SYNC, world.service(story)["metadata"]["uid"])
    assert (sync.create_tokens, sync.attempts, sync.reason) == ((), 0, None)
    live = story.events()[-1]
    assert (live["kind"], live["revision"], live["actor"]["kind"]) == ("live", 1, "worker")


def test_the_claim_is_bound_and_the_token_stored_before_the_call(world: SteppingWorld) -> None:
    story = world.approved()
    seen = []

    def look() -> None:
        sync = world.record(story).sync
        seen.append((world.claimed(), sync.state, len(sync.create_tokens), sync.create_sent_at, sync.uid))

    world.cluster.before_next("create", look)
    world.cycle()
    assert seen == [("bound", SyncState.APPLYING, 1, world.clock(), None)]


def test_conditions_and_access_follow_what_the_cluster_shows(world: SteppingWorld) -> None:
    story = world.live()
    assert (story.status()["state"], story.condition("Ready")) == ("Degraded", ("False", "NoEndpoints"))
    world.cluster.add_endpoints("team-a", "hello")
    world.cycle()
    status = story.status()
    assert (status["state"], story.condition("Ready")) == ("Active", ("True", "Ready"))
    assert story.condition("Approved") == ("True", "Live")
    assert story.condition("Allocated") == ("True", "InLedger")
    [access] = status["access"]
    assert access["addresses"] == [f"192.0.2.10:{PORT}", "hello.team-a.svc:80"]
    assert any("port-forward" in command for command in access["commands"])


def test_node_addresses_follow_the_nodes(world: SteppingWorld) -> None:
    story = world.live()
    before = story.etag()
    world.cluster.add_node("n2", "192.0.2.11")
    world.cluster.remove_node("n1")
    world.cycle()
    assert story.status()["access"][0]["addresses"][0] == f"192.0.2.11:{PORT}"
    assert story.etag() != before


def test_the_load_balancers_address_is_shown_once_it_is_there(world: SteppingWorld) -> None:
    story = world.live(type="LoadBalancer", ports=[{"name": "http", "port": 80}])
    world.cluster.add_endpoints("team-a", "hello")
    world.cycle()
    assert story.condition("Ready") == ("False", "LoadBalancerPending")
    world.cluster.set_ingress("team-a", "hello", "198.51.100.7")
    world.cycle()
    assert story.status()["access"][0]["addresses"][0] == "198.51.100.7:80"
    assert story.status()["state"] == "Active"


def test_a_cluster_ip_exposure_takes_no_node_port(world: SteppingWorld) -> None:
    story = world.live(type="ClusterIP", ports=[{"name": "http", "port": 80}])
    assert "nodePort" not in world.service(story)["spec"]["ports"][0]
    assert world.record(story).claims == ()


def test_what_is_in_sync_is_left_alone_and_its_tag_stays(world: SteppingWorld) -> None:
    story = world.live()
    before = story.etag()
    assert world.cycle(5) == 0
    assert world.written() == []
    assert story.etag() == before


def test_a_revision_is_not_applied_before_its_time(world: SteppingWorld) -> None:
    story = world.approved(not_before="2030-01-01T13:00:00Z")
    world.cycle(2)
    assert (world.written(), story.status()["state"]) == ([], "Scheduled")
    world.later(hours=1)
    assert (world.written(), story.status()["live"]["revision"]) == (["create"], 1)


def test_the_worker_is_a_principal_of_its_own_and_nobody_elses(world: SteppingWorld) -> None:
    story = world.live()
    story.delete()
    world.cycle()
    people = {who.person for who in PEOPLE.values()}
    actors = {event["kind"]: event["actor"]["person"] for event in story.events()}
    assert actors == {
        "requested": "ann",
        "approved": "eve",
        "live": "worker",
        "removal-requested": "ann",
        "removed": "worker",
    }
    assert "worker" not in people


def test_an_event_says_which_service_it_was(world: SteppingWorld) -> None:
    story = world.live()
    data = story.events()[-1]["data"]
    assert data == {"uid": world.service(story)["metadata"]["uid"], "reason": "missing"}


def test_times_are_the_edges(world: SteppingWorld) -> None:
    story = world.request()
    world.clock.advance(minutes=5)
    story.approve()
    world.clock.advance(minutes=5)
    world.cycle()
    record = world.record(story)
    assert seconds(record.sync.changed_at, record.exposure.created_at) == 600
    assert seconds(record.revisions[0].decided_at, record.exposure.created_at) == 300


def test_a_row_that_somebody_holds_keeps_no_other_exposure_waiting(
    world: SteppingWorld, database: Database
) -> None:
    held, other = world.approved(), world.request("other", ports=[{"port": 80}]).approve()
    begun = time.monotonic()
    with database.transaction() as session:
        exposures.lock(session, held.id)
        world.cycle()
    assert time.monotonic() - begun < 2
    assert (held.condition("Applied")[0], other.condition("Applied")[0]) == ("False", "True")
    world.cycle()
    assert held.condition("Applied") == ("True", "InSync")


def test_a_nodes_new_address_is_one_event_that_says_how_many_exposures_it_touches(
    world: SteppingWorld,
) -> None:
    stories = [world.request(f"n{number}", ports=[FREE]).approve() for number in range(3)]
    world.cycle(2)
    world.cluster.add_node("n1", "192.0.2.99")
    world.cycle(2)
    assert all("192.0.2.99:" in str(story.status()["access"]) for story in stories)
    with world.transaction() as session:
        told = session.scalars(text("SELECT data FROM audit_event WHERE kind = 'node-addresses-changed'"))
        assert told.all() == [
            {"cluster": "dev", "before": ["192.0.2.10"], "after": ["192.0.2.99"], "exposures": 3}
        ]
