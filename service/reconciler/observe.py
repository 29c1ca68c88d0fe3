"""What a cluster has, in the product's words: Services by key, endpoints, and where they are reached."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from service.cluster.gateway import Gateway
from service.domain.plan import Observed, Ref
from service.domain.spec import Document

SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at a cluster. ``slices`` by the key of the Service that they belong to."""

    services: Mapping[Ref, Observed]
    slices: Mapping[Ref, tuple[Document, ...]]
    node_addresses: tuple[str, ...]

    def ready_endpoints(self, service: Observed) -> int:
        """Return how many endpoints serve every port of a Service.

        A port that no slice names is served by nobody: so is one whose named target port no pod has.
        """
        slices = self.slices.get(service.ref, ())
        ports = service.service["spec"].get("ports") or ()
        return min(
            (_serving(slices, port.get("name", ""), port.get("protocol", "TCP")) for port in ports), default=0
        )


def observe(gateway: Gateway, services: Mapping[Ref, Observed]) -> Observation:
    """Join what is known of Services with a look at the rest of the cluster.

    Raises:
        ClusterAway: it cannot be read.
    """
    slices: dict[Ref, list[Document]] = defaultdict(list)
    for piece in gateway.endpoint_slices():
        metadata = piece["metadata"]
        if owner := (metadata.get("labels") or {}).get(SERVICE_NAME):
            slices[Ref(metadata["namespace"], owner)].append(piece)
    return Observation(
        services,
        {ref: tuple(pieces) for ref, pieces in slices.items()},
        node_addresses(gateway.nodes()),
    )


def node_addresses(nodes: Iterable[Document]) -> tuple[str, ...]:
    """Return where node ports answer: a ready, schedulable node's external addresses, else its internal."""
    found: set[str] = set()
    for node in nodes:
        if (node.get("spec") or {}).get("unschedulable"):
            continue
        status = node.get("status") or {}
        if not any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()):
            continue
        by_type: dict[str, list[str]] = defaultdict(list)
        for address in status.get("addresses") or ():
            by_type[address["type"]].append(address["address"])
        found.update(by_type["ExternalIP"] or by_type["InternalIP"])
    return tuple(sorted(found))


def ingress(service: Observed) -> tuple[Document, ...]:
    """Return the addresses that the load balancer gave: each ``{ip}`` or ``{hostname}``."""
    items = ((service.service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    addresses = ({kind: item[kind] for kind in ("ip", "hostname") if item.get(kind)} for item in items)
    return tuple(address for address in addresses if address)


def _serving(slices: Iterable[Document], name: str, protocol: str) -> int:
    """Return how many endpoints are ready behind one port; a pod with both address families counts once."""
    ready: set[str] = set()
    for piece in slices:
        ports = piece.get("ports") or ()
        if not any((p.get("name") or "") == name and p.get("protocol", "TCP") == protocol for p in ports):
            continue
        for endpoint in piece.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is False:  # nil means ready
                continue
            ready.add((endpoint.get("targetRef") or {}).get("uid") or endpoint["addresses"][0])
    return len(ready)
