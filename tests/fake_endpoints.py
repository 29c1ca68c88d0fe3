"""What the endpoints controller writes: a Service's pods, with the ports that they have for it."""

import uuid
from typing import Any

Document = dict[str, Any]
NAMED_PORT = 8000
"""The number that every pod has for a target port's name, whatever it is, unless it is said to be another."""


def slice_of_pods(namespace: str, service: str, ready: int, unready: int) -> Document:
    """Return a slice with that many pods; ``slice_ports`` gives what its Service adds."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": namespace,
            "name": f"{service}-fake1",
            "labels": {"kubernetes.io/service-name": service},
            "uid": str(uuid.uuid4()),
            "resourceVersion": "0",
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [f"192.0.2.{number + 1}"],
                "conditions": {"ready": number < ready},
                "targetRef": {
                    "kind": "Pod",
                    "namespace": namespace,
                    "name": f"{service}-{number}",
                    "uid": str(uuid.uuid4()),
                },
            }
            for number in range(ready + unready)
        ],
    }


def slice_ports(service: Document, named_port: int) -> list[Document]:
    """Return a slice's ports: by the Service's port name, with the number that the pods have for it."""
    return [
        {
            "name": port.get("name", ""),
            "port": port["targetPort"] if isinstance(port["targetPort"], int) else named_port,
            "protocol": port["protocol"],
        }
        for port in service["spec"]["ports"]
    ]
