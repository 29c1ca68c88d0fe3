"""What the worker knows of a cluster's Services: never less than was shown, and when it is behind."""

from typing import Any

import pytest

from service.cluster.gateway import Change, ChangeKind, ServiceList
from service.domain.errors import ClusterAway
from service.domain.plan import Ref
from service.domain.spec import Document
from service.reconciler.cache import Look, ServiceCache, trimmed
from tests.builders import REF, make_service

ADDED, MODIFIED, DELETED = ChangeKind.ADDED, ChangeKind.MODIFIED, ChangeKind.DELETED


def at(version: int, service: Document | None = None, **spec: Any) -> Document:
    """Return a Service as it was at a version."""
    found = service or make_service()
    metadata = {**found["metadata"], "resourceVersion": str(version)}
    return {**found, "metadata": metadata, "spec": {**found["spec"], **spec}}


def bookmark(version: int) -> Change:
    return Change(ChangeKind.BOOKMARK, {"metadata": {"resourceVersion": str(version)}})


def cache_of(*services: Document, version: int = 10) -> ServiceCache:
    cache = ServiceCache()
    cache.relisted(ServiceList(list(services), str(version)))
    return cache


def look_at(cache: ServiceCache) -> Look:
    look = cache.look()
    assert look is not None
    return look


def test_nothing_is_known_before_the_first_list() -> None:
    assert ServiceCache().look() is None


def test_a_list_takes_the_place_of_everything() -> None:
    cache = cache_of(at(5))
    cache.relisted(ServiceList([], "20"))
    assert look_at(cache).services == {}


def test_changes_are_taken_in() -> None:
    cache = cache_of()
    cache.saw(Change(ADDED, at(11)))
    cache.saw(Change(MODIFIED, at(12, selector={"app": "other"})))
    assert look_at(cache).services[REF].service["spec"]["selector"] == {"app": "other"}
    assert look_at(cache).services[REF].resource_version == "12"
    cache.saw(Change(DELETED, at(13)))
    assert look_at(cache).services == {}


def test_a_look_does_not_change_afterwards() -> None:
    cache = cache_of(at(5))
    look = look_at(cache)
    cache.saw(Change(DELETED, at(11)))
    assert set(look.services) == {REF}


def test_only_a_difference_that_somebody_can_see_is_one() -> None:
    cache = cache_of(at(5))
    assert not cache.saw(bookmark(11))
    assert not cache.saw(Change(MODIFIED, at(12)))
    written = at(13)
    written["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    assert not cache.saw(Change(MODIFIED, written))
    assert cache.saw(Change(MODIFIED, at(14, selector={"app": "other"})))
    assert cache.saw(Change(DELETED, at(15)))
    assert not cache.saw(Change(DELETED, at(16)))


def test_what_nobody_reads_is_not_kept() -> None:
    service = at(5)
    service["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    service["metadata"]["ownerReferences"] = [{"name": "a"}]
    service["metadata"]["annotations"] = {
        **service["metadata"].get("annotations", {}),
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "kept": "yes",
    }
    service["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}, "conditions": [{"type": "X"}]}
    kept = trimmed(service)
    assert set(kept) == {"metadata", "spec", "status"}
    assert "managedFields" not in kept["metadata"]
    assert "ownerReferences" not in kept["metadata"]
    assert kept["metadata"]["annotations"]["kept"] == "yes"
    assert "kubectl.kubernetes.io/last-applied-configuration" not in kept["metadata"]["annotations"]
    assert kept["status"] == {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    assert kept["spec"] == service["spec"]


# Resting.


def test_a_key_rests_until_the_cache_has_come_as_far_as_the_write() -> None:
    cache = cache_of(at(5))
    cache.wrote(at(12))
    assert look_at(cache).resting == {REF}
    cache.saw(Change(MODIFIED, at(11)))
    assert look_at(cache).resting == {REF}
    cache.saw(Change(MODIFIED, at(12)))
    assert look_at(cache).resting == frozenset()


@pytest.mark.parametrize("how", ["bookmark", "list", "another"])
def test_whatever_comes_later_than_the_write_ends_the_rest(how: str) -> None:
    cache = cache_of(at(5))
    cache.wrote(at(12))
    if how == "bookmark":
        cache.saw(bookmark(12))
    elif how == "list":
        cache.relisted(ServiceList([at(12)], "12"))
    else:
        other = at(13)
        other["metadata"]["name"] = "other"
        cache.saw(Change(ADDED, other))
    assert look_at(cache).resting == frozenset()


def test_a_list_from_before_the_write_ends_no_rest() -> None:
    cache = cache_of(at(5))
    cache.wrote(at(12))
    cache.relisted(ServiceList([at(5)], "11"))
    assert look_at(cache).resting == {REF}


def test_a_write_that_the_watch_has_told_already_lets_nothing_rest() -> None:
    cache = cache_of()
    cache.saw(Change(ADDED, at(12)))
    cache.wrote(at(12))
    assert look_at(cache).resting == frozenset()


def test_a_cluster_that_was_restored_from_a_backup_lets_nothing_rest_for_ever() -> None:
    cache = cache_of(at(5))
    cache.wrote(at(900))
    cache.saw(bookmark(500))
    cache.relisted(ServiceList([], "20"))
    assert look_at(cache).resting == frozenset()


def test_only_the_written_key_rests() -> None:
    other = at(6)
    other["metadata"]["name"] = "other"
    cache = cache_of(at(5), other)
    cache.wrote(at(12))
    assert look_at(cache).resting == {REF}
    assert set(look_at(cache).services) == {REF, Ref("team-a", "other")}


# Trouble.


def test_trouble_is_told_to_whoever_looks_until_the_next_list() -> None:
    cache = cache_of(at(5))
    cache.failed("no answer from the apiserver")
    with pytest.raises(ClusterAway, match="no answer from the apiserver"):
        cache.look()
    cache.relisted(ServiceList([at(5)], "20"))
    assert set(look_at(cache).services) == {REF}
