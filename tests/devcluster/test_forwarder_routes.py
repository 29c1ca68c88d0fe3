"""What the cluster asks of its node: from objects to listeners."""

import json
from typing import Any

import pytest

from devcluster.forwarder.routes import LOCAL_PORT, Key, Route, assign_addresses, find_routes

Document = dict[str, Any]


def make_service(kind: str = "NodePort", **spec: Any) -> Document:
    port = {"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30007}
    return {
        "metadata": {"namespace": "team-a", "name": "hello", "uid": "s"},
        "spec": {"type": kind, "ports": [port], **spec},
    }


def make_balancer(ingress: str | None = "127.0.1.5", **spec: Any) -> Document:
    status = {"loadBalancer": {"ingress": [{"ip": ingress}]}} if ingress else {"loadBalancer": {}}
    return {**make_service("LoadBalancer", **spec), "status": status}


def make_slice(pod: str = "hello-1", ready: bool | None = True, port: Document | None = None) -> Document:
    conditions = {} if ready is None else {"ready": ready}
    return {
        "metadata": {"namespace": "team-a", "labels": {"kubernetes.io/service-name": "hello"}},
        "ports": [port or {"name": "http", "port": 8000, "protocol": "TCP"}],
        "endpoints": [{"conditions": conditions, "targetRef": {"kind": "Pod", "name": pod}}],
    }


def make_pod(name: str = "hello-1", ports: str | None = None) -> Document:
    annotation = json.dumps({"8000": 41000}) if ports is None else ports
    return {"metadata": {"namespace": "team-a", "name": name, "annotations": {LOCAL_PORT: annotation}}}


def routes(service: Document, *slices: Document, pods: list[Document] | None = None) -> dict[Key, Route]:
    return find_routes([service], slices or [make_slice()], [make_pod()] if pods is None else pods)


def test_a_node_port_leads_to_the_local_port_of_a_ready_pod() -> None:
    assert routes(make_service()) == {Key("127.0.0.1", 30007, "TCP"): Route("team-a/hello", (41000,))}


def test_several_pods_share_a_node_port() -> None:
    pods = [make_pod(), make_pod("hello-2", '{"8000": 41001}')]

    found = routes(make_service(), make_slice(), make_slice("hello-2"), pods=pods)

    assert [route.backends for route in found.values()] == [(41000, 41001)]


def test_unknown_readiness_counts_as_ready() -> None:
    assert len(routes(make_service(), make_slice(ready=None))) == 1


@pytest.mark.parametrize(
    ("service", "piece", "pod"),
    [
        (make_service("ClusterIP"), make_slice(), make_pod()),
        (make_service(), make_slice(ready=False), make_pod()),
        (make_service(), make_slice("another"), make_pod()),
        (make_service(), make_slice(), make_pod(ports="nonsense")),
        (make_service(), make_slice(), make_pod(ports='["8000"]')),
        (make_service(), make_slice(port={"name": "dns", "port": 8000, "protocol": "TCP"}), make_pod()),
        (make_service(), make_slice(port={"name": "http", "port": 8000, "protocol": "UDP"}), make_pod()),
        (make_service(), make_slice(port={"name": "http", "port": 9000, "protocol": "TCP"}), make_pod()),
    ],
    ids=[
        "cluster ip",
        "pod not ready",
        "pod unknown",
        "annotation no json",
        "annotation no object",
        "other port name",
        "other protocol",
        "other port",
    ],
)
def test_nothing_listens_without_somebody_behind_it(
    service: Document, piece: Document, pod: Document
) -> None:
    assert routes(service, piece, pods=[pod]) == {}


def test_a_service_that_is_being_deleted_has_no_listener() -> None:
    service = make_service()
    service["metadata"]["deletionTimestamp"] = "2030-01-01T12:00:00Z"

    assert routes(service) == {}


def test_a_slice_of_a_service_of_that_name_elsewhere_is_not_taken() -> None:
    piece = make_slice()
    piece["metadata"]["namespace"] = "team-b"

    assert routes(make_service(), piece) == {}


def test_a_load_balancer_listens_at_its_address_and_its_node_port() -> None:
    found = routes(make_balancer())

    assert set(found) == {Key("127.0.0.1", 30007, "TCP"), Key("127.0.1.5", 80, "TCP")}


def test_source_ranges_hold_at_the_address_and_not_at_the_node_port() -> None:
    found = routes(make_balancer(loadBalancerSourceRanges=["127.0.0.8/30", " 10.0.0.0/8"]))

    admitted = {
        key.address: [client for client in ("127.0.0.1", "127.0.0.9", "10.1.2.3") if route.admits(client)]
        for key, route in found.items()
    }
    assert admitted == {
        "127.0.0.1": ["127.0.0.1", "127.0.0.9", "10.1.2.3"],
        "127.0.1.5": ["127.0.0.9", "10.1.2.3"],
    }


def test_a_load_balancer_without_address_gets_one_that_is_free() -> None:
    waiting = make_balancer(None)
    waiting["metadata"]["name"] = "waiting"

    assert assign_addresses([make_balancer("127.0.1.5"), waiting], start=4) == {"team-a/waiting": "127.0.1.6"}


def test_addresses_begin_again_at_the_networks_start() -> None:
    assert assign_addresses([make_balancer(None)], start=254) == {"team-a/hello": "127.0.1.1"}


def test_a_load_balancer_keeps_its_address() -> None:
    assert assign_addresses([make_balancer("127.0.1.5")], start=0) == {}


def test_an_address_of_somebody_elses_balancer_is_not_ours() -> None:
    assert assign_addresses([make_balancer("203.0.113.7")], start=0) == {"team-a/hello": "127.0.1.1"}
