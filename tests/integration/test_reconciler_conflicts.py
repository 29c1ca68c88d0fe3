"""Numbers of ours that strangers have: whose they are in the end, who is told how often, what it costs."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from service.domain.cluster import Mode, Rules
from service.domain.errors import ClusterAway, WriteForbidden
from service.domain.spec import Document
from tests.conftest import Clock
from tests.integration.reconciler_world import (
    PORT,
    SteppingWorld,
    Story,
    assert_needs_requester,
    foreign_service,
    node_port_thief,
    without_its_port,
)
from tests.integration.test_reconciler_dropped import TWO, lose_a_change, withdraw
from tests.integration.worker_harbour import Harbour, eventually, is_live
from tests.postgres import Database

LAST, OTHER = 30040, 30008
LOCK = text("SELECT FROM port_claim WHERE cluster = 'dev' AND port = :port FOR UPDATE")


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    world = SteppingWorld(database, clock)
    world.cluster.add_namespace("team-b")
    return world


def asked(number: int) -> list[Document]:
    return [{"name": "http", "port": 80, "node_port": number}]


def put_off(world: SteppingWorld, story: Story) -> None:
    """Let a second revision be approved, of the same, that has to wait for hours."""
    start = (world.clock() + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert world.api.ann.patch(story.at, {"spec": {"not_before": start}}).status_code == 202
    story.approve(2, story.status()["pending"]["digest"])


# Whose it is.


def test_a_number_that_no_revision_needs_any_more_goes_to_the_stranger(world: SteppingWorld) -> None:
    story = world.live()
    lose_a_change(world, story)
    withdraw(world, story)
    story.post("suspend")
    world.cycle(3)
    assert world.owner(OTHER) == ("bound", "team-a/hello")
    world.cluster.add_service(node_port_thief(OTHER))
    world.later(minutes=1)
    assert (world.owner(OTHER), world.owner(PORT)) == (("foreign", "team-b/thief"), ("bound", "team-a/hello"))
    assert "port-lost" not in story.kinds()


@pytest.mark.parametrize("arrives", [False, True])
def test_a_number_of_what_has_to_wait_goes_to_the_stranger_once_nothing_may_arrive(
    world: SteppingWorld, arrives: bool
) -> None:
    story = world.approved()
    if arrives:
        world.cluster.lose_answer_of("create")
    else:
        world.cluster.refuse_next("create", WriteForbidden("no"))
    world.cycle()
    put_off(world, story)
    for _ in range(4):
        world.later(seconds=20)
    assert world.owner(PORT) == ("bound", "team-a/hello")
    world.cluster.add_service(node_port_thief())
    world.later(minutes=1)
    assert_needs_requester(world, story)


def test_a_thief_that_has_gone_takes_nothing_though_the_ledger_could_not_hear_of_it(
    world: SteppingWorld,
) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle()
    story.post("suspend")
    world.cluster.add_service(node_port_thief())
    world.cycle(2)
    world.cluster.remove("team-b", "thief")
    world.cluster.add_service(node_port_thief(LAST, "another"))
    with world.transaction() as session:  # somebody has the row that the import needs for the other one
        session.execute(LOCK, {"port": LAST})
        world.later(seconds=20)
    world.cycle(2)
    assert world.owner(PORT) == ("bound", "team-a/hello")
    assert "port-lost" not in story.kinds()


# Who is told, and how often.


def test_a_loss_is_told_once_though_a_finalizer_keeps_the_service(world: SteppingWorld) -> None:
    story = without_its_port(world)
    slow = {"finalizers": ["example.com/slow"]}
    world.cluster.hand_edit("team-a", "hello", lambda s: s["metadata"].update(slow))
    story.post("suspend")
    for _ in range(30):
        world.later(seconds=1)
    assert (story.kinds().count("port-lost"), story.kinds().count("removal-failed")) == (1, 1)


def test_a_loss_is_told_once_though_its_removal_is_refused(world: SteppingWorld) -> None:
    story = without_its_port(world)
    for _ in range(20):
        world.cluster.refuse_next("delete", WriteForbidden("no"))
    story.post("suspend")
    for _ in range(60):
        world.later(seconds=1)
    assert (story.kinds().count("port-lost"), story.kinds().count("removal-failed")) == (1, 1)


def test_a_loss_is_told_once_though_the_mode_holds_the_removal_back(world: SteppingWorld) -> None:
    story = without_its_port(world)
    world.cluster_rules = Rules(mode=Mode.UPSERT_ONLY)
    story.post("suspend")
    for _ in range(10):
        world.later(seconds=1)
    assert (story.kinds().count("port-lost"), story.kinds().count("held-back")) == (1, 1)


def test_a_loss_of_an_open_change_is_told_once_beside_drift_that_is_held_back(world: SteppingWorld) -> None:
    story = world.live()
    assert world.api.ann.patch(story.at, {"spec": {"ports": TWO}}).status_code == 202
    world.cluster_rules = Rules(mode=Mode.DRY_RUN)
    world.cluster.add_service(node_port_thief(OTHER))
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"a": "b"}))
    for _ in range(10):
        world.later(seconds=1)
    assert (story.kinds().count("port-lost"), story.kinds().count("held-back")) == (1, 1)


def test_a_suspension_tells_no_loss_again(world: SteppingWorld) -> None:
    story = without_its_port(world)
    story.post("suspend")
    for _ in range(5):
        world.later(seconds=1)
    assert world.is_gone(story)
    assert story.kinds().count("port-lost") == 1
    assert story.condition("Allocated") == ("False", "NodePortTaken")


@pytest.mark.parametrize("suspends", [False, True])
def test_what_only_an_open_change_lacked_is_said_no_more_once_that_is_withdrawn(
    world: SteppingWorld, suspends: bool
) -> None:
    story = world.live()
    assert world.api.ann.patch(story.at, {"spec": {"ports": TWO}}).status_code == 202
    world.cluster.add_service(node_port_thief(OTHER))
    world.cycle(2)
    if suspends:
        story.post("suspend")
        world.cycle(3)
    assert story.condition("Allocated") == ("False", "NodePortTaken")
    withdraw(world, story)
    world.cycle(3)
    assert story.condition("Allocated") == ("True", "InLedger")
    assert story.condition("Applied") == (("False", "Removed") if suspends else ("True", "InSync"))
    assert world.record(story).sync.reason is None


# What it costs.


def test_conflicts_that_last_keep_nobody_waiting(harbour: Harbour) -> None:
    world, cluster = harbour.world, harbour.world.cluster
    cluster.add_namespace("team-b")
    harbour.start(poll_seconds=0.5)
    for name, number in (("first", 30007), ("second", 30008)):
        story = world.request(name, ports=asked(number)).approve()
        eventually(is_live(story))
        cluster.node_ports.taken.discard(number)  # the cluster gives it out a second time
        cluster.add_service(node_port_thief(number, f"thief-of-{name}"))
    cluster.add_service(foreign_service("nobodys"))
    cluster.hand_edit("team-a", "first", lambda s: s["metadata"].update(labels={"by": "hand"}))
    before = len(cluster.calls)
    other = world.request("other", ports=asked(30035)).approve()
    eventually(is_live(other), 5)
    eventually(lambda: len(cluster.calls) > before)
    reads = sum(call.method == "service" for call in cluster.calls[before:])
    assert reads < 60
