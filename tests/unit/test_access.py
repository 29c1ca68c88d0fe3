"""How to reach what is live: addresses ready to use and commands ready to paste, for each type."""

from typing import Any

import pytest

from service.domain.exposure import (
    Allocation,
    ClusterView,
    Decision,
    ExposureRecord,
    Intent,
    NodePort,
    PortOrigin,
    SyncState,
)
from service.domain.plan import FOREIGN_OWNER
from service.domain.spec import Document, ExposureType, LoadBalancer
from service.domain.status import access
from tests.builders import (
    NOON,
    make_exposure,
    make_port,
    make_record,
    make_revision,
    make_spec,
    make_sync,
)

INSIDE = "hello.team-a.svc:80"


def reach(record: ExposureRecord) -> list[list[str]]:
    """Return the addresses of each port."""
    return [port["addresses"] for port in access(record)]


def balanced(*ingress: Document, allocate: bool = False, **fields: Any) -> ExposureRecord:
    balancer = LoadBalancer(allocate_node_ports=allocate)
    spec = make_spec(type=ExposureType.LOAD_BALANCER, load_balancer=balancer)
    allocation = Allocation((NodePort(30001, PortOrigin.CHOSEN),) if allocate else ())
    sync = make_sync(ingress=ingress)
    return make_record(make_revision(spec, allocation=allocation), sync=sync, **fields)


def test_a_cluster_ip_is_reached_by_its_name_and_by_kubectl() -> None:
    record = make_record(make_revision(make_spec(type=ExposureType.CLUSTER_IP)))

    assert access(record) == [
        {
            "name": "http",
            "port": 80,
            "protocol": "TCP",
            "addresses": [INSIDE],
            "commands": [
                "kubectl port-forward --namespace team-a service/hello 8080:80",
                "kubectl get --raw /api/v1/namespaces/team-a/services/hello:http/proxy/",
            ],
        }
    ]


def test_a_node_port_is_reached_at_every_node() -> None:
    record = make_record(view=ClusterView(("192.0.2.10", "192.0.2.11"), NOON))

    assert reach(record) == [["192.0.2.10:30007", "192.0.2.11:30007", INSIDE]]


def test_a_nodes_ipv6_address_stands_in_brackets() -> None:
    record = make_record(view=ClusterView(("2001:db8::1",), NOON))

    assert reach(record) == [["[2001:db8::1]:30007", INSIDE]]


def test_each_port_has_its_own_node_port() -> None:
    ports = (make_port(node_port=30007), make_port(name="admin", port=8443, node_port=30008))
    record = make_record(make_revision(make_spec(ports=ports)))

    assert reach(record) == [
        ["192.0.2.10:30007", INSIDE],
        ["192.0.2.10:30008", "hello.team-a.svc:8443"],
    ]


def test_no_node_no_node_address() -> None:
    assert reach(make_record(view=ClusterView((), NOON))) == [[INSIDE]]


@pytest.mark.parametrize(
    ("ingress", "address"),
    [
        ({"ip": "192.0.2.80"}, "192.0.2.80:80"),
        ({"ip": "2001:db8::80"}, "[2001:db8::80]:80"),
        ({"hostname": "lb.example.com"}, "lb.example.com:80"),
    ],
    ids=["ipv4", "ipv6", "hostname"],
)
def test_a_load_balancer_is_reached_where_it_says(ingress: Document, address: str) -> None:
    assert reach(balanced(ingress)) == [[address, INSIDE]]


def test_every_address_of_a_load_balancer_is_shown() -> None:
    record = balanced({"ip": "192.0.2.80"}, {"hostname": "lb.example.com"})

    assert reach(record) == [["192.0.2.80:80", "lb.example.com:80", INSIDE]]


def test_a_load_balancer_without_an_address_yet_is_reached_inside_only() -> None:
    assert reach(balanced()) == [[INSIDE]]


def test_a_load_balancer_with_node_ports_is_reached_at_the_nodes_too() -> None:
    assert reach(balanced({"ip": "192.0.2.80"}, allocate=True)) == [
        ["192.0.2.80:80", "192.0.2.10:30001", INSIDE]
    ]


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_kubectl_forwards_tcp_alone(protocol: str) -> None:
    port = make_port(protocol=protocol, node_port=30007)
    [shown] = access(make_record(make_revision(make_spec(ports=(port,)))))

    assert shown["commands"] == []
    assert shown["addresses"] == ["192.0.2.10:30007", INSIDE]


def test_a_port_without_a_name_is_proxied_by_its_number() -> None:
    port = make_port(name=None, port=8443)
    [shown] = access(make_record(make_revision(make_spec(type=ExposureType.CLUSTER_IP, ports=(port,)))))

    assert shown["commands"] == [
        "kubectl port-forward --namespace team-a service/hello 8443:8443",
        "kubectl get --raw /api/v1/namespaces/team-a/services/hello:8443/proxy/",
    ]


def test_while_a_change_waits_the_live_revision_is_what_is_reached() -> None:
    wider = make_spec(ports=(make_port(port=81, node_port=30007),))
    record = make_record(make_revision(), make_revision(wider, number=2, decision=Decision.APPROVED))

    assert reach(record) == [["192.0.2.10:30007", INSIDE]]


def test_a_failed_change_leaves_the_live_revision_reachable() -> None:
    record = make_record(
        make_revision(),
        make_revision(number=2, decision=Decision.APPROVED),
        sync=make_sync(state=SyncState.FAILED, reason="Forbidden"),
    )

    assert reach(record) == [["192.0.2.10:30007", INSIDE]]


def test_what_was_last_seen_is_shown_while_the_cluster_cannot_be_read() -> None:
    record = make_record(view=ClusterView(("192.0.2.10",), NOON, "connection refused"))

    assert reach(record) == [["192.0.2.10:30007", INSIDE]]


@pytest.mark.parametrize("decision", [d for d in Decision if d is not Decision.LIVE])
def test_what_is_not_live_cannot_be_reached(decision: Decision) -> None:
    assert access(make_record(make_revision(decision=decision))) == []


@pytest.mark.parametrize("intent", [Intent.ABSENT, Intent.SUSPENDED])
def test_what_is_not_to_stay_is_not_advertised(intent: Intent) -> None:
    assert access(make_record(exposure=make_exposure(intent=intent))) == []


@pytest.mark.parametrize(
    "sync",
    [
        make_sync(state=SyncState.REMOVED, uid=None),
        make_sync(state=SyncState.APPLYING, uid=None),
        make_sync(state=SyncState.FAILED, uid=None, reason="NodePortTaken"),
        make_sync(state=SyncState.FAILED, reason=FOREIGN_OWNER),
    ],
    ids=["removed", "missed", "cannot-be-made-again", "a-stranger-has-the-name"],
)
def test_what_the_cluster_does_not_have_is_not_advertised(sync: Any) -> None:
    assert access(make_record(sync=sync)) == []
