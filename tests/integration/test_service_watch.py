"""List and watch in a thread of its own: what it survives, how soon it tells, and that it ends."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import pytest

from service.cluster.gateway import Change, ChangeKind, Kind, Listing
from service.domain.errors import ClusterAway, ListTooOld, WriteForbidden
from service.domain.plan import Ref
from service.reconciler.cache import ClusterCache
from service.reconciler.edge import Edge
from service.reconciler.watch import LIST_SECONDS, Watch
from tests.contract.builders import make_service
from tests.fakes import FakeCluster
from tests.integration.worker_harbour import eventually
from tests.judges import a_judge

WEB = Ref("shop", "web")
SOON_SECONDS = 1.0


def no_transaction() -> NoReturn:
    raise AssertionError("a watch has nothing to do in the database")


def make_edge(monotonic: Callable[[], float]) -> Edge:
    chance = random.Random(7)
    return Edge(
        no_transaction, lambda: datetime.now(UTC), monotonic, chance.randbytes, timedelta(0), a_judge()
    )


class Watching:
    """A watch at work."""

    def __init__(self, cluster: FakeCluster, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.cache = ClusterCache("dev")
        self.woken = threading.Event()
        for kind in (Kind.ENDPOINT_SLICES, Kind.NODES):
            self.cache.relisted(kind, Listing([], "0"))
        self._watch = Watch(Kind.SERVICES, cluster, self.cache, make_edge(monotonic), self.woken.set)
        self._thread = threading.Thread(target=self._watch.run)
        self._thread.start()

    def knows(self, *refs: Ref) -> Callable[[], bool]:
        """Return whether these Services are known, and no others."""

        def look() -> bool:
            try:
                known = self.cache.look()
            except ClusterAway:
                return False
            return known is not None and set(known.services) == set(refs)

        return look

    def is_away(self) -> bool:
        """Return whether the cluster counts as away."""
        try:
            self.cache.look()
        except ClusterAway:
            return True
        return False

    def stop(self) -> float:
        """Stop it; return how many seconds that took."""
        begun = time.monotonic()
        self._watch.stop()
        self._thread.join(10)
        assert not self._thread.is_alive(), "it does not stop"
        return time.monotonic() - begun


@contextmanager
def watching(cluster: FakeCluster, monotonic: Callable[[], float] = time.monotonic) -> Iterator[Watching]:
    found = Watching(cluster, monotonic)
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster()
    cluster.add_namespace("shop")
    return cluster


def lists(cluster: FakeCluster) -> int:
    return sum(call.method == "list services" for call in cluster.calls)


def test_what_there_was_and_what_comes_is_known_with_one_list(cluster: FakeCluster) -> None:
    cluster.add_service(make_service("shop", "first"))
    with watching(cluster) as watch:
        eventually(watch.knows(Ref("shop", "first")), SOON_SECONDS)
        cluster.add_service(make_service("shop"))
        eventually(watch.knows(Ref("shop", "first"), WEB), SOON_SECONDS)
        cluster.remove("shop", "first")
        eventually(watch.knows(WEB), SOON_SECONDS)
    assert lists(cluster) == 1


def test_the_list_and_each_difference_wake(cluster: FakeCluster) -> None:
    with watching(cluster) as watch:
        assert watch.woken.wait(SOON_SECONDS)
        eventually(watch.knows())
        watch.woken.clear()
        cluster.add_service(make_service("shop"))
        assert watch.woken.wait(SOON_SECONDS)


def test_a_dropped_connection_goes_on_where_it_was_without_a_list(cluster: FakeCluster) -> None:
    with watching(cluster) as watch:
        eventually(watch.knows())
        cluster.drop_watches()
        cluster.add_service(make_service("shop"))
        eventually(watch.knows(WEB), 2 * SOON_SECONDS)
    assert lists(cluster) == 1


def test_a_dropped_connection_goes_on_from_the_last_bookmark() -> None:
    class Noting(FakeCluster):
        def __init__(self) -> None:
            super().__init__()
            self.begun: list[str] = []
            self.taken: list[Change] = []

        def watch(
            self, kind: Kind, since: str, seconds: int, stopping: Callable[[], bool]
        ) -> Iterator[Change]:
            self.begun.append(since)
            for change in super().watch(kind, since, seconds, stopping):
                yield change
                self.taken.append(change)  # who asks for the next one has this one

    noting = Noting()
    with watching(noting) as watch:
        eventually(watch.knows())
        eventually(lambda: len(noting.begun) == 1)
        noting.bookmark()
        eventually(lambda: len(noting.taken) == 1)
        noting.drop_watches()
        eventually(lambda: len(noting.begun) == 2, 2 * SOON_SECONDS)
    [bookmark] = noting.taken
    assert (bookmark.kind, bookmark.resource_version) == (ChangeKind.BOOKMARK, noting.begun[1])
    assert (noting.begun[0] != noting.begun[1], lists(noting)) == (True, 1)


def test_what_a_watch_has_missed_is_listed_when_its_time_is_over() -> None:
    class Deaf(FakeCluster):
        asked_seconds = 0
        passed = 0.0

        def watch(
            self, kind: Kind, since: str, seconds: int, stopping: Callable[[], bool]
        ) -> Iterator[Change]:
            self.asked_seconds = seconds
            for _ in super().watch(kind, since, 2, stopping):
                yield from ()  # it is told nothing
            self.passed += seconds

    deaf = Deaf()
    deaf.add_namespace("shop")
    with watching(deaf, lambda: time.monotonic() + deaf.passed) as watch:
        eventually(watch.knows(), SOON_SECONDS)
        deaf.add_service(make_service("shop"))
        eventually(watch.knows(WEB), 4 * SOON_SECONDS)
    assert lists(deaf) == 2
    assert LIST_SECONDS[0] <= deaf.asked_seconds <= LIST_SECONDS[1]


def test_a_watch_that_always_breaks_is_listed_when_its_time_is_over() -> None:
    class Breaking(FakeCluster):
        passed = 0.0

        def watch(
            self, kind: Kind, since: str, seconds: int, stopping: Callable[[], bool]
        ) -> Iterator[Change]:
            yield Change(ChangeKind.BOOKMARK, {"metadata": {"resourceVersion": since}})
            self.passed += 100
            raise ClusterAway("the connection broke")

    breaking = Breaking()
    breaking.add_namespace("shop")
    with watching(breaking, lambda: time.monotonic() + breaking.passed) as watch:
        eventually(watch.knows(), SOON_SECONDS)
        breaking.add_service(make_service("shop"))
        eventually(watch.knows(WEB), 5 * SOON_SECONDS)


def test_a_silent_watch_is_no_fault_and_the_next_one_goes_on_without_a_list(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Silent(FakeCluster):
        def __init__(self) -> None:
            super().__init__()
            self.since: list[str] = []

        def watch(
            self, kind: Kind, since: str, seconds: int, stopping: Callable[[], bool]
        ) -> Iterator[Change]:
            self.since.append(since)
            yield from super().watch(kind, since, 2, stopping)  # and ends by itself, long before its time

    silent = Silent()
    silent.add_namespace("shop")
    with watching(silent) as watch:
        eventually(lambda: len(silent.since) == 2, 4 * SOON_SECONDS)
        assert not watch.is_away()
        silent.add_service(make_service("shop"))
        eventually(watch.knows(WEB), SOON_SECONDS)
    assert lists(silent) == 1
    assert len(set(silent.since)) == 1
    assert caplog.records == []


def test_a_forgotten_version_is_listed_again(cluster: FakeCluster) -> None:
    with watching(cluster) as watch:
        eventually(watch.knows())
        cluster.add_service(make_service("shop"))
        cluster.forget_changes()
        eventually(watch.knows(WEB), 2 * SOON_SECONDS)
        eventually(lambda: lists(cluster) == 2, 2 * SOON_SECONDS)
        assert not watch.is_away()


def test_a_cluster_that_does_not_come_back_is_away_until_it_does(cluster: FakeCluster) -> None:
    with watching(cluster) as watch:
        eventually(watch.knows())
        watch.woken.clear()
        cluster.away = True
        eventually(watch.is_away, 3 * SOON_SECONDS)
        assert watch.woken.is_set()
        cluster.away = False
        eventually(watch.knows(), 5 * SOON_SECONDS)


def test_pauses_grow_while_a_cluster_is_away(cluster: FakeCluster) -> None:
    cluster.away = True
    with watching(cluster) as watch:
        eventually(watch.is_away, SOON_SECONDS)
        eventually(lambda: lists(cluster) >= 3, 5 * SOON_SECONDS)
        begun, so_far = time.monotonic(), lists(cluster)
        eventually(lambda: lists(cluster) > so_far, 5 * SOON_SECONDS)
    assert time.monotonic() - begun > 0.9  # the fourth pause: 2 to 4 s, and some of the third


def test_a_right_that_is_missing_is_told(cluster: FakeCluster) -> None:
    cluster.refuse_next("list services", WriteForbidden("services is forbidden: no right to list"))
    with watching(cluster) as watch:
        eventually(watch.is_away, SOON_SECONDS)
        with pytest.raises(ClusterAway, match="no right to list"):
            watch.cache.look()
        eventually(watch.knows(), 3 * SOON_SECONDS)


def test_a_fault_of_ours_does_not_end_it(cluster: FakeCluster) -> None:
    cluster.refuse_next("list services", ZeroDivisionError("a fault of ours"))
    with watching(cluster) as watch:
        eventually(watch.knows(), 3 * SOON_SECONDS)


def test_a_watch_that_ends_at_once_makes_no_hot_loop(cluster: FakeCluster) -> None:
    class Ending(FakeCluster):
        def watch(
            self, kind: Kind, since: str, seconds: int, stopping: Callable[[], bool]
        ) -> Iterator[Change]:
            self._enter("watch")
            return iter(())

    ending = Ending()
    with watching(ending) as watch:
        eventually(watch.is_away, 3 * SOON_SECONDS)
    assert len(ending.calls) < 10


def test_it_ends_at_once_though_nothing_happens(cluster: FakeCluster) -> None:
    watch = Watching(cluster)
    eventually(watch.knows())
    assert watch.stop() < 0.5


def test_it_ends_at_once_in_a_pause(cluster: FakeCluster) -> None:
    cluster.away = True
    watch = Watching(cluster)
    eventually(lambda: lists(cluster) >= 3, 5 * SOON_SECONDS)
    assert watch.stop() < 0.5


def test_a_server_that_forgets_faster_than_it_can_be_listed_is_told_of(cluster: FakeCluster) -> None:
    for _ in range(2):
        cluster.refuse_next("list services", ListTooOld("the continue token is too old"))
    with watching(cluster) as watch:
        eventually(watch.is_away, 3 * SOON_SECONDS)
        eventually(watch.knows(), 5 * SOON_SECONDS)
