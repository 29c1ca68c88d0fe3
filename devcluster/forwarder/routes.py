"""What the cluster asks of its node: pure functions from objects to listeners. Nothing is opened here.

As on a real node, source ranges hold for the load balancer's address only: the node port beside it is open.
"""

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOCAL_PORT = "devcluster.wharfinger.dev/local-port"
"""A Pod's annotation: a JSON object from container port to the port of 127.0.0.1 that really serves it."""
NODE_ADDRESS = "127.0.0.1"
BALANCER_NETWORK = ipaddress.IPv4Network("127.0.1.0/24")
_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True)
class Key:
    """One listening socket. ``protocol`` is TCP or UDP."""

    address: str
    port: int
    protocol: str


@dataclass(frozen=True)
class Route:
    """Where a listener passes things on to, and for whom.

    ``backends`` are ports of 127.0.0.1, at least one; no ``sources`` means everybody.
    """

    owner: str
    backends: tuple[int, ...]
    sources: tuple[Network, ...] = ()

    def admits(self, address: str) -> bool:
        """Return whether a client of this address may use the route."""
        return not self.sources or any(ipaddress.ip_address(address) in network for network in self.sources)


def find_routes(
    services: Iterable[Document], slices: Iterable[Document], pods: Iterable[Document]
) -> dict[Key, Route]:
    """Return every listener that has a ready Pod behind it; as with kube-proxy, the others refuse."""
    local_ports = {_name_of(pod): _local_ports(pod) for pod in pods}
    by_service: dict[str, list[Document]] = {}
    for piece in slices:
        metadata = piece["metadata"]
        owner = metadata.get("labels", {}).get(_LABEL)
        by_service.setdefault(f"{metadata['namespace']}/{owner}", []).append(piece)
    routes: dict[Key, Route] = {}
    for service in services:
        for key, route in _routes_of(service, by_service.get(_name_of(service), []), local_ports):
            routes.setdefault(key, route)
    return routes


def assign_addresses(services: Iterable[Document], start: int) -> dict[str, str]:
    """Return the new address of each LoadBalancer Service that has none yet, by namespace/name.

    ``start`` says where in the network to begin, so that two clusters on one machine seldom give the same.
    """
    balancers = [service for service in services if service["spec"].get("type") == "LoadBalancer"]
    taken = {address for service in balancers if (address := ingress_of(service))}
    hosts = [str(host) for host in BALANCER_NETWORK.hosts()]
    start %= len(hosts)
    free = [host for host in hosts[start:] + hosts[:start] if host not in taken]
    waiting = [service for service in balancers if ingress_of(service) is None]
    return {_name_of(service): address for service, address in zip(waiting, free, strict=False)}


def ingress_of(service: Document) -> str | None:
    """Return the address that a LoadBalancer Service was given by us."""
    for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress", []):
        address = str(entry.get("ip", ""))
        if address and ipaddress.ip_address(address) in BALANCER_NETWORK:
            return address
    return None


def _routes_of(
    service: Document, slices: list[Document], local_ports: Mapping[str, Mapping[int, int]]
) -> Iterator[tuple[Key, Route]]:
    spec, owner = service["spec"], _name_of(service)
    if spec.get("type") not in ("NodePort", "LoadBalancer") or "deletionTimestamp" in service["metadata"]:
        return
    address = ingress_of(service) if spec["type"] == "LoadBalancer" else None
    sources = tuple(
        ipaddress.ip_network(text.strip(), strict=False) for text in spec.get("loadBalancerSourceRanges", [])
    )
    for port in spec.get("ports", []):
        protocol = port.get("protocol", "TCP")
        backends = _backends(port.get("name", ""), protocol, slices, local_ports)
        if not backends or protocol == "SCTP":
            continue
        if port.get("nodePort"):
            yield Key(NODE_ADDRESS, port["nodePort"], protocol), Route(owner, backends)
        if address:
            yield Key(address, port["port"], protocol), Route(owner, backends, sources)


def _backends(
    port_name: str, protocol: str, slices: list[Document], local_ports: Mapping[str, Mapping[int, int]]
) -> tuple[int, ...]:
    """Return the local ports of the ready Pods behind one port of a Service."""
    found: set[int] = set()
    for piece in slices:
        numbers = [
            port["port"]
            for port in piece.get("ports") or []
            if (port.get("name") or "") == port_name and port.get("protocol", "TCP") == protocol
        ]
        for endpoint in piece.get("endpoints") or []:
            ready = endpoint.get("conditions", {}).get("ready")
            pod = (endpoint.get("targetRef") or {}).get("name")
            known = local_ports.get(f"{piece['metadata']['namespace']}/{pod}", {})
            if ready is not False:  # the API has an unknown readiness taken for ready
                found.update(known[number] for number in numbers if number in known)
    return tuple(sorted(found))


def _local_ports(pod: Document) -> dict[int, int]:
    """Return what the annotation says, nothing when it says nonsense."""
    text = pod["metadata"].get("annotations", {}).get(LOCAL_PORT, "{}")
    try:
        return {int(number): int(local) for number, local in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def _name_of(thing: Document) -> str:
    return f"{thing['metadata']['namespace']}/{thing['metadata']['name']}"
