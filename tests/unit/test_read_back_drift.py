"""Drift that people want to keep: what a specification can say of it is said, all else is refused."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from service.domain.exposure import Allocation, NodePort, PortOrigin, Revision
from service.domain.manifest import differs, render, with_ports
from service.domain.read_back import spec_of_drift
from service.domain.spec import Document, ExposureType, LoadBalancer, Spec
from tests.builders import METADATA, make_allocation, make_port, make_revision, make_spec
from tests.fakes import FakeCluster

LOCAL_BALANCER: Document = {
    "type": "LoadBalancer",
    "allocateLoadBalancerNodePorts": True,
    "externalTrafficPolicy": "Local",
    "healthCheckNodePort": 30030,
}
BALANCER = make_spec(
    type=ExposureType.LOAD_BALANCER, load_balancer=LoadBalancer(source_ranges=("10.0.0.0/24",))
)
SPECS = {
    "node-port": make_spec(),
    "two-ports": make_spec(
        ports=(make_port(node_port=30007), make_port(name="dns", port=53, protocol="UDP", node_port=30008))
    ),
    "cluster-ip": make_spec(type=ExposureType.CLUSTER_IP),
    "other-selector": make_spec(selector={"app": "new", "tier": "front"}),
    "policies": make_spec(
        external_traffic_policy="Local",
        internal_traffic_policy="Local",
        session_affinity="ClientIP",
        ip_family_policy="PreferDualStack",
    ),
    "balancer": BALANCER,
    "balancer-ports": make_spec(
        type=ExposureType.LOAD_BALANCER,
        ports=(make_port(node_port=30009, app_protocol="http"),),
        load_balancer=LoadBalancer(class_="example.com/a", allocate_node_ports=True),
    ),
}


def in_cluster(spec: Spec) -> Document:
    """Return ``{spec, annotations}`` of a Service as a cluster stores it."""
    cluster = FakeCluster()
    cluster.add_namespace(METADATA.namespace)
    stored = cluster.add_service(with_ports(render(METADATA, spec), make_allocation(spec)))
    return {"spec": stored["spec"], "annotations": stored["metadata"].get("annotations", {})}


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(SPECS, 2)))
def test_whatever_a_spec_can_say_is_taken_over(before: str, after: str) -> None:
    found = in_cluster(SPECS[after])

    spec = spec_of_drift(make_revision(SPECS[before]), found)

    assert isinstance(spec, Spec), spec
    wanted = with_ports(render(METADATA, spec), make_allocation(spec))
    assert differs({"metadata": {}, "spec": found["spec"]}, wanted) == ()


def drifted(live: Revision, **fields: Any) -> Document:
    found = in_cluster(live.spec)
    found["spec"] |= fields
    return found


def test_what_was_left_open_stays_open() -> None:
    port = make_port(target_port=None)
    live = make_revision(
        make_spec(ports=(port,)),
        allocation=Allocation((NodePort(30007, PortOrigin.CHOSEN),)),
    )
    found = drifted(live, selector={"app": "new"})
    found["spec"]["ports"] = [
        {"name": "renamed", "port": 80, "targetPort": 80, "protocol": "TCP", "nodePort": 30007}
    ]

    spec = spec_of_drift(live, found)

    assert spec == replace(live.spec, selector={"app": "new"}, ports=(replace(port, name="renamed"),))


def test_another_number_than_the_chosen_one_is_asked_for() -> None:
    live = make_revision(
        make_spec(ports=(make_port(),)), allocation=Allocation((NodePort(30007, PortOrigin.CHOSEN),))
    )
    moved = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP", "nodePort": 30020}

    spec = spec_of_drift(live, drifted(live, ports=[moved]))

    assert isinstance(spec, Spec)
    assert spec.ports == (make_port(node_port=30020),)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"externalIPs": ["192.0.2.1"]}, "spec.externalIPs"),
        ({"type": "ExternalName"}, "spec.type"),
        ({"selector": None}, "spec.selector"),
        ({"ports": []}, "spec.ports"),
        ({"publishNotReadyAddresses": True}, "spec.publishNotReadyAddresses"),
        ({"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}, "spec.sessionAffinityConfig"),
        (LOCAL_BALANCER, "spec.healthCheckNodePort"),
    ],
)
def test_what_no_spec_says_is_refused_by_its_field(fields: Document, path: str) -> None:
    live = make_revision()

    found = spec_of_drift(live, drifted(live, **fields))

    assert isinstance(found, tuple)
    assert [fault.detail.partition(":")[0] for fault in found] == [path]


def test_an_annotation_of_the_spec_is_taken_over() -> None:
    balancer = LoadBalancer(annotations={"example.com/scheme": "internal", "example.com/gone": "x"})
    live = make_revision(make_spec(type=ExposureType.LOAD_BALANCER, load_balancer=balancer))
    found = drifted(live) | {"annotations": {"example.com/scheme": "open"}}

    spec = spec_of_drift(live, found)

    assert isinstance(spec, Spec)
    assert spec.load_balancer == replace(balancer, annotations={"example.com/scheme": "open"})
