"""What the worker knows of a cluster: never less than was shown, and when it is behind."""

from typing import Any

import pytest

from service.cluster.gateway import Change, ChangeKind, Kind, Listing
from service.domain.errors import ClusterAway
from service.domain.plan import Ref
from service.domain.spec import Document
from service.reconciler.cache import ClusterCache, Look, News
from service.reconciler.observe import (
    addresses_of,
    endpoints_of,
    owner_of,
    trimmed,
    trimmed_node,
    trimmed_slice,
)
from tests.builders import REF, make_endpoint, make_node, make_service, make_slice

ADDED, MODIFIED, DELETED = ChangeKind.ADDED, ChangeKind.MODIFIED, ChangeKind.DELETED


def at(version: int, service: Document | None = None, **spec: Any) -> Document:
    """Return a Service as it was at a version."""
    found = service or make_service()
    metadata = {**found["metadata"], "resourceVersion": str(version)}
    return {**found, "metadata": metadata, "spec": {**found["spec"], **spec}}


def bookmark(version: int) -> Change:
    return Change(ChangeKind.BOOKMARK, {"metadata": {"resourceVersion": str(version)}})


def cache_of(*services: Document, version: int = 10) -> ClusterCache:
    cache = ClusterCache("dev")
    cache.relisted(Kind.ENDPOINT_SLICES, Listing([], "1"))
    cache.relisted(Kind.NODES, Listing([], "1"))
    cache.relisted(Kind.SERVICES, Listing(list(map(trimmed, services)), str(version)))
    cache.take_news()
    return cache


def look_at(cache: ClusterCache) -> Look:
    look = cache.look()
    assert look is not None
    return look


def test_nothing_is_known_before_the_first_list() -> None:
    assert ClusterCache("dev").look() is None


@pytest.mark.parametrize("missing", list(Kind))
def test_nothing_is_known_before_every_kind_was_listed(missing: Kind) -> None:
    cache = ClusterCache("dev")
    for kind in set(Kind) - {missing}:
        cache.relisted(kind, Listing([], "1"))
    assert cache.look() is None


def test_a_list_takes_the_place_of_everything() -> None:
    cache = cache_of(at(5))
    cache.relisted(Kind.SERVICES, Listing([], "20"))
    assert look_at(cache).services == {}


def test_changes_are_taken_in() -> None:
    cache = cache_of()
    cache.saw(Kind.SERVICES, Change(ADDED, at(11)))
    cache.saw(Kind.SERVICES, Change(MODIFIED, at(12, selector={"app": "other"})))
    assert look_at(cache).services[REF].service["spec"]["selector"] == {"app": "other"}
    assert look_at(cache).services[REF].resource_version == "12"
    cache.saw(Kind.SERVICES, Change(DELETED, at(13)))
    assert look_at(cache).services == {}


def test_a_look_does_not_change_afterwards() -> None:
    cache = cache_of(at(5))
    look = look_at(cache)
    cache.saw(Kind.SERVICES, Change(DELETED, at(11)))
    assert set(look.services) == {REF}


def test_only_a_difference_that_somebody_can_see_is_one() -> None:
    cache = cache_of(at(5))
    assert not cache.saw(Kind.SERVICES, bookmark(11))
    assert not cache.saw(Kind.SERVICES, Change(MODIFIED, at(12)))
    written = at(13)
    written["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    assert not cache.saw(Kind.SERVICES, Change(MODIFIED, written))
    assert cache.saw(Kind.SERVICES, Change(MODIFIED, at(14, selector={"app": "other"})))
    assert cache.saw(Kind.SERVICES, Change(DELETED, at(15)))
    assert not cache.saw(Kind.SERVICES, Change(DELETED, at(16)))


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


def test_what_nobody_reads_of_an_endpoint_slice_is_not_kept() -> None:
    piece = make_slice(make_endpoint(pod="uid-1"), make_endpoint("192.0.2.2", ready=False, pod="uid-2"))
    piece["metadata"] |= {"managedFields": [{"manager": "x"}], "ownerReferences": [{"name": "a"}]}
    piece["endpoints"][0] |= {"nodeName": "n1", "zone": "z", "hints": {"forZones": [{"name": "z"}]}}
    kept = trimmed_slice(piece)
    assert (owner_of(kept), endpoints_of(kept)) == (owner_of(piece), endpoints_of(piece))
    assert set(kept) == {"metadata", "ports", "endpoints"}
    assert set(kept["metadata"]) == {"namespace", "name", "labels"}
    assert set(kept["endpoints"][0]) == {"addresses", "conditions", "targetRef"}


def test_what_nobody_reads_of_a_node_is_not_kept() -> None:
    node = make_node(("ExternalIP", "198.51.100.1"))
    node["status"] |= {"images": [{"names": ["x"] * 50}], "nodeInfo": {"kernelVersion": "6"}}
    kept = trimmed_node(node)
    assert addresses_of(kept) == addresses_of(node) != ()
    assert (set(kept["metadata"]), set(kept["status"])) == ({"name"}, {"conditions", "addresses"})


# Resting.


def test_a_key_rests_until_the_cache_has_come_as_far_as_the_write() -> None:
    cache = cache_of(at(5))
    cache.wrote(at(12))
    assert look_at(cache).resting == {REF}
    cache.saw(Kind.SERVICES, Change(MODIFIED, at(11)))
    assert look_at(cache).resting == {REF}
    cache.saw(Kind.SERVICES, Change(MODIFIED, at(12)))
    assert look_at(cache).resting == frozenset()


@pytest.mark.parametrize("how", ["bookmark", "list", "another"])
def test_whatever_comes_later_than_the_write_ends_the_rest(how: str) -> None:
    cache = cache_of(at(5))
    cache.wrote(at(12))
    if how == "bookmark":
        cache.saw(Kind.SERVICES, bookmark(12))
    elif how == "list":
        cache.relisted(Kind.SERVICES, Listing([at(12)], "12"))
    else:
        other = at(13)
        other["metadata"]["name"] = "other"
        cache.saw(Kind.SERVICES, Change(ADDED, other))
    assert look_at(cache).resting == frozenset()


def test_a_list_from_before_the_write_ends_no_rest() -> None:
    cache = cache_of(at(5))
    cache.wrote(at(12))
    cache.relisted(Kind.SERVICES, Listing([at(5)], "11"))
    assert look_at(cache).resting == {REF}


def test_a_write_that_the_watch_has_told_already_lets_nothing_rest() -> None:
    cache = cache_of()
    cache.saw(Kind.SERVICES, Change(ADDED, at(12)))
    cache.wrote(at(12))
    assert look_at(cache).resting == frozenset()


def test_a_cluster_that_was_restored_from_a_backup_lets_nothing_rest_for_ever() -> None:
    cache = cache_of(at(5))
    cache.wrote(at(900))
    cache.saw(Kind.SERVICES, bookmark(500))
    cache.relisted(Kind.SERVICES, Listing([], "20"))
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
    cache.failed(Kind.SERVICES, "no answer from the apiserver")
    with pytest.raises(ClusterAway, match="no answer from the apiserver"):
        cache.look()
    cache.relisted(Kind.SERVICES, Listing([at(5)], "20"))
    assert set(look_at(cache).services) == {REF}


@pytest.mark.parametrize("kind", list(Kind))
def test_trouble_with_one_kind_is_trouble_until_that_kind_is_listed(kind: Kind) -> None:
    cache = cache_of()
    cache.failed(kind, "no answer from the apiserver")
    for other in set(Kind) - {kind}:
        cache.relisted(other, Listing([], "20"))
    with pytest.raises(ClusterAway):
        cache.look()


# Endpoints and nodes.


def slice_at(version: int, *endpoints: Document, name: str = "hello-1") -> Document:
    piece = make_slice(*endpoints)
    piece["metadata"] |= {"resourceVersion": str(version), "name": name}
    return piece


def node_at(version: int, *addresses: tuple[str, str], name: str = "node-1") -> Document:
    node = make_node(*addresses, name=name)
    node["metadata"]["resourceVersion"] = str(version)
    return node


def test_slices_come_and_go_with_the_key_of_their_service() -> None:
    cache = cache_of(at(5))
    assert cache.saw(Kind.ENDPOINT_SLICES, Change(ADDED, slice_at(11, make_endpoint("192.0.2.1"))))
    more = slice_at(12, make_endpoint("192.0.2.2"), name="hello-2")
    assert cache.saw(Kind.ENDPOINT_SLICES, Change(ADDED, more))
    assert len(look_at(cache).slices[REF]) == 2
    assert cache.saw(Kind.ENDPOINT_SLICES, Change(DELETED, more))
    assert len(look_at(cache).slices[REF]) == 1
    assert cache.take_news().refs == {REF}


def test_a_slice_that_belongs_to_no_service_is_left_out() -> None:
    stray = slice_at(11, make_endpoint())
    stray["metadata"]["labels"] = None
    cache = cache_of(at(5))
    assert not cache.saw(Kind.ENDPOINT_SLICES, Change(ADDED, stray))
    cache.relisted(Kind.ENDPOINT_SLICES, Listing([stray], "12"))
    assert look_at(cache).slices == {}


def test_a_slice_that_only_has_a_new_version_is_no_news() -> None:
    cache = cache_of(at(5))
    cache.saw(Kind.ENDPOINT_SLICES, Change(ADDED, slice_at(11, make_endpoint("192.0.2.1"))))
    assert not cache.saw(Kind.ENDPOINT_SLICES, Change(MODIFIED, slice_at(12, make_endpoint("192.0.2.1"))))
    gone = slice_at(13, make_endpoint("192.0.2.1", ready=False))
    assert cache.saw(Kind.ENDPOINT_SLICES, Change(MODIFIED, gone))


def test_node_addresses_are_those_of_all_nodes_in_order() -> None:
    cache = cache_of()
    inside = node_at(11, ("InternalIP", "192.0.2.10"), ("Hostname", "node-1"))
    outside = node_at(
        12,
        ("InternalIP", "192.0.2.11"),
        ("ExternalIP", "203.0.113.5"),
        ("ExternalIP", "203.0.113.4"),
        name="node-2",
    )
    cache.relisted(Kind.NODES, Listing([outside, inside], "12"))
    assert look_at(cache).node_addresses == ("192.0.2.10", "203.0.113.4", "203.0.113.5")


def test_each_address_is_there_once() -> None:
    cache = cache_of()
    cache.relisted(Kind.NODES, Listing([node_at(11), node_at(12, name="node-2")], "12"))
    assert look_at(cache).node_addresses == ("192.0.2.10",)


def test_only_another_address_of_a_node_is_news() -> None:
    cache = cache_of()
    assert cache.saw(Kind.NODES, Change(ADDED, node_at(11)))
    assert not cache.saw(Kind.NODES, Change(MODIFIED, node_at(12)))
    assert cache.saw(Kind.NODES, Change(MODIFIED, node_at(13, ("InternalIP", "192.0.2.99"))))
    assert cache.saw(Kind.NODES, Change(DELETED, node_at(14)))
    assert look_at(cache).node_addresses == ()


# News.


def test_what_has_changed_is_news_once() -> None:
    cache = cache_of(at(5))
    cache.saw(Kind.SERVICES, Change(MODIFIED, at(11, selector={"app": "other"})))
    assert cache.take_news().refs == {REF}
    assert cache.take_news() == News()


def test_a_list_makes_everything_news() -> None:
    cache = cache_of(at(5))
    cache.relisted(Kind.SERVICES, Listing([at(5)], "20"))
    assert cache.take_news().everything


def test_a_key_that_rests_no_more_is_news() -> None:
    cache = cache_of(at(5))
    cache.wrote(at(12))
    cache.saw(Kind.SERVICES, bookmark(12))
    assert cache.take_news().refs == {REF}


def test_a_look_at_some_keys_shows_no_others() -> None:
    other = at(6)
    other["metadata"]["name"] = "other"
    cache = cache_of(at(5), other)
    look = cache.look([REF])
    assert look is not None
    assert set(look.services) == {REF}


def test_what_a_restored_etcd_forgot_is_not_waited_for_until_the_next_list() -> None:
    cache = cache_of(at(5), version=10)
    cache.wrote(at(20))
    assert look_at(cache).resting == {REF}
    cache.saw(Kind.SERVICES, bookmark(6))
    assert look_at(cache).resting == frozenset()
    assert cache.take_news().refs == {REF}
