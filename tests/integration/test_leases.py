"""Leases on a real PostgreSQL: who takes, who gives, and what a worker that stood still may not do."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import text

from service.cluster.gateway import CALL_TIMEOUT_SECONDS
from service.domain.errors import LeaseLost
from service.domain.ports import Pool
from service.reconciler.leases import Lease, Leases, Round, fenced
from service.store import identities, sync
from service.store.identities import Cluster
from tests.conftest import Clock
from tests.integration.reconciler_world import Looker, ReconcilerWorld
from tests.postgres import Database

SMALL = Pool(30000, 30000)


class Worker:
    """The leases of one worker, on a monotonic clock that a test lets go on."""

    def __init__(self, database: Database, token: str) -> None:
        self.token, self.seconds = token, 100.0
        self.database = database
        self.leases = Leases(database.transaction, lambda: self.seconds, token)

    def round(self) -> Round:
        """Look at the leases once, and hand back at once what others are to have."""
        found = self.leases.renew()
        if found.hand_back:
            self.leases.hand_back(found.hand_back)
        return found

    def lease(self, cluster: str = "dev") -> Lease:
        """Return the lease of a cluster that it holds."""
        return self.leases.renew().held[cluster][1]

    def falls_silent(self) -> None:
        """Let its time be over, as if it had said nothing for eight seconds."""
        with self.database.transaction() as session:
            for statement in (
                "UPDATE lease SET until = until - interval '8 s' WHERE holder = :token",
                "UPDATE worker SET seen_at = seen_at - interval '8 s' WHERE token = :token",
            ):
                session.execute(text(statement), {"token": self.token})


class Harbour:
    """Some clusters, and the workers that keep them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock

    def add_clusters(self, count: int) -> None:
        with self.database.transaction() as session:
            for number in range(count):
                identities.put_cluster(session, Cluster(f"c{number}", None, SMALL), self.clock())

    def worker(self, token: str) -> Worker:
        return Worker(self.database, token)

    def held(self) -> dict[str, str]:
        """Return each cluster with who holds it now."""
        with self.database.transaction() as session:
            rows = session.execute(
                text("SELECT cluster, holder FROM lease WHERE until > clock_timestamp() ORDER BY cluster")
            )
            return {row.cluster: row.holder for row in rows}

    def shares(self) -> list[int]:
        return sorted(Counter(self.held().values()).values(), reverse=True)


@pytest.fixture
def harbour(database: Database, clock: Clock) -> Harbour:
    return Harbour(database, clock)


def test_three_workers_keep_seven_clusters_and_whoever_comes_or_goes_gets_a_fair_share(
    harbour: Harbour,
) -> None:
    harbour.add_clusters(7)
    a, b, c = workers = [harbour.worker(token) for token in "abc"]
    a.round()
    assert harbour.shares() == [7]

    for worker in (b, c, a, b, c):
        worker.round()
    assert harbour.shares() == [3, 2, 2]

    before = harbour.held()
    for worker in workers * 3:
        worker.round()
    assert harbour.held() == before, "what is balanced stays where it is"

    b.leases.leave()
    for worker in (a, c):
        worker.round()
    assert harbour.shares() == [4, 3]

    c.falls_silent()
    a.round()
    assert harbour.held() == dict.fromkeys((f"c{number}" for number in range(7)), "a")


def test_of_many_that_reach_for_the_same_clusters_each_cluster_goes_to_one(harbour: Harbour) -> None:
    harbour.add_clusters(5)
    ready = Barrier(5)

    def come(token: str) -> frozenset[str]:
        worker = harbour.worker(token)
        ready.wait()
        return frozenset(worker.leases.renew().held)

    with ThreadPoolExecutor(5) as pool:
        taken = list(pool.map(come, "abcde"))

    assert sum(map(len, taken)) == len(frozenset().union(*taken))
    assert {cluster: token for token, its in zip("abcde", taken, strict=True) for cluster in its} == (
        harbour.held()
    )


def test_nobody_takes_what_is_held(harbour: Harbour) -> None:
    harbour.add_clusters(1)
    harbour.worker("a").round()
    assert harbour.worker("b").round().held == {}


def test_who_waits_for_a_lease_looks_again_when_it_is_over_and_not_later(harbour: Harbour) -> None:
    harbour.add_clusters(1)
    harbour.worker("a").round()
    assert harbour.worker("b").round().next_in == 2.0
    with harbour.database.transaction() as session:
        session.execute(text("UPDATE lease SET until = clock_timestamp() + interval '1 s'"))
    assert 0.8 < harbour.worker("b").round().next_in < 1.05


def test_a_lease_that_nobody_took_meanwhile_is_ours_still(harbour: Harbour) -> None:
    harbour.add_clusters(1)
    a = harbour.worker("a")
    lease = a.lease("c0")
    a.falls_silent()
    assert a.lease("c0") is lease
    assert lease.allows_call()


def test_a_lease_that_another_took_is_over_for_ever(harbour: Harbour) -> None:
    harbour.add_clusters(1)
    a, b = harbour.worker("a"), harbour.worker("b")
    lease = a.lease("c0")
    a.falls_silent()
    b.round()
    assert a.round().held == {}
    assert lease.is_over()

    b.leases.leave()
    assert a.lease("c0") is not lease


def test_a_commit_whose_answer_was_lost_is_found_again(harbour: Harbour) -> None:
    harbour.add_clusters(1)
    a = harbour.worker("a")
    a.round()
    again = Leases(harbour.database.transaction, lambda: 0.0, "a")
    assert list(again.renew().held) == ["c0"]


def test_a_call_is_begun_only_while_it_can_end_before_the_lease(harbour: Harbour) -> None:
    harbour.add_clusters(1)
    a = harbour.worker("a")
    lease = a.lease("c0")
    assert lease.allows_call()
    a.seconds += 8 - CALL_TIMEOUT_SECONDS - 1 - 0.01
    assert lease.allows_call()
    a.seconds += 0.02
    assert not lease.allows_call()
    a.round()
    assert lease.allows_call()


def test_a_renewal_counts_from_before_it_was_sent(harbour: Harbour) -> None:
    harbour.add_clusters(1)
    moments = iter([100.0, 103.1, 103.1])
    leases = Leases(harbour.database.transaction, lambda: next(moments), "a")
    lease = leases.renew().held["c0"][1]
    assert not lease.allows_call()


def test_a_worker_that_says_nothing_for_an_hour_is_forgotten(harbour: Harbour) -> None:
    harbour.worker("a").round()
    with harbour.database.transaction() as session:
        session.execute(text("UPDATE worker SET seen_at = seen_at - interval '61 min'"))
    harbour.worker("b").round()
    with harbour.database.transaction() as session:
        assert session.scalars(text("SELECT token FROM worker")).all() == ["b"]


# One that stood still.


class Frozen:
    """Two workers on one cluster: the first stands still at some instruction, the second takes over."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.world = ReconcilerWorld(database, clock)
        self.old, self.new = Worker(database, "old"), Worker(database, "new")

    def looker(self, worker: Worker) -> Looker:
        lease = worker.lease()
        edge = replace(self.world.edge, transaction=fenced(self.world.transaction, lease))
        return Looker(self.world.cluster, edge, lease)

    def take_over(self) -> None:
        """Let time pass for the old one until the new one has the lease and has looked."""
        self.old.seconds += 20
        self.old.falls_silent()
        self.looker(self.new).look()


@pytest.fixture
def frozen(database: Database, clock: Clock) -> Frozen:
    return Frozen(database, clock)


def test_who_stood_still_before_a_change_does_not_make_it(frozen: Frozen) -> None:
    world = frozen.world
    story = world.live()
    world.cluster.hand_edit("team-a", "hello", lambda service: service["spec"].update(selector={"a": "b"}))
    old = frozen.looker(frozen.old)
    world.cluster.before_next("service", frozen.take_over)  # the read right before the write

    old.look()

    assert world.written() == ["replace"], "the new holder's"
    assert story.condition("Applied") == ("True", "InSync")
    assert story.kinds().count("drift-healed") == 1


@pytest.mark.parametrize("what", ["create", "delete"])
def test_who_stood_still_after_a_look_does_nothing(frozen: Frozen, what: str) -> None:
    world = frozen.world
    story = world.approved() if what == "create" else world.live()
    if what == "delete":
        story.delete()
    old = frozen.looker(frozen.old)
    world.cluster.before_next("list nodes", frozen.take_over)

    with pytest.raises(LeaseLost):
        old.look()

    assert world.written() == [what], "the new holder's"
    assert "apply-failed" not in story.kinds()


def test_what_a_late_answer_says_is_not_written_down(frozen: Frozen) -> None:
    world = frozen.world
    story = world.approved()
    old = frozen.looker(frozen.old)
    world.cluster.after_next_create(frozen.take_over)

    old.look()

    assert world.written() == ["create"]
    assert story.condition("Applied") == ("True", "InSync")
    assert story.kinds().count("live") == 1
    assert world.record(story).sync.uid == world.service(story)["metadata"]["uid"]


def test_a_create_that_arrives_after_all_is_removed_by_the_next_holder(frozen: Frozen, clock: Clock) -> None:
    world = frozen.world
    story = world.approved()
    old = frozen.looker(frozen.old)
    world.cluster.before_next("create", lambda: (story.delete(), frozen.take_over()))
    old.look()
    assert not world.is_gone(story)
    assert story.status()["state"] == "Ending", "the new holder knows that it may arrive"

    clock.advance(seconds=16)
    new = frozen.looker(frozen.new)
    assert [new.look(), new.look()] == [1, 1]

    assert world.is_gone(story)
    assert world.written() == ["create", "delete"]
    assert story.status()["state"] == "Ended"


@pytest.mark.parametrize("hand", [sync.record_view, sync.record_unreadable])
def test_what_a_holder_of_before_saw_of_a_cluster_is_not_written_down(
    frozen: Frozen, hand: Callable[..., None]
) -> None:
    world = frozen.world
    transaction = fenced(world.transaction, frozen.old.lease())
    frozen.take_over()
    with pytest.raises(LeaseLost), transaction() as session:
        hand(session, "dev", ("203.0.113.9",) if hand is sync.record_view else "away", world.now())
    with world.transaction() as session:
        view = session.execute(text("SELECT node_addresses, problem FROM cluster_view")).one()
    assert view == (["192.0.2.10"], None)
