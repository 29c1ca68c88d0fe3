"""Nodes and Pods without a kubelet: objects whose status says what a kubelet would have written.

The controller manager cannot tell the difference and makes real EndpointSlices of them; the forwarder finds
the process that really serves a Pod by an annotation. All functions may be repeated.
"""

import json
from collections.abc import Mapping

from devcluster.client import Client
from devcluster.forwarder.routes import LOCAL_PORT

NODE = "node-1"


def add_node(client: Client, name: str = NODE, address: str = "127.0.0.1") -> None:
    """Make a Node that is ready and has one InternalIP."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    client.apply(f"/api/v1/nodes/{name}", node)
    status = {
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "devcluster"}
        ],
    }
    client.apply(f"/api/v1/nodes/{name}/status", {**node, "status": status})
    # Admission put this on the new Node; only a node-lifecycle controller, which does not run, would lift it.
    client.request("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}})


def add_pod(  # noqa: PLR0913 -- each is a fact of the Pod, and all are needed
    client: Client,
    namespace: str,
    name: str,
    labels: Mapping[str, str],
    ip: str,
    ports: Mapping[str, int],
    *,
    local_ports: Mapping[int, int] | None = None,
    node: str = NODE,
) -> None:
    """Make a Pod that runs and is ready.

    Args:
        client: an admin's.
        namespace: ControlPlane.add_namespace has made it.
        name: the Pod's.
        labels: what a Service selects it by.
        ip: 192.0.2.x, the range for documentation: nothing is ever sent there.
        ports: container port by its name.
        local_ports: container port → the port of 127.0.0.1 that serves it, for the forwarder.
        node: the Node that it is bound to.
    """
    container = {
        "name": "main",
        "image": "none",
        "ports": [{"name": port, "containerPort": number} for port, number in ports.items()],
    }
    annotation = json.dumps({str(number): local for number, local in (local_ports or {}).items()})
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels), "annotations": {LOCAL_PORT: annotation}},
        "spec": {"nodeName": node, "containers": [container]},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    client.apply(path, pod)
    set_ready(client, namespace, name, True, ip)


def set_ready(client: Client, namespace: str, name: str, ready: bool, ip: str) -> None:
    """Write a Pod's status: it runs at this address, and is ready or not."""
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [condition]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "status": status}
    client.apply(f"/api/v1/namespaces/{namespace}/pods/{name}/status", pod)
