"""What a cluster has: ready endpoints, node addresses, the load balancer's addresses."""

from typing import Any

import pytest

from service.domain.plan import Observed
from service.domain.spec import Document
from service.reconciler.observe import addresses_of, endpoints_of, ingress, ready_endpoints, resolved_ports
from tests.builders import (
    make_desired,
    make_endpoint,
    make_manifest,
    make_node,
    make_observed,
    make_port,
    make_service,
    make_slice,
    make_spec,
)

HTTP = {"name": "http", "port": 8000, "protocol": "TCP"}
ADMIN = {"name": "admin", "port": 9000, "protocol": "TCP"}


def make_two_port_service() -> Observed:
    ports = (make_port(node_port=30007), make_port(name="admin", port=81, node_port=30008))
    return make_observed(make_desired(manifest=make_manifest(make_spec(ports=ports))))


def count(*slices: Document, service: Observed | None = None) -> int:
    """Return the ready endpoints that these slices give a Service."""
    return ready_endpoints(service or make_observed(), map(endpoints_of, slices))


# Endpoints.


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [({"ready": True}, 1), ({"ready": False}, 0), ({}, 1), ({"ready": None}, 1), (None, 1)],
    ids=["ready", "unready", "not-said", "nil", "no-conditions"],
)
def test_an_endpoint_is_ready_unless_it_is_said_not_to_be(conditions: Any, ready: int) -> None:
    assert count(make_slice({"addresses": ["192.0.2.1"], "conditions": conditions})) == ready


def test_ready_endpoints_are_counted() -> None:
    piece = make_slice(
        make_endpoint("192.0.2.1"), make_endpoint("192.0.2.2"), make_endpoint("192.0.2.3", ready=False)
    )

    assert count(piece) == 2


def test_the_slices_of_a_service_are_joined() -> None:
    assert count(make_slice(make_endpoint("192.0.2.1")), make_slice(make_endpoint("192.0.2.2"))) == 2


def test_a_pod_with_addresses_of_both_families_counts_once() -> None:
    four = make_slice(make_endpoint("192.0.2.1", pod="pod-1"))
    six = make_slice(make_endpoint("2001:db8::1", pod="pod-1"), addressType="IPv6")

    assert count(four, six) == 1


def test_an_endpoint_in_two_slices_counts_once() -> None:
    """The controller lists a pod twice for a moment while it moves it from slice to slice."""
    assert count(make_slice(make_endpoint("192.0.2.1")), make_slice(make_endpoint("192.0.2.1"))) == 1


def test_a_pod_that_is_ready_in_one_of_its_slices_is_ready() -> None:
    stale = make_slice(make_endpoint("192.0.2.1", ready=False, pod="pod-1"))

    assert count(stale, make_slice(make_endpoint("192.0.2.1", pod="pod-1"))) == 1


@pytest.mark.parametrize("ports", [[], None, [ADMIN]], ids=["empty", "null", "another"])
def test_a_named_target_port_that_no_pod_has_is_served_by_nobody(ports: Any) -> None:
    assert count(make_slice(make_endpoint(), ports=ports)) == 0


def test_a_port_of_another_protocol_is_another_port() -> None:
    assert count(make_slice(make_endpoint(), ports=[HTTP | {"protocol": "UDP"}])) == 0


def test_a_service_is_as_ready_as_its_weakest_port() -> None:
    both = make_slice(make_endpoint("192.0.2.1", pod="pod-1"), ports=[HTTP, ADMIN])
    one = make_slice(make_endpoint("192.0.2.2", pod="pod-2"), ports=[HTTP])

    assert count(both, one, service=make_two_port_service()) == 1


def test_a_port_that_nobody_serves_makes_the_service_unready() -> None:
    assert count(make_slice(make_endpoint()), service=make_two_port_service()) == 0


@pytest.mark.parametrize("name", ["", None])
def test_an_unnamed_port_is_found_in_its_slice(name: str | None) -> None:
    unnamed = make_desired(manifest=make_manifest(make_spec(ports=(make_port(name=None),))))
    piece = make_slice(make_endpoint(), ports=[HTTP | {"name": name}])

    assert count(piece, service=make_observed(unnamed)) == 1


def test_a_service_without_slices_or_ports_has_no_endpoint() -> None:
    bare = make_service()
    bare["spec"]["ports"] = []

    assert count() == 0
    assert count(make_slice(make_endpoint()), service=Observed(bare)) == 0
    assert ready_endpoints(make_observed(), ()) == 0


# Nodes.


@pytest.mark.parametrize("ready", ["False", "Unknown"])
def test_a_node_that_is_not_ready_answers_nowhere(ready: str) -> None:
    assert addresses_of(make_node(ready=ready)) == ()


def test_a_node_that_takes_no_pods_answers_nowhere() -> None:
    assert addresses_of(make_node(unschedulable=True)) == ()


@pytest.mark.parametrize("missing", ["conditions", "addresses"])
def test_a_node_that_has_just_joined_answers_nowhere(missing: str) -> None:
    node = make_node()
    del node["status"][missing]

    assert addresses_of(node) == ()
    assert addresses_of({"metadata": {"name": "node-2"}}) == ()


def test_external_addresses_go_before_internal_ones() -> None:
    outside = make_node(
        ("InternalIP", "192.0.2.11"), ("ExternalIP", "203.0.113.5"), ("ExternalIP", "203.0.113.4")
    )

    assert addresses_of(outside) == ("203.0.113.5", "203.0.113.4")
    assert addresses_of(make_node(("InternalIP", "192.0.2.10"), ("Hostname", "node-1"))) == ("192.0.2.10",)


# The numbers of target ports.


def test_the_numbers_behind_a_port_are_those_of_ready_pods() -> None:
    other = make_slice(make_endpoint("192.0.2.2"), ports=[HTTP | {"port": 9000}])
    idle = make_slice(make_endpoint("192.0.2.3", ready=False), ports=[HTTP | {"port": 22}])

    found = resolved_ports(map(endpoints_of, (make_slice(make_endpoint("192.0.2.1")), other, idle)))

    assert found == {("http", "TCP"): {8000, 9000}}


# Load balancers.


@pytest.mark.parametrize(
    ("status", "addresses"),
    [
        (
            {
                "loadBalancer": {
                    "ingress": [{"ip": "192.0.2.80", "ipMode": "VIP"}, {"hostname": "lb.example.com"}]
                }
            },
            ({"ip": "192.0.2.80"}, {"hostname": "lb.example.com"}),
        ),
        ({"loadBalancer": {"ingress": [{"ipMode": "VIP"}, {"ip": ""}]}}, ()),
        ({"loadBalancer": {"ingress": None}}, ()),
        ({"loadBalancer": {}}, ()),
        ({}, ()),
        (None, ()),
    ],
    ids=["both", "empty-items", "null", "none", "no-balancer", "no-status"],
)
def test_the_load_balancers_addresses_are_read(status: Any, addresses: tuple[Document, ...]) -> None:
    assert ingress(Observed(make_service() | {"status": status})) == addresses
