"""List, then watch from there: what the cache relies on, shown by fake and real cluster alike."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from service.cluster.gateway import Change, ChangeKind, Kind
from tests.contract.builders import make_port, make_service
from tests.contract.clusters import Cluster

SOON_SECONDS = 2.0


def never() -> bool:
    return False


@contextmanager
def watching(cluster: Cluster, namespace: str, since: str | None = None) -> Iterator[Iterator[Change]]:
    """Give what happens in a namespace, by default from now on."""
    changes = cluster.gateway.watch(
        Kind.SERVICES, since or cluster.gateway.list(Kind.SERVICES).resource_version, 10, never
    )
    whole = (c for c in changes if c.kind is not ChangeKind.BOOKMARK)
    yield (c for c in whole if c.thing["metadata"]["namespace"] == namespace)
    changes.close()  # type: ignore[attr-defined]


def test_a_watch_tells_what_happened_since_the_list_in_its_order(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    since = cluster.gateway.list(Kind.SERVICES).resource_version
    created = cluster.gateway.create(make_service(namespace))
    edited = cluster.hand_edit(namespace, "web", lambda s: s["spec"].update(selector={"app": "other"}))
    cluster.remove(namespace, "web")

    with watching(cluster, namespace, since) as changes:
        first, second, third = (next(changes) for _ in range(3))

    assert (first.kind, first.thing) == (ChangeKind.ADDED, created)
    assert (second.kind, second.thing) == (ChangeKind.MODIFIED, edited)
    assert (third.kind, third.thing["metadata"]["uid"]) == (ChangeKind.DELETED, created["metadata"]["uid"])


def test_versions_grow_with_what_happens(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    since = cluster.gateway.list(Kind.SERVICES).resource_version
    created = cluster.gateway.create(make_service(namespace))
    cluster.remove(namespace, "web")

    with watching(cluster, namespace, since) as changes:
        versions = [int(next(changes).resource_version) for _ in range(2)]

    now = int(cluster.gateway.list(Kind.SERVICES).resource_version)
    assert int(since) < versions[0] == int(created["metadata"]["resourceVersion"]) < versions[1] <= now


def test_what_happens_while_one_watches_is_told_at_once(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    cluster.gateway.create(make_service(namespace, "first"))
    since = cluster.gateway.list(Kind.SERVICES).resource_version

    with watching(cluster, namespace, since) as changes:
        cluster.gateway.create(make_service(namespace, "second"))
        assert next(changes).thing["metadata"]["name"] == "second"
        begun = time.monotonic()
        cluster.remove(namespace, "first")
        assert next(changes).kind is ChangeKind.DELETED

    assert time.monotonic() - begun < SOON_SECONDS


def test_a_deletion_that_waits_for_a_finalizer_is_a_change(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    service = make_service(namespace)
    service["metadata"]["finalizers"] = ["example.com/slow"]
    cluster.gateway.create(service)
    since = cluster.gateway.list(Kind.SERVICES).resource_version
    cluster.remove(namespace, "web")

    with watching(cluster, namespace, since) as changes:
        change = next(changes)

    assert change.kind is ChangeKind.MODIFIED
    assert "deletionTimestamp" in change.thing["metadata"]


def test_a_watch_goes_on_from_the_last_change_that_was_seen(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    since = cluster.gateway.list(Kind.SERVICES).resource_version
    cluster.gateway.create(make_service(namespace, "first"))
    with watching(cluster, namespace, since) as changes:
        last = next(changes).resource_version
    cluster.gateway.create(make_service(namespace, "second", ports=[make_port(81)]))

    with watching(cluster, namespace, last) as changes:
        assert next(changes).thing["metadata"]["name"] == "second"


def test_a_watch_ends_by_itself_when_its_time_is_over(cluster: Cluster) -> None:
    since, begun = cluster.gateway.list(Kind.SERVICES).resource_version, time.monotonic()

    list(cluster.gateway.watch(Kind.SERVICES, since, 1, never))

    assert 0.8 < time.monotonic() - begun < 1 + SOON_SECONDS


def test_a_watch_ends_soon_after_somebody_wants_to_stop_though_nothing_happens(cluster: Cluster) -> None:
    since, begun = cluster.gateway.list(Kind.SERVICES).resource_version, time.monotonic()

    list(cluster.gateway.watch(Kind.SERVICES, since, 30, lambda: time.monotonic() - begun > 0.5))

    assert 0.4 < time.monotonic() - begun < 0.5 + 1


def test_nodes_are_watched_too(cluster: Cluster) -> None:
    since = cluster.gateway.list(Kind.NODES).resource_version
    name = f"node-{cluster.add_namespace()}"
    cluster.add_node(name, "192.0.2.77")

    changes = cluster.gateway.watch(Kind.NODES, since, 10, never)
    named = (c.thing for c in changes if c.kind is not ChangeKind.BOOKMARK)
    found = next(n for n in named if n["metadata"]["name"] == name and n["status"].get("addresses"))

    assert found["status"]["addresses"][0]["address"] == "192.0.2.77"
