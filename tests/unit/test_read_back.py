"""What an exposure says of somebody else's Service: the way of ``render`` backwards, or faults by field."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.schemas import SpecSchema
from service.domain.manifest import differs, node_ports, render, with_ports
from service.domain.read_back import allocation_of, service_pointer, spec_of
from service.domain.spec import Document, ExposureType, LoadBalancer, ServicePort, Spec
from tests.builders import METADATA, make_service
from tests.fakes import FakeCluster

KEYS = st.sampled_from([(port, protocol) for port in (53, 80, 443) for protocol in ("TCP", "UDP")])
SCHEMA = SpecSchema()
TARGETS = st.sampled_from([80, 8080, "http"])


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Draw what can be asked for, said as an adoption says it: what is the default anyway is left out."""
    kind = draw(st.sampled_from(ExposureType))
    keys = draw(st.lists(KEYS, min_size=1, max_size=4, unique=True))
    local = draw(st.sampled_from([None, "Local"]))
    balancer = LoadBalancer(
        class_=draw(st.sampled_from([None, "example.com/x"])),
        source_ranges=tuple(draw(st.sets(st.sampled_from(["10.0.0.0/8", "192.0.2.0/24"])))),
        allocate_node_ports=draw(st.booleans()),
    )
    return Spec(
        type=kind,
        selector=draw(st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), min_size=1)),
        ports=tuple(
            ServicePort(
                name=f"{protocol.lower()}-{port}",
                port=port,
                protocol=protocol,
                target_port=draw(TARGETS),
                app_protocol=draw(st.sampled_from([None, "http"])),
            )
            for port, protocol in keys
        ),
        lifetime=draw(st.sampled_from([None, 3600])),
        justification="made by hand",
        external_traffic_policy=None if kind is ExposureType.CLUSTER_IP else local,
        internal_traffic_policy=draw(st.sampled_from([None, "Local"])),
        session_affinity=draw(st.sampled_from([None, "ClientIP"])),
        ip_family_policy=draw(st.sampled_from([None, "PreferDualStack"])),
        load_balancer=balancer if kind is ExposureType.LOAD_BALANCER else None,
    )


def stored(spec: Spec) -> Document:
    """Return the Service of a specification as a cluster stores it, node ports and defaults filled in."""
    cluster = FakeCluster()
    cluster.add_namespace(METADATA.namespace)
    return cluster.add_service(render(METADATA, spec))


@given(specs())
@settings(max_examples=60)
def test_what_was_rendered_is_read_back_whole_and_can_be_asked_for(spec: Spec) -> None:
    service = stored(spec)
    read = spec_of(service, spec.lifetime, spec.justification)
    numbers = [port.get("nodePort") for port in service["spec"]["ports"]]
    ports = tuple(replace(p, node_port=n) for p, n in zip(spec.ports, numbers, strict=True))
    assert isinstance(read, Spec)
    assert read == replace(spec, ports=ports)
    assert differs(service, with_ports(render(METADATA, read), allocation_of(service))) == ()
    assert allocation_of(service).asked() == node_ports(service)
    assert SCHEMA.validate(SCHEMA.dump({**read.document(), "not_before": None})) == {}


def faults(**spec: Any) -> dict[str, str]:
    """Return pointer → detail of what speaks against a Service with these fields; ``...`` takes one out."""
    service = foreign()
    service["spec"] = {name: value for name, value in (service["spec"] | spec).items() if value is not ...}
    return faults_of(service)


def foreign() -> Document:
    """Return a NodePort Service of somebody else that could be adopted."""
    return make_service(labels={"app": "hello"}, annotations={})


def faults_of(service: Document) -> dict[str, str]:
    found = spec_of(service, None, "made by hand")
    return {} if isinstance(found, Spec) else {fault.pointer: fault.detail for fault in found}


PORT = {"name": "http", "port": 80, "targetPort": 80, "protocol": "TCP", "nodePort": 30007}
BALANCER = {
    "type": "LoadBalancer",
    "allocateLoadBalancerNodePorts": False,
    "externalTrafficPolicy": "Cluster",
}


def test_a_service_that_somebody_made_by_hand_can_be_said() -> None:
    assert faults() == {}


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"type": "ExternalName", "externalName": "example.com"}, "/spec/type"),
        ({"type": "ExternalName", "externalName": "example.com"}, "/spec/externalName"),
        ({"externalIPs": ["192.0.2.1"]}, "/spec/externalIPs"),
        ({"clusterIP": "None", "type": "ClusterIP", "ports": [{"port": 80}]}, "/spec/clusterIP"),
        ({"publishNotReadyAddresses": True}, "/spec/publishNotReadyAddresses"),
        ({"trafficDistribution": "PreferClose"}, "/spec/trafficDistribution"),
        ({"ofAReleaseToCome": 1}, "/spec/ofAReleaseToCome"),
        ({"selector": ...}, "/spec/selector"),
        ({"selector": {f"label-{n}": "x" for n in range(33)}}, "/spec/selector"),
        ({"ports": ...}, "/spec/ports"),
        ({"ports": [{**PORT, "name": f"p-{n}"} for n in range(33)]}, "/spec/ports"),
        ({"ports": [{**PORT, "ofAReleaseToCome": 1}]}, "/spec/ports/0/ofAReleaseToCome"),
        ({"ports": [{k: v for k, v in PORT.items() if k != "nodePort"}]}, "/spec/ports/0/nodePort"),
        ({"ports": [PORT, {**PORT, "name": "b", "port": 81}]}, "/spec/ports/1/nodePort"),
        (
            {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}},
            "/spec/sessionAffinityConfig",
        ),
        (BALANCER | {"loadBalancerIP": "192.0.2.1", "ports": [PORT]}, "/spec/loadBalancerIP"),
        (BALANCER | {"ports": [PORT]}, "/spec/ports/0/nodePort"),
        (BALANCER | {"loadBalancerSourceRanges": ["10.1.1.1/8"]}, "/spec/loadBalancerSourceRanges/0"),
        (BALANCER | {"loadBalancerSourceRanges": ["10.0.0.0/8"] * 65}, "/spec/loadBalancerSourceRanges"),
    ],
)
def test_what_no_exposure_can_say_is_named(spec: Document, pointer: str) -> None:
    assert faults(**spec)[pointer]


def test_every_fault_is_told_at_once() -> None:
    found = faults(externalIPs=["192.0.2.1"], trafficDistribution="PreferClose", selector=...)
    assert list(found) == ["/spec/externalIPs", "/spec/trafficDistribution", "/spec/selector"]


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ({"ownerReferences": [{"kind": "Shop", "name": "main"}]}, "/metadata/ownerReferences"),
        ({"deletionTimestamp": "2030-01-01T11:59:59Z"}, "/metadata/deletionTimestamp"),
        (
            {"labels": {"app.kubernetes.io/managed-by": "Helm"}},
            "/metadata/labels/app.kubernetes.io~1managed-by",
        ),
        (
            {"annotations": {"wharfinger.dev/exposure-id": "x"}},
            "/metadata/annotations/wharfinger.dev~1exposure-id",
        ),
        ({"annotations": {"note": "a\0b"}}, "/metadata/annotations/note"),
    ],
)
def test_what_belongs_to_somebody_else_is_named(metadata: Document, pointer: str) -> None:
    service = foreign()
    service["metadata"] |= metadata
    assert list(faults_of(service)) == [pointer]


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("#/spec/ports/0/node_port", "/spec/ports/0/nodePort"),
        ("#/spec/external_traffic_policy", "/spec/externalTrafficPolicy"),
        ("#/spec/load_balancer/source_ranges/1", "/spec/loadBalancerSourceRanges/1"),
        ("#/spec/load_balancer", "/spec/loadBalancer"),
        ("#/metadata/team", "/metadata/team"),
    ],
)
def test_a_fault_of_a_request_points_into_the_service(pointer: str, place: str) -> None:
    assert service_pointer(pointer) == place
