"""Services for the contract suite."""

from typing import Any

Document = dict[str, Any]


def make_service(namespace: str, name: str = "web", **spec: Any) -> Document:
    """Return a NodePort Service with one port, whose spec fields can be overridden."""
    defaults: Document = {
        "type": "NodePort",
        "selector": {"app": name},
        "ports": [make_port(80)],
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": defaults | spec,
    }


def make_port(port: int, node_port: int | None = None, name: str = "http", protocol: str = "TCP") -> Document:
    """Return one complete port of a Service."""
    rendered = {"name": name, "port": port, "targetPort": port, "protocol": protocol, "nodePort": node_port}
    return {field: value for field, value in rendered.items() if value is not None}


def numbers(service: Document) -> list[int | None]:
    """Return the node port of each port."""
    return [port.get("nodePort") for port in service["spec"]["ports"]]
