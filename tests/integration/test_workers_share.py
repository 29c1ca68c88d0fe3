"""Workers that share the clusters: they come, go, and follow what the platform changes meanwhile."""

import threading
import time
from collections import Counter

import pytest
from sqlalchemy import text

from tests.integration.reconciler_world import Cluster
from tests.integration.worker_harbour import (
    LONG_POLL,
    SOON_SECONDS,
    Harbour,
    eventually,
    is_live,
    settled,
)

SHARED_SECONDS = 10.0


def counts(harbour: Harbour) -> list[int]:
    """Return how many clusters each worker has, ascending."""
    return sorted(Counter(harbour.holders().values()).values())


def keepers() -> list[str]:
    """Return the cluster of each keeper that lives."""
    names = (thread.name for thread in threading.enumerate())
    return sorted(name for name in names if name.startswith("cluster-") and not name.endswith("-watch"))


def test_who_stops_hands_back_and_another_worker_takes_over_at_once(harbour: Harbour) -> None:
    first = harbour.start()
    settled(harbour)
    harbour.start()
    eventually(lambda: harbour.listeners() == 2)
    assert list(harbour.holders().values()) == ["worker-101"]

    begun = time.monotonic()
    first.stop()
    story = harbour.approved()
    eventually(is_live(story), SOON_SECONDS)

    assert time.monotonic() - begun < SOON_SECONDS
    assert harbour.holders() == {"dev": "worker-102"}


def test_ten_seconds_after_a_worker_came_or_went_the_counts_differ_by_at_most_one(harbour: Harbour) -> None:
    for name in ("c1", "c2", "c3"):
        harbour.gateways[name] = Cluster
        harbour.add_cluster(name, name)
    harbour.start()
    eventually(lambda: len(harbour.holders()) == 4)

    second = harbour.start()
    eventually(lambda: counts(harbour) == [2, 2], SHARED_SECONDS)
    second.stop()
    eventually(lambda: counts(harbour) == [4], SHARED_SECONDS)


def test_who_comes_gets_a_share_and_each_cluster_keeps_one_keeper(brisk: Harbour) -> None:
    others = {name: Cluster() for name in ("c1", "c2", "c3")}
    for name, other in others.items():
        brisk.gateways[name] = lambda other=other: other  # type: ignore[misc]
        brisk.add_cluster(name, name)
    brisk.start(poll_seconds=0.2)
    eventually(lambda: len(brisk.holders()) == 4)
    brisk.start(poll_seconds=0.2)

    eventually(lambda: counts(brisk) == [2, 2])
    eventually(lambda: keepers() == ["cluster-c1", "cluster-c2", "cluster-c3", "cluster-dev"])


def test_a_lease_that_another_took_ends_its_keeper_and_fails_nothing(
    brisk: Harbour, caplog: pytest.LogCaptureFixture
) -> None:
    brisk.start(poll_seconds=0.1)
    settled(brisk)
    with brisk.world.transaction() as session:
        session.execute(text("UPDATE lease SET holder = 'somebody', until = until + interval '60 s'"))
    eventually(lambda: keepers() == [])
    assert [record for record in caplog.records if record.levelno >= 30] == []


def test_new_credentials_are_taken_up_without_a_word(brisk: Harbour) -> None:
    brisk.start(poll_seconds=LONG_POLL)
    settled(brisk)
    assert brisk.opened[None] == 1
    brisk.stamps[None] += 1
    eventually(lambda: brisk.opened[None] == 2)
    story = brisk.approved()
    eventually(is_live(story))


def test_a_cluster_that_is_removed_is_left_alone(brisk: Harbour) -> None:
    brisk.start(poll_seconds=0.1)
    settled(brisk)
    with brisk.world.transaction() as session:
        session.execute(text("UPDATE cluster SET removed_at = now()"))
    eventually(lambda: keepers() == [] and brisk.holders() == {})
    so_far = len(brisk.world.cluster.calls)
    threading.Event().wait(0.3)
    assert len(brisk.world.cluster.calls) == so_far
