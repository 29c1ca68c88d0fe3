"""Specifications of every kind, and the Services that are sent for them."""

from typing import Any
from uuid import UUID

from service.domain.exposure import Allocation, Metadata, NodePort, PortOrigin
from service.domain.manifest import Mark, render, with_mark, with_ports
from service.domain.spec import ExposureType, LoadBalancer, ServicePort, Spec
from tests.contract.clusters import FIRST

Document = dict[str, Any]

HTTP = ServicePort(port=80)
TWO = (
    ServicePort(name="web", port=80, target_port="http", app_protocol="http"),
    ServicePort(name="metrics", port=9090, target_port=9100),
)
DNS = (ServicePort(name="tcp", port=53), ServicePort(name="udp", port=53, protocol="UDP"))
ALL_COMMON: dict[str, Any] = {
    "internal_traffic_policy": "Local",
    "session_affinity": "ClientIP",
    "ip_family_policy": "PreferDualStack",
}


def make_spec(type: ExposureType, *ports: ServicePort, **fields: Any) -> Spec:
    return Spec(type=type, selector={"app": "web"}, ports=ports or (HTTP,), justification="a test", **fields)


def balanced(*ports: ServicePort, policy: str | None = None, **fields: Any) -> Spec:
    return make_spec(
        ExposureType.LOAD_BALANCER,
        *ports,
        external_traffic_policy=policy,
        load_balancer=LoadBalancer(**fields),
    )


SPECS = {
    "cluster-ip": make_spec(ExposureType.CLUSTER_IP),
    "cluster-ip-two-ports": make_spec(ExposureType.CLUSTER_IP, *TWO),
    "cluster-ip-all-fields": make_spec(ExposureType.CLUSTER_IP, *TWO, **ALL_COMMON),
    "cluster-ip-no-affinity": make_spec(
        ExposureType.CLUSTER_IP, session_affinity="None", ip_family_policy="SingleStack"
    ),
    "cluster-ip-no-selector": Spec(selector={}, ports=(HTTP,), justification="a test"),
    "cluster-ip-sctp": make_spec(ExposureType.CLUSTER_IP, ServicePort(port=7, protocol="SCTP")),
    "node-port": make_spec(ExposureType.NODE_PORT),
    "node-port-asked": make_spec(ExposureType.NODE_PORT, ServicePort(port=80, node_port=FIRST)),
    "node-port-dns": make_spec(ExposureType.NODE_PORT, *DNS),
    "node-port-all-fields": make_spec(
        ExposureType.NODE_PORT, *TWO, external_traffic_policy="Local", **ALL_COMMON
    ),
    "node-port-cluster-policy": make_spec(ExposureType.NODE_PORT, external_traffic_policy="Cluster"),
    "load-balancer-bare": make_spec(ExposureType.LOAD_BALANCER),
    "load-balancer": balanced(source_ranges=("192.0.2.0/24", "198.51.100.0/24")),
    "load-balancer-node-ports": balanced(*TWO, allocate_node_ports=True),
    "load-balancer-local": balanced(policy="Local"),
    "load-balancer-all-fields": make_spec(
        ExposureType.LOAD_BALANCER,
        *TWO,
        external_traffic_policy="Local",
        load_balancer=LoadBalancer(
            source_ranges=("192.0.2.0/24",),
            allocate_node_ports=True,
            annotations={"example.com/scheme": "internal"},
        ),
        **ALL_COMMON,
    ),
}
CLASSED = balanced(class_="example.com/internal")


def make_manifest(namespace: str, spec: Spec, revision: int = 1) -> Document:
    """Return the complete manifest, marked; no number is both a node port and a health check port."""
    manifest = render(Metadata("dev", namespace, "web", "shop"), spec)
    chosen = iter(range(FIRST + 1, FIRST + 20))
    same_number: dict[int, int] = {}

    def number(port: ServicePort) -> int:
        return same_number.setdefault(port.port, port.node_port or next(chosen))

    ports = (
        tuple(NodePort(number(p), PortOrigin.CHOSEN) for p in spec.ports) if spec.needs_node_ports() else ()
    )
    health = NodePort(FIRST + 20, PortOrigin.CHOSEN) if spec.needs_health_check_port() else None
    mark = Mark(UUID(int=7), revision, f"sha256:{revision:064}", "token", "request")
    return with_mark(with_ports(manifest, Allocation(ports, health)), mark)
