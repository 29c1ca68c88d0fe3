"""The forwarder on a real control plane: node ports and load-balancer addresses that answer, and stop."""

import itertools
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from devcluster import ControlPlane, Forwarder
from devcluster.hello import Hello, serve_pod
from devcluster.workload import add_node, add_pod, set_ready
from tests.devcluster.tools import wait_for
from tests.devcluster.traffic import expose, get, next_port, node_port_of, remove

_names = itertools.count(1)


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give the control plane with a Node and the forwarder that plays it."""
    add_node(control_plane.client("admin"))
    with Forwarder(control_plane):
        yield control_plane


@pytest.fixture
def namespace(cluster: ControlPlane) -> Iterator[str]:
    """Give a namespace with a workload that answers with its name; its Services go after the test."""
    name = f"traffic-{next(_names)}"
    cluster.add_namespace(name)
    with serve_pod(cluster, name, next(_names) % 100):
        yield name
        remove(cluster, name)


def address_of(cluster: ControlPlane, namespace: str) -> str:
    """Wait for the address that the load balancer gives."""

    def look() -> str:
        path = f"/api/v1/namespaces/{namespace}/services/web"
        balancer = cluster.client("admin").request("GET", path)["status"]["loadBalancer"]
        return str(balancer["ingress"][0]["ip"]) if balancer.get("ingress") else ""

    return wait_for(look, "an address")


def ask_by_datagram(address: str, port: int, source: str = "127.0.0.1") -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((source, 0))
        client.settimeout(0.5)
        try:
            client.sendto(b"who?", (address, port))
            return client.recv(100).decode()
        except OSError:
            return ""


def refuses(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


@contextmanager
def open_connection(port: int) -> Iterator[socket.socket]:
    """Give a connection through which an answer has come."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        yield client


def is_cut(client: socket.socket) -> bool:
    client.settimeout(10)
    try:
        while client.recv(4096):
            pass
    except ConnectionResetError:
        return True
    return True


def test_a_node_port_answers(cluster: ControlPlane, namespace: str) -> None:
    port = node_port_of(expose(cluster, namespace))

    assert wait_for(lambda: get("127.0.0.1", port), "an answer") == f"{namespace}\n"


def test_a_large_answer_comes_whole(cluster: ControlPlane, namespace: str) -> None:
    text = "x" * 100_000
    with Hello(text) as hello:
        labels = {"app": "large"}
        add_pod(
            cluster.client("admin"),
            namespace,
            "large",
            labels,
            "192.0.2.150",
            {"http": 8000},
            local_ports={8000: hello.port},
        )
        port = node_port_of(expose(cluster, namespace, selector=labels))

        assert wait_for(lambda: get("127.0.0.1", port), "an answer") == f"{text}\n"


def test_a_node_port_answers_udp(cluster: ControlPlane, namespace: str) -> None:
    number = next_port()
    port = {"name": "dns", "port": 53, "targetPort": 8000, "protocol": "UDP", "nodePort": number}
    expose(cluster, namespace, ports=[port])

    assert wait_for(lambda: ask_by_datagram("127.0.0.1", number), "an answer") == namespace


def test_nothing_answers_after_the_service_is_deleted(cluster: ControlPlane, namespace: str) -> None:
    port = node_port_of(expose(cluster, namespace))
    wait_for(lambda: get("127.0.0.1", port), "an answer")

    remove(cluster, namespace)

    wait_for(lambda: refuses("127.0.0.1", port), "the port refuses")


def test_open_connections_end_with_the_service(cluster: ControlPlane, namespace: str) -> None:
    port = node_port_of(expose(cluster, namespace))
    wait_for(lambda: get("127.0.0.1", port), "an answer")

    with open_connection(port) as client:
        remove(cluster, namespace)

        assert is_cut(client)


def test_a_changed_node_port_moves(cluster: ControlPlane, namespace: str) -> None:
    service = expose(cluster, namespace)
    old, new = node_port_of(service), next_port()
    wait_for(lambda: get("127.0.0.1", old), "an answer")

    service["spec"]["ports"][0]["nodePort"] = new
    cluster.client("admin").request("PUT", f"/api/v1/namespaces/{namespace}/services/web", service)

    assert wait_for(lambda: get("127.0.0.1", new), "an answer at the new port") == f"{namespace}\n"
    wait_for(lambda: refuses("127.0.0.1", old), "the old port refuses")


def test_a_pod_that_is_not_ready_gets_nothing(cluster: ControlPlane, namespace: str) -> None:
    port = node_port_of(expose(cluster, namespace))
    wait_for(lambda: get("127.0.0.1", port), "an answer")

    with open_connection(port) as client:
        set_ready(cluster.client("admin"), namespace, "hello", False, "192.0.2.99")

        assert is_cut(client)
    wait_for(lambda: refuses("127.0.0.1", port), "the port refuses")


def test_a_load_balancer_gets_an_address_that_answers(cluster: ControlPlane, namespace: str) -> None:
    expose(cluster, namespace, "LoadBalancer")

    address = address_of(cluster, namespace)

    assert re.fullmatch(r"127\.0\.1\.\d+", address)
    assert wait_for(lambda: get(address, 8080), "an answer") == f"{namespace}\n"


def test_a_load_balancer_needs_no_node_ports(cluster: ControlPlane, namespace: str) -> None:
    port = {"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}
    expose(cluster, namespace, "LoadBalancer", allocateLoadBalancerNodePorts=False, ports=[port])

    address = address_of(cluster, namespace)

    assert wait_for(lambda: get(address, 8080), "an answer") == f"{namespace}\n"


def test_a_load_balancers_address_refuses_after_the_service_is_deleted(
    cluster: ControlPlane, namespace: str
) -> None:
    expose(cluster, namespace, "LoadBalancer")
    address = address_of(cluster, namespace)
    wait_for(lambda: get(address, 8080), "an answer")

    remove(cluster, namespace)

    wait_for(lambda: refuses(address, 8080), "the address refuses")


@pytest.mark.parametrize(("ask", "protocol"), [(get, "TCP"), (ask_by_datagram, "UDP")], ids=["tcp", "udp"])
def test_a_load_balancer_answers_only_its_source_ranges(
    cluster: ControlPlane, namespace: str, ask: Callable[..., str], protocol: str
) -> None:
    port = {"name": "", "port": 8080, "targetPort": 8000, "protocol": protocol}
    ranges = ["127.0.0.8/30"]
    expose(cluster, namespace, "LoadBalancer", ports=[port], loadBalancerSourceRanges=ranges)
    address = address_of(cluster, namespace)

    answer = wait_for(lambda: ask(address, 8080, "127.0.0.9"), "an answer to who may ask")

    assert answer.strip() == namespace
    assert ask(address, 8080, "127.0.0.1") == ""


def test_the_annotation_is_what_leads_to_the_process(cluster: ControlPlane, namespace: str) -> None:
    port = node_port_of(expose(cluster, namespace))
    wait_for(lambda: get("127.0.0.1", port), "an answer")
    with Hello("another") as other:
        annotation = {"devcluster.wharfinger.dev/local-port": json.dumps({"8000": other.port})}
        path = f"/api/v1/namespaces/{namespace}/pods/hello"
        cluster.client("admin").request("PATCH", path, {"metadata": {"annotations": annotation}})

        wait_for(lambda: get("127.0.0.1", port) == "another\n", "the other process answers")
