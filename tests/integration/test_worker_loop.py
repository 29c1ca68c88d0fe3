"""The worker as a whole: its threads, its wake-ups, what it survives."""

import threading
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest
import yaml
from sqlalchemy import text

from service.cluster.gateway import Gateway, Kind
from service.domain.errors import ClusterAway, NamespaceMissing
from service.store import policies
from service.store.database import wake
from tests.integration.reconciler_world import Cluster, node_port_thief
from tests.integration.worker_harbour import (
    DEADLINE_SECONDS,
    LONG_POLL,
    SOON_SECONDS,
    Harbour,
    eventually,
    is_live,
    settled,
)

SHIPPED = Path(__file__).parents[2] / "service/policies/target-ports.yaml"


def test_word_of_an_approval_brings_the_service_long_before_the_poll(harbour: Harbour) -> None:
    harbour.start()
    settled(harbour)
    story = harbour.approved()
    eventually(is_live(story), SOON_SECONDS)


def test_word_of_a_delete_takes_it_away_long_before_the_poll(harbour: Harbour) -> None:
    harbour.start()
    settled(harbour)
    story = harbour.approved()
    eventually(is_live(story), SOON_SECONDS)
    story.delete()
    eventually(lambda: story.status()["state"] == "Ended", SOON_SECONDS)


def test_without_any_word_the_poll_makes_sure(harbour: Harbour) -> None:
    harbour.start(poll_seconds=0.2)
    settled(harbour)
    story = harbour.approved()
    eventually(is_live(story))
    harbour.world.cluster.remove("team-a", "hello")
    eventually(lambda: not harbour.world.is_gone(story))


def test_a_cluster_that_has_news_all_the_time_keeps_nothing_waiting(harbour: Harbour) -> None:
    cluster = harbour.world.cluster
    cluster.add_namespace("team-b")
    cluster.add_service(node_port_thief(30020))
    harbour.start(poll_seconds=0.3)
    settled(harbour)
    is_over = threading.Event()

    def change_all_the_time() -> None:
        for number in count():
            labels = {"number": str(number)}
            cluster.hand_edit("team-b", "thief", lambda s, new=labels: s["metadata"].update(labels=new))
            if is_over.wait(0.05):
                return

    busy = threading.Thread(target=change_all_the_time)
    busy.start()
    try:
        cluster.refuse_next("create", NamespaceMissing("not now"))
        story = harbour.approved()
        eventually(is_live(story), 5 * SOON_SECONDS)  # no word tells that the rest after a failure is over
    finally:
        is_over.set()
        busy.join()


def test_word_of_the_cluster_itself_is_heard_long_before_the_poll(harbour: Harbour) -> None:
    harbour.start()
    settled(harbour)
    story = harbour.approved()
    eventually(is_live(story), SOON_SECONDS)
    harbour.world.cluster.remove("team-a", "hello")
    eventually(lambda: not harbour.world.is_gone(story), SOON_SECONDS)


def test_a_node_address_that_changes_is_in_every_access_within_a_second(harbour: Harbour) -> None:
    harbour.world.cluster.add_node("node-1", "192.0.2.10")
    harbour.start()
    settled(harbour)
    stories = [harbour.approved(name=name) for name in ("a", "b", "c")]
    for story in stories:
        eventually(is_live(story))

    harbour.world.cluster.add_node("node-1", "192.0.2.99")
    eventually(lambda: all("192.0.2.99:" in str(story.status()["access"]) for story in stories), 1.0)


def test_a_forbidden_number_behind_a_name_suspends_within_a_second(harbour: Harbour) -> None:
    world = harbour.world
    rule = yaml.safe_load(SHIPPED.read_text())
    with world.transaction() as session:
        made = policies.add(session, rule["name"], rule, {"person": "pia"}, world.now())
        policies.activate(session, made.name, made.version, {"person": "pat"}, world.now())
    harbour.start()
    settled(harbour)
    story = world.request(ports=[{"port": 80, "target_port": "http"}]).approve()
    eventually(is_live(story))

    world.cluster.add_endpoints("team-a", "hello", named_port=22)
    eventually(lambda: story.status()["state"] == "Suspended", 1.0)


def test_a_foreign_service_is_in_the_ledger_long_before_the_poll(harbour: Harbour) -> None:
    cluster = harbour.world.cluster
    cluster.add_namespace("team-b")
    harbour.start()
    settled(harbour)
    cluster.add_service(node_port_thief(30020))
    eventually(lambda: harbour.world.claimed(30020) == "foreign", SOON_SECONDS)
    cluster.remove("team-b", "thief")
    eventually(lambda: harbour.world.claimed(30020) == "free", SOON_SECONDS)


def test_however_often_it_looks_each_kind_is_listed_once(harbour: Harbour) -> None:
    harbour.start(poll_seconds=0.05)
    settled(harbour)
    story = harbour.approved()
    eventually(is_live(story))

    seen = views(harbour)
    eventually(lambda: views(harbour) > seen)
    listing = sorted(c.method for c in harbour.world.cluster.calls if c.method.startswith(("list", "watch")))
    assert listing == sorted(f"{verb} {kind}" for verb in ("list", "watch") for kind in Kind)


def test_nothing_is_repeated_while_the_watch_is_broken(harbour: Harbour) -> None:
    cluster = harbour.world.cluster
    cluster.after_next_create(cluster.drop_watches)
    harbour.start(poll_seconds=0.05)
    settled(harbour)
    story = harbour.approved()
    eventually(is_live(story))
    seen = views(harbour)
    eventually(lambda: views(harbour) > seen)
    assert [call.method for call in cluster.writes()] == ["create"]


def views(harbour: Harbour) -> datetime:
    """Return when a worker has looked at the first cluster last."""
    with harbour.world.transaction() as session:
        seen: datetime = session.execute(text("SELECT seen_at FROM cluster_view")).scalar_one()
    return seen


def test_after_an_action_it_looks_again_soon_for_the_new_endpoints(harbour: Harbour) -> None:
    harbour.start()
    settled(harbour)
    story = harbour.approved()
    harbour.world.cluster.add_endpoints("team-a", "hello")
    eventually(lambda: story.status()["state"] == "Active", SOON_SECONDS)


def test_a_cluster_that_is_added_later_gets_its_thread_too(harbour: Harbour) -> None:
    other = Cluster()
    other.add_namespace("team-a")
    harbour.gateways["other"] = lambda: other
    harbour.start()
    settled(harbour)
    harbour.add_cluster("second", "other")
    story = harbour.approved("second")  # word for a cluster that is not known yet
    eventually(is_live(story), SOON_SECONDS)
    assert [call.method for call in other.writes()] == ["create"]
    assert harbour.world.written() == []


def test_a_cluster_that_is_added_without_word_is_found(brisk: Harbour) -> None:
    other = Cluster()
    brisk.gateways["other"] = lambda: other
    brisk.start()
    settled(brisk)
    brisk.add_cluster("second", "other")
    eventually(lambda: other.calls)


def test_a_changed_context_is_opened_anew(brisk: Harbour) -> None:
    other = Cluster()
    other.add_namespace("team-a")
    brisk.gateways["other"] = lambda: other
    brisk.start(poll_seconds=0.1)
    settled(brisk)
    brisk.add_cluster("dev", "other")
    eventually(lambda: other.calls)
    story = brisk.approved()
    eventually(is_live(story))
    assert [call.method for call in other.writes()] == ["create"]


def test_it_survives_the_end_of_its_listening_connection(harbour: Harbour) -> None:
    harbour.start()
    settled(harbour)
    assert harbour.cut("LISTEN%") == 1
    eventually(lambda: harbour.listeners() == 1)
    story = harbour.approved()
    eventually(is_live(story), SOON_SECONDS)


def test_it_survives_the_end_of_all_its_connections(harbour: Harbour) -> None:
    harbour.start(poll_seconds=0.1)
    settled(harbour)
    story = harbour.approved()
    for number in range(3):
        harbour.cut("%")
        eventually(lambda: harbour.listeners() >= 1)
        harbour.approved(name=f"n{number}")
    eventually(is_live(story))
    eventually(lambda: len(harbour.world.cluster.writes()) >= 4)
    assert {call.method for call in harbour.world.cluster.writes()} == {"create"}


def test_connections_that_end_in_the_middle_of_a_create_make_no_second_service(harbour: Harbour) -> None:
    harbour.world.cluster.after_next_create(lambda: harbour.cut("%"))
    harbour.start(poll_seconds=0.1)
    settled(harbour)
    story = harbour.approved()
    eventually(is_live(story))
    assert [call.method for call in harbour.world.cluster.writes()] == ["create"]
    assert story.kinds().count("live") == 1


@pytest.mark.parametrize("poll_seconds", [0.1, LONG_POLL])
def test_it_stops_at_once_whatever_the_poll(harbour: Harbour, poll_seconds: float) -> None:
    running = harbour.start(poll_seconds)
    settled(harbour)
    assert running.stop() < 1.5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("cluster-")]


def test_a_stop_waits_for_what_is_being_done(harbour: Harbour) -> None:
    entered, release = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        release.wait(DEADLINE_SECONDS)

    harbour.world.cluster.before_next("create", hold)
    running = harbour.start()
    settled(harbour)
    story = harbour.approved()
    assert entered.wait(DEADLINE_SECONDS)
    stopper = threading.Thread(target=running.stop)
    stopper.start()
    release.set()
    stopper.join()
    assert story.condition("Applied") == ("True", "InSync")


def test_a_cluster_that_cannot_be_opened_is_told_and_stops_no_other(harbour: Harbour) -> None:
    def refuse() -> Gateway:
        raise ClusterAway("kubeconfig, context lost: there is no such context")

    harbour.gateways["lost"] = refuse
    harbour.add_cluster("second", "lost")
    harbour.start(poll_seconds=0.2)
    lost, story = harbour.approved("second"), harbour.approved()
    eventually(is_live(story))
    eventually(lambda: lost.condition("Applied") == ("Unknown", "ClusterAway"))
    assert "no such context" in lost.message()
    eventually(lambda: harbour.opened["lost"] >= 3)
    other = Cluster()
    other.add_namespace("team-a")
    harbour.gateways["lost"] = lambda: other
    eventually(is_live(lost))


def test_a_cluster_that_fails_unexpectedly_or_hangs_stops_no_other(harbour: Harbour) -> None:
    release = threading.Event()

    def hang() -> Gateway:
        release.wait(DEADLINE_SECONDS)
        raise ClusterAway("too late")

    def fail() -> Gateway:
        raise ZeroDivisionError("a fault of ours")

    harbour.gateways |= {"hangs": hang, "fails": fail}
    harbour.add_cluster("second", "hangs")
    harbour.add_cluster("third", "fails")
    harbour.start(poll_seconds=0.1)
    try:
        eventually(lambda: harbour.opened["hangs"] >= 1 and harbour.opened["fails"] >= 2)
        story = harbour.approved()
        eventually(is_live(story), SOON_SECONDS)
    finally:
        release.set()


def test_a_word_with_a_strange_name_does_no_harm(harbour: Harbour) -> None:
    harbour.start()
    settled(harbour)
    with harbour.world.transaction() as session:
        wake(session, "no such cluster")
    story = harbour.approved()
    eventually(is_live(story), SOON_SECONDS)
