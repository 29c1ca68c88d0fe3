"""What the reconciler relies on, shown by the fake and by a real kube-apiserver alike."""

from typing import Any

import pytest

from service.cluster.gateway import Kind
from service.domain.errors import (
    ObjectExists,
    ObjectMissing,
    PortAllocated,
    WriteForbidden,
    WriteRefused,
)
from tests.contract.builders import make_port, make_service, numbers
from tests.contract.clusters import Cluster

Document = dict[str, Any]


# Reading.


def test_a_service_that_is_not_there_reads_as_none(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()

    assert cluster.gateway.service(namespace, "web") is None


def test_a_namespace_that_is_not_there_reads_as_none(cluster: Cluster) -> None:
    assert cluster.gateway.service("nowhere", "web") is None


def test_a_created_service_reads_as_it_was_returned(cluster: Cluster) -> None:
    created = cluster.gateway.create(make_service(cluster.add_namespace()))

    assert cluster.gateway.service(created["metadata"]["namespace"], "web") == created


def test_the_list_shows_a_created_service_without_apiversion_and_kind(cluster: Cluster) -> None:
    created = cluster.gateway.create(make_service(cluster.add_namespace()))

    found = [
        s
        for s in cluster.gateway.list(Kind.SERVICES).items
        if s["metadata"]["uid"] == created["metadata"]["uid"]
    ]

    assert found == [{field: created[field] for field in ("metadata", "spec", "status")}]


def test_nodes_show_their_addresses_and_readiness(cluster: Cluster) -> None:
    cluster.add_node("node-1", "192.0.2.10")

    node = next(n for n in cluster.gateway.list(Kind.NODES).items if n["metadata"]["name"] == "node-1")

    assert {"type": "InternalIP", "address": "192.0.2.10"} in node["status"]["addresses"]
    assert node["status"]["conditions"][0]["status"] == "True"


def test_endpoint_slices_are_a_list(cluster: Cluster) -> None:
    assert isinstance(cluster.gateway.list(Kind.ENDPOINT_SLICES).items, list)


def test_a_list_keeps_of_each_item_what_it_is_told_to(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    cluster.gateway.create(make_service(namespace))

    listed = cluster.gateway.list(Kind.SERVICES, lambda s: {"at": s["metadata"]["namespace"]})

    assert {"at": namespace} in listed.items


# Creating.


def test_a_create_returns_identity_version_and_address(cluster: Cluster) -> None:
    created = cluster.gateway.create(make_service(cluster.add_namespace()))

    assert created["metadata"]["uid"]
    assert isinstance(created["metadata"]["resourceVersion"], str)
    assert created["spec"]["clusterIP"].startswith("10.0.")


def test_a_create_is_signed_with_our_field_manager(cluster: Cluster) -> None:
    created = cluster.gateway.create(make_service(cluster.add_namespace()))

    assert [entry["manager"] for entry in created["metadata"]["managedFields"]] == ["wharfinger"]


def test_a_stated_node_port_is_given(cluster: Cluster) -> None:
    wanted = make_service(cluster.add_namespace(), ports=[make_port(80, cluster.first)])

    assert numbers(cluster.gateway.create(wanted)) == [cluster.first]


def test_a_dynamic_node_port_comes_from_the_upper_band(cluster: Cluster) -> None:
    [number] = numbers(cluster.gateway.create(make_service(cluster.add_namespace())))

    assert number is not None
    assert cluster.first + 16 <= number <= cluster.last


def test_a_second_create_of_a_name_is_told_apart(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    cluster.gateway.create(make_service(namespace))

    with pytest.raises(ObjectExists, match="already exists"):
        cluster.gateway.create(make_service(namespace))


def test_a_taken_node_port_is_told_apart(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    cluster.gateway.create(make_service(namespace, ports=[make_port(80, cluster.first)]))

    with pytest.raises(PortAllocated, match="provided port is already allocated"):
        cluster.gateway.create(make_service(namespace, "other", ports=[make_port(80, cluster.first)]))


def test_the_port_is_judged_before_the_name(cluster: Cluster) -> None:
    wanted = make_service(cluster.add_namespace(), ports=[make_port(80, cluster.first)])
    cluster.gateway.create(wanted)

    with pytest.raises(PortAllocated):
        cluster.gateway.create(wanted)


def test_a_node_port_out_of_range_is_refused_for_good(cluster: Cluster) -> None:
    wanted = make_service(cluster.add_namespace(), ports=[make_port(80, cluster.last + 1)])

    with pytest.raises(WriteRefused, match="range of valid ports is 30000-30040") as refusal:
        cluster.gateway.create(wanted)

    assert not refusal.value.retryable


def test_a_create_in_an_unknown_namespace_says_so(cluster: Cluster) -> None:
    with pytest.raises(ObjectMissing, match='namespaces "nowhere" not found'):
        cluster.gateway.create(make_service("nowhere"))


def test_a_create_in_a_terminating_namespace_is_forbidden(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    keeper = make_service(namespace, "keeper")
    keeper["metadata"]["finalizers"] = ["example.com/slow"]
    cluster.gateway.create(keeper)
    cluster.end_namespace(namespace)

    with pytest.raises(WriteForbidden, match="being terminated"):
        cluster.gateway.create(make_service(namespace))


def test_a_refused_create_takes_no_node_port(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    cluster.gateway.create(make_service(namespace))
    with pytest.raises(ObjectExists):
        cluster.gateway.create(make_service(namespace, ports=[make_port(80, cluster.first)]))

    created = cluster.gateway.create(make_service(namespace, "other", ports=[make_port(80, cluster.first)]))

    assert numbers(created) == [cluster.first]


def test_tcp_and_udp_share_one_number_when_the_service_port_is_equal(cluster: Cluster) -> None:
    ports = [make_port(53, cluster.first, "tcp"), make_port(53, cluster.first, "udp", "UDP")]

    created = cluster.gateway.create(make_service(cluster.add_namespace(), ports=ports))

    assert numbers(created) == [cluster.first, cluster.first]


def test_tcp_and_udp_cannot_share_a_number_at_create_when_the_service_ports_differ(cluster: Cluster) -> None:
    ports = [make_port(53, cluster.first, "tcp"), make_port(54, cluster.first, "udp", "UDP")]

    with pytest.raises(PortAllocated):
        cluster.gateway.create(make_service(cluster.add_namespace(), ports=ports))


def test_a_load_balancer_without_node_ports_takes_none(cluster: Cluster) -> None:
    wanted = make_service(cluster.add_namespace(), type="LoadBalancer", allocateLoadBalancerNodePorts=False)

    assert numbers(cluster.gateway.create(wanted)) == [None]


def test_a_local_load_balancer_takes_a_hidden_number(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    balancer = make_service(
        namespace,
        type="LoadBalancer",
        allocateLoadBalancerNodePorts=False,
        externalTrafficPolicy="Local",
        healthCheckNodePort=cluster.first,
    )
    cluster.gateway.create(balancer)

    with pytest.raises(PortAllocated):
        cluster.gateway.create(make_service(namespace, "other", ports=[make_port(80, cluster.first)]))
