"""What is kept of a cluster's objects, and what it says in the product's words. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.plan import Observed, Ref
from service.domain.spec import Document

SERVICE_NAME = "kubernetes.io/service-name"

_IDENTITY = ("namespace", "name", "uid", "resourceVersion", "labels", "annotations")
_METADATA = (*_IDENTITY, "deletionTimestamp", "finalizers")
_APPLIED_BY_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"
"""A second copy of the whole object."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """One EndpointSlice: which numbers its pods have for each port, and who of them is ready.

    Attributes:
        ports: port name, protocol and number.
        ready: each ready pod once, by its uid where it is known.
    """

    name: str
    ports: frozenset[tuple[str, str, int]]
    ready: frozenset[str]


def trimmed(service: Mapping[str, Any]) -> Document:
    """Return a Service with the fields that are used: managedFields alone are often half of it."""
    metadata, status = service["metadata"], service.get("status") or {}
    kept: Document = {field: metadata[field] for field in _METADATA if field in metadata}
    if _APPLIED_BY_KUBECTL in (kept.get("annotations") or {}):
        kept["annotations"] = {k: v for k, v in kept["annotations"].items() if k != _APPLIED_BY_KUBECTL}
    return {
        "metadata": kept,
        "spec": service["spec"],
        "status": {"loadBalancer": status.get("loadBalancer") or {}},
    }


def trimmed_slice(piece: Mapping[str, Any]) -> Document:
    """Return an EndpointSlice with the fields that are used."""
    metadata = piece["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_NAME)
    return {
        "metadata": {
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "labels": {SERVICE_NAME: name} if name else {},
        },
        "ports": piece.get("ports"),
        "endpoints": [
            {
                "addresses": endpoint["addresses"][:1],
                "conditions": endpoint.get("conditions"),
                "targetRef": {"uid": (endpoint.get("targetRef") or {}).get("uid")},
            }
            for endpoint in piece.get("endpoints") or ()
        ],
    }


def trimmed_node(node: Mapping[str, Any]) -> Document:
    """Return a Node with the fields that are used: the images on it alone are often most of it."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    return {
        "metadata": {"name": node["metadata"]["name"]},
        "spec": {"unschedulable": spec.get("unschedulable")},
        "status": {"conditions": status.get("conditions"), "addresses": status.get("addresses")},
    }


def owner_of(piece: Mapping[str, Any]) -> Ref | None:
    """Return the key of the Service that an EndpointSlice belongs to."""
    metadata = piece["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_NAME)
    return Ref(metadata["namespace"], name) if name else None


def endpoints_of(piece: Mapping[str, Any]) -> Endpoints:
    """Return what an EndpointSlice says. A condition that is not said counts as ready.

    A pod with addresses of both families stands in two slices, and counts once.
    """
    ports = (
        (port.get("name") or "", port.get("protocol", "TCP"), port.get("port") or 0)
        for port in piece.get("ports") or ()
    )
    ready = (
        (endpoint.get("targetRef") or {}).get("uid") or endpoint["addresses"][0]
        for endpoint in piece.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
    )
    return Endpoints(piece["metadata"]["name"], frozenset(ports), frozenset(ready))


def ready_endpoints(service: Observed, slices: Iterable[Endpoints]) -> int:
    """Return how many endpoints serve every port of a Service.

    A port that no slice names is served by nobody: so is one whose named target port no pod has.
    """
    slices = tuple(slices)
    ports = service.service["spec"].get("ports") or ()
    return min(
        (_serving(slices, port.get("name", ""), port.get("protocol", "TCP")) for port in ports), default=0
    )


def _serving(slices: Iterable[Endpoints], name: str, protocol: str) -> int:
    found: set[str] = set()
    for piece in slices:
        if any(port[:2] == (name, protocol) for port in piece.ports):
            found |= piece.ready
    return len(found)


def resolved_ports(slices: Iterable[Endpoints]) -> Mapping[tuple[str, str], frozenset[int]]:
    """Return, for each port by name and protocol, the numbers that ready pods have behind it."""
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for piece in slices:
        if piece.ready:
            for name, protocol, number in piece.ports:
                found[name, protocol].add(number)
    return {port: frozenset(numbers) for port, numbers in found.items()}


def addresses_of(node: Mapping[str, Any]) -> tuple[str, ...]:
    """Return where a ready, schedulable node answers: its external addresses, else its internal."""
    status = node.get("status") or {}
    is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    if not is_ready or (node.get("spec") or {}).get("unschedulable"):
        return ()
    by_type: dict[str, list[str]] = defaultdict(list)
    for address in status.get("addresses") or ():
        by_type[address["type"]].append(address["address"])
    return tuple(by_type["ExternalIP"] or by_type["InternalIP"])


def ingress(service: Observed) -> tuple[Document, ...]:
    """Return the addresses that the load balancer gave: each ``{ip}`` or ``{hostname}``."""
    items = ((service.service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    addresses = ({kind: item[kind] for kind in ("ip", "hostname") if item.get(kind)} for item in items)
    return tuple(address for address in addresses if address)
