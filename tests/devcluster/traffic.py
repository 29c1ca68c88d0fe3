"""Services that lead to the workload ``hello``, and clients of them."""

import itertools
from typing import Any

import urllib3

from devcluster import ControlPlane
from tests.devcluster.tools import node_ports

Document = dict[str, Any]
_ports = itertools.count(int(node_ports().split("-")[0]))


def next_port() -> int:
    """Return a node port that no other test has."""
    return next(_ports)


def expose(cluster: ControlPlane, namespace: str, kind: str = "NodePort", **overrides: Any) -> Document:
    """Create a Service of the workload; ``overrides`` are for its spec."""
    node_port = next_port()
    port = {"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP", "nodePort": node_port}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"type": kind, "selector": {"app": "hello"}, "ports": [port], **overrides},
    }
    return cluster.client("admin").request("POST", f"/api/v1/namespaces/{namespace}/services", service)


def node_port_of(service: Document) -> int:
    return int(service["spec"]["ports"][0]["nodePort"])


def remove(cluster: ControlPlane, namespace: str) -> None:
    """Delete the Services of a namespace."""
    admin, path = cluster.client("admin"), f"/api/v1/namespaces/{namespace}/services"
    for service in admin.request("GET", path)["items"]:
        admin.request("DELETE", f"{path}/{service['metadata']['name']}")


def get(address: str, port: int, source: str = "127.0.0.1") -> str:
    """Return the answer's body, empty when there is none."""
    with urllib3.HTTPConnectionPool(
        address, port, retries=False, timeout=2, source_address=(source, 0)
    ) as pool:
        try:
            return pool.request("GET", "/any/path").data.decode()
        except urllib3.exceptions.HTTPError:
            return ""
