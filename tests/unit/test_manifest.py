"""From specification to manifest, its digest, the owner mark, and the comparison with what a cluster has."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from service.domain.exposure import Allocation, Metadata, NodePort, PortOrigin
from service.domain.manifest import Mark, digest, render, with_mark, with_ports
from service.domain.spec import Document, ExposureType, LoadBalancer, ServicePort, Spec
from tests.manifest_builders import MARK, METADATA, make_spec


def digest_of(spec: Spec, metadata: Metadata = METADATA) -> str:
    return digest(metadata, spec, render(metadata, spec))


def allocate(*numbers: int, health_check: int | None = None) -> Allocation:
    ports = tuple(NodePort(number, PortOrigin.CHOSEN) for number in numbers)
    return Allocation(ports, (health_check and NodePort(health_check, PortOrigin.CHOSEN)) or None)


# Rendering.


def test_a_minimal_spec_renders_what_was_said_and_the_target_port() -> None:
    assert render(METADATA, make_spec()) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
        },
    }


def test_every_optional_field_is_rendered() -> None:
    spec = make_spec(
        type=ExposureType.LOAD_BALANCER,
        ports=(
            ServicePort(
                name="web", port=80, target_port="http", protocol="UDP", app_protocol="http", node_port=30080
            ),
        ),
        external_traffic_policy="Local",
        internal_traffic_policy="Local",
        session_affinity="ClientIP",
        ip_family_policy="PreferDualStack",
        load_balancer=LoadBalancer(
            class_="example.com/internal",
            source_ranges=("192.0.2.0/24",),
            allocate_node_ports=True,
            annotations={"example.com/scheme": "internal"},
        ),
    )

    rendered = render(METADATA, spec)

    assert rendered["metadata"]["annotations"] == {"example.com/scheme": "internal"}
    assert rendered["spec"] == {
        "type": "LoadBalancer",
        "selector": {"app": "web"},
        "ports": [
            {
                "name": "web",
                "port": 80,
                "targetPort": "http",
                "protocol": "UDP",
                "appProtocol": "http",
                "nodePort": 30080,
            }
        ],
        "externalTrafficPolicy": "Local",
        "internalTrafficPolicy": "Local",
        "sessionAffinity": "ClientIP",
        "ipFamilyPolicy": "PreferDualStack",
        "loadBalancerClass": "example.com/internal",
        "loadBalancerSourceRanges": ["192.0.2.0/24"],
        "allocateLoadBalancerNodePorts": True,
    }


def test_a_load_balancer_takes_no_node_ports_unless_asked() -> None:
    rendered = render(METADATA, make_spec(type=ExposureType.LOAD_BALANCER))

    assert rendered["spec"]["allocateLoadBalancerNodePorts"] is False


def test_an_empty_selector_is_left_out() -> None:
    assert "selector" not in render(METADATA, make_spec(selector={}))["spec"]


def test_the_allocation_is_stated_on_a_copy() -> None:
    manifest = render(METADATA, make_spec())

    stated = with_ports(manifest, allocate(30001, health_check=30002))

    assert stated["spec"]["ports"][0]["nodePort"] == 30001
    assert stated["spec"]["healthCheckNodePort"] == 30002
    assert "nodePort" not in manifest["spec"]["ports"][0]


# Digest.


def test_the_digest_is_the_sha256_of_the_canonical_json() -> None:
    canonical = (
        '{"cluster":"prod","lifetime_seconds":3600,"manifest":{"apiVersion":"v1","kind":"Service",'
        '"metadata":{"name":"web","namespace":"shop"},"spec":{"ports":[{"port":80,"protocol":"TCP",'
        '"targetPort":80}],"selector":{"app":"web"},"type":"NodePort"}},'
        '"not_before":"2026-03-01T08:00:00+00:00","replace":false}'
    )
    spec = make_spec(lifetime=3600, not_before=datetime(2026, 3, 1, 8, tzinfo=UTC))

    assert digest_of(spec) == "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    assert digest_of(spec) == "sha256:e75b085bba51120fa824ba4f5b374d2e3143f09dd02562148d4813916ee7ef08"


def test_a_chosen_port_is_not_content() -> None:
    manifest = render(METADATA, make_spec())
    before = digest(METADATA, make_spec(), manifest)
    with_ports(manifest, allocate(30001))

    assert digest(METADATA, make_spec(), manifest) == before


def test_an_asked_port_is_content() -> None:
    asked = make_spec(ports=(ServicePort(port=80, node_port=30080),))

    assert digest_of(asked) != digest_of(make_spec())


@pytest.mark.parametrize(
    "change",
    [
        {"lifetime": 60},
        {"not_before": datetime(2026, 3, 1, tzinfo=UTC)},
        {"replace": True},
        {"selector": {"app": "other"}},
        {"type": ExposureType.CLUSTER_IP},
        {"external_traffic_policy": "Local"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_reviewer_approves_is_content(change: dict[str, Any]) -> None:
    assert digest_of(make_spec(**change)) != digest_of(make_spec())


def test_the_cluster_is_content() -> None:
    assert digest_of(make_spec(), replace(METADATA, cluster="dev")) != digest_of(make_spec())


def test_the_justification_and_the_order_of_keys_are_not_content() -> None:
    spec = make_spec(selector={"a": "1", "b": "2"})
    same = make_spec(selector={"b": "2", "a": "1"}, justification="other words")

    assert digest_of(spec) == digest_of(same)


# The owner mark.


def test_a_mark_reads_as_it_was_written() -> None:
    assert Mark.of(with_mark(render(METADATA, make_spec()), MARK)) == MARK


def test_a_mark_keeps_the_manifests_own_annotations() -> None:
    balancer = LoadBalancer(annotations={"example.com/scheme": "internal"})
    manifest = render(METADATA, make_spec(type=ExposureType.LOAD_BALANCER, load_balancer=balancer))

    assert with_mark(manifest, MARK)["metadata"]["annotations"]["example.com/scheme"] == "internal"


@pytest.mark.parametrize(
    ("labels", "annotations"),
    [
        (None, None),
        ({}, MARK.annotations()),
        ({"app.kubernetes.io/managed-by": "Helm"}, MARK.annotations()),
        ({"app.kubernetes.io/managed-by": "wharfinger"}, None),
        ({"app.kubernetes.io/managed-by": "wharfinger"}, {"wharfinger.dev/exposure-id": str(UUID(int=7))}),
        (
            {"app.kubernetes.io/managed-by": "wharfinger"},
            MARK.annotations() | {"wharfinger.dev/exposure-id": "mine"},
        ),
        (
            {"app.kubernetes.io/managed-by": "wharfinger"},
            MARK.annotations() | {"wharfinger.dev/revision": "x"},
        ),
    ],
    ids=["bare", "no-label", "other-manager", "label-only", "half", "no-uuid", "no-number"],
)
def test_a_strangers_service_has_no_mark(labels: Document | None, annotations: Document | None) -> None:
    metadata = {"name": "web", "labels": labels, "annotations": annotations}

    assert Mark.of({"metadata": metadata}) is None
