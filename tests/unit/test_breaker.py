"""A cluster that answers nobody is left alone for a while."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from threading import Barrier, Event, Lock
from time import sleep
from typing import NoReturn

import pytest

from service.cluster.gateway import Kind
from service.domain.errors import ClusterAway, ClusterError, NotSent, WebhookFailed, WriteForbidden
from service.domain.spec import Document
from service.reconciler.breaker import CALLS, FAILURES, Breaker, begins_until
from service.reconciler.edge import Edge
from tests.builders import NOON
from tests.contract.builders import make_service
from tests.fakes import FakeCluster
from tests.judges import a_judge


class Ticking:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


def make_breaker(cluster: FakeCluster, clock: Ticking) -> Breaker:
    def no_transaction() -> NoReturn:
        raise AssertionError("a breaker has nothing to do in the database")

    edge = Edge(no_transaction, lambda: NOON, clock, Random(3).randbytes, timedelta(0), a_judge())
    return Breaker(cluster, edge)


@pytest.fixture
def breaker(cluster: FakeCluster, clock: Ticking) -> Breaker:
    return make_breaker(cluster, clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ClusterAway):
            breaker.service("shop", "web")


def test_after_several_failures_in_a_row_nothing_is_sent(cluster: FakeCluster, breaker: Breaker) -> None:
    cluster.away = True
    fail(breaker, FAILURES)
    sent = len(cluster.calls)
    with pytest.raises(ClusterAway, match=r"5 calls in a row got no answer.*away"):
        breaker.list(Kind.SERVICES)
    assert (breaker.is_open(), len(cluster.calls)) == (True, sent)


def test_an_answer_in_between_begins_the_count_anew(cluster: FakeCluster, breaker: Breaker) -> None:
    cluster.away = True
    fail(breaker, FAILURES - 1)
    cluster.away = False
    breaker.service("shop", "web")
    cluster.away = True
    fail(breaker, FAILURES - 1)
    assert not breaker.is_open()


@pytest.mark.parametrize("refusal", [WriteForbidden, WebhookFailed])
def test_a_refusal_is_an_answer(cluster: FakeCluster, breaker: Breaker, refusal: type[ClusterError]) -> None:
    cluster.away = True
    fail(breaker, FAILURES - 1)
    cluster.away = False
    cluster.refuse_next("service", refusal("no"))
    with pytest.raises(refusal):
        breaker.service("shop", "web")
    cluster.away = True
    fail(breaker, FAILURES - 1)
    assert not breaker.is_open()


def test_after_its_pause_one_call_tries_and_its_answer_closes_it(
    cluster: FakeCluster, breaker: Breaker, clock: Ticking
) -> None:
    cluster.away = True
    fail(breaker, FAILURES)
    clock.now += 1.01
    assert not breaker.is_open()
    cluster.away = False
    assert breaker.service("shop", "web") is None
    cluster.away = True
    fail(breaker, 1)
    assert not breaker.is_open()


def test_pauses_grow_up_to_a_cap(cluster: FakeCluster, breaker: Breaker, clock: Ticking) -> None:
    cluster.away = True
    fail(breaker, FAILURES)
    pauses = []
    for _ in range(9):
        begun = clock.now
        while breaker.is_open():
            clock.now += 0.25
        pauses.append(clock.now - begun)
        fail(breaker, 1)
    assert pauses[0] <= 1.25
    assert 15 <= pauses[-1] <= 30.25


def test_no_more_calls_than_it_allows_are_under_way_at_a_time(cluster: FakeCluster, breaker: Breaker) -> None:
    under_way, most, lock = [0], [0], Lock()

    def stay_a_while() -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        sleep(0.01)
        with lock:
            under_way[0] -= 1

    for _ in range(4 * CALLS):
        cluster.before_next("service", stay_a_while)
    with ThreadPoolExecutor(3 * CALLS) as threads:
        for _ in range(4 * CALLS):
            threads.submit(breaker.service, "shop", "web")
    assert most == [CALLS]


def test_who_has_waited_too_long_for_a_turn_sends_nothing(clock: Ticking) -> None:
    free, are_all_in = Event(), Barrier(CALLS + 1)

    class Slow(FakeCluster):
        def service(self, namespace: str, name: str) -> Document | None:
            are_all_in.wait(10)
            free.wait(10)
            return super().service(namespace, name)

    cluster = Slow()
    breaker, latest = make_breaker(cluster, clock), clock.now + 8

    def late() -> None:
        with begins_until(latest):
            breaker.create(make_service("shop"))

    with ThreadPoolExecutor(CALLS + 1) as pool:
        slow = [pool.submit(breaker.service, "shop", "web") for _ in range(CALLS)]
        are_all_in.wait(10)
        waiting = pool.submit(late)
        clock.now += 9
        free.set()
        with pytest.raises(NotSent):
            waiting.result(10)
        assert [each.result(10) for each in slow] == [None] * CALLS
    assert [call.method for call in cluster.calls if call.method == "create"] == []
    assert not breaker.is_open()
