"""Rules over several fields judge what could be read, and nothing that could not."""

import pytest

from service.domain.rules import spec_faults


def a_port(**fields):
    return {
        "name": None,
        "port": 80,
        "target_port": None,
        "protocol": "TCP",
        "app_protocol": None,
        "node_port": None,
    } | fields


def a_spec(*ports, **fields):
    plain = {"type": "NodePort", "external_traffic_policy": None, "load_balancer": None}
    return plain | {"ports": list(ports)} | fields


def pointers(spec):
    return [fault.pointer for fault in spec_faults(spec)]


GOOD = [
    a_spec(a_port()),
    a_spec(a_port(node_port=30000)),
    a_spec(a_port(name="a", node_port=30000), a_port(name="b", node_port=30000, protocol="UDP")),
    a_spec(a_port(name="a"), a_port(name="b", protocol="UDP")),
    a_spec(a_port(node_port=30000), type="LoadBalancer", load_balancer={"allocate_node_ports": True}),
    a_spec(a_port(), external_traffic_policy="Local"),
]


@pytest.mark.parametrize("spec", GOOD)
def test_good_specifications_have_no_fault(spec):
    assert pointers(spec) == []


UNREAD = [
    {},
    {"ports": [None, {}]},
    a_spec(None, a_port(name="a", node_port=30000)),
    {"ports": [a_port(node_port=30000)], "load_balancer": {}},
    {"type": "LoadBalancer", "ports": [a_port(node_port=30000)]},
    {"type": "LoadBalancer", "ports": [a_port(node_port=30000)], "load_balancer": {"source_ranges": []}},
    a_spec({"port": 80, "protocol": "TCP"}, a_port(name="a", port=81)),
    a_spec({"name": "a", "port": 80, "node_port": 30000}, a_port(name="b", node_port=30000)),
]


@pytest.mark.parametrize("spec", UNREAD)
def test_what_could_not_be_read_is_not_judged(spec):
    assert pointers(spec) == []


def test_a_load_balancer_has_no_node_ports_unless_it_says_so():
    for balancer in (None, {"allocate_node_ports": False}):
        spec = a_spec(a_port(node_port=30000), type="LoadBalancer", load_balancer=balancer)
        assert pointers(spec) == ["#/spec/ports/0/node_port"]


@pytest.mark.parametrize("protocols", [("TCP", "TCP"), ("TCP", "SCTP"), ("UDP", "SCTP")])
def test_only_tcp_and_udp_share_a_node_port(protocols):
    ports = (
        a_port(name=p + str(i), port=80 + (protocols[0] == protocols[1]) * i, protocol=p, node_port=30000)
        for i, p in enumerate(protocols)
    )
    assert pointers(a_spec(*ports)) == ["#/spec/ports/1/node_port"]


@pytest.mark.parametrize(("udp_port", "faulty"), [(53, []), (54, ["#/spec/ports/1/node_port"])])
def test_tcp_and_udp_share_a_node_port_when_their_service_port_is_equal(udp_port, faulty):
    tcp = a_port(name="tcp", port=53, protocol="TCP", node_port=30000)
    udp = a_port(name="udp", port=udp_port, protocol="UDP", node_port=30000)
    assert pointers(a_spec(tcp, udp)) == faulty


def test_three_ports_never_share_a_node_port():
    ports = (a_port(name=p.lower(), protocol=p, node_port=30000) for p in ("TCP", "UDP", "SCTP"))
    assert pointers(a_spec(*ports)) == ["#/spec/ports/1/node_port", "#/spec/ports/2/node_port"]
