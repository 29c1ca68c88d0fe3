"""What is asked for: an exposure's specification as a frozen value.

``Spec.document()`` and ``Spec.from_document()`` are the one JSON shape of a specification: what is stored is
what the API shows, but for the lifetime, which is kept in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

Document: TypeAlias = dict[str, Any]


class ExposureType(StrEnum):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """One port of a Service. ``node_port`` is set only when the requester asked for that number."""

    port: int
    name: str | None = None
    target_port: int | str | None = None
    protocol: str = "TCP"
    app_protocol: str | None = None
    node_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    """What only a LoadBalancer has. Node ports behind it are off by default: they go round source ranges."""

    class_: str | None = None
    source_ranges: tuple[str, ...] = ()
    allocate_node_ports: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> Document:
        """Return the stored shape, every field present."""
        return {
            "class": self.class_,
            "source_ranges": list(self.source_ranges),
            "allocate_node_ports": self.allocate_node_ports,
            "annotations": dict(self.annotations),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is asked for. ``lifetime`` in seconds, None: without an end."""

    selector: Mapping[str, str]
    ports: tuple[ServicePort, ...]
    justification: str
    type: ExposureType = ExposureType.CLUSTER_IP
    lifetime: int | None = None
    not_before: datetime | None = None
    replace: bool = False
    external_traffic_policy: str | None = None
    internal_traffic_policy: str | None = None
    session_affinity: str | None = None
    ip_family_policy: str | None = None
    load_balancer: LoadBalancer | None = None

    def needs_node_ports(self) -> bool:
        """Return whether each service port takes a number of the cluster's node port range."""
        if self.type is ExposureType.LOAD_BALANCER:
            return self.load_balancer is not None and self.load_balancer.allocate_node_ports
        return self.type is ExposureType.NODE_PORT

    def needs_health_check_port(self) -> bool:
        """Return whether the apiserver would take one more number for health checks (k/k#130776)."""
        return self.type is ExposureType.LOAD_BALANCER and self.external_traffic_policy == "Local"

    def document(self) -> Document:
        """Return the stored shape: the API's ``spec``, every field present, the lifetime in seconds."""
        return {
            "type": self.type.value,
            "selector": dict(self.selector),
            "ports": [
                {
                    "name": p.name,
                    "port": p.port,
                    "target_port": p.target_port,
                    "protocol": p.protocol,
                    "app_protocol": p.app_protocol,
                    "node_port": p.node_port,
                }
                for p in self.ports
            ],
            "lifetime": self.lifetime,
            "justification": self.justification,
            "not_before": self.not_before.isoformat() if self.not_before else None,
            "replace": self.replace,
            "external_traffic_policy": self.external_traffic_policy,
            "internal_traffic_policy": self.internal_traffic_policy,
            "session_affinity": self.session_affinity,
            "ip_family_policy": self.ip_family_policy,
            "load_balancer": self.load_balancer and self.load_balancer.document(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Spec":
        """Return the value of a document that ``document()`` or the API's schema made."""
        fields = dict(document)
        balancer = fields.pop("load_balancer", None)
        not_before = fields.pop("not_before", None)
        if isinstance(not_before, str):
            not_before = datetime.fromisoformat(not_before)
        return cls(
            **{
                **fields,
                "type": ExposureType(fields.get("type", ExposureType.CLUSTER_IP)),
                "ports": tuple(ServicePort(**port) for port in fields["ports"]),
            },
            not_before=not_before,
            load_balancer=None
            if balancer is None
            else LoadBalancer(
                class_=balancer.get("class"),
                source_ranges=tuple(balancer.get("source_ranges", ())),
                allocate_node_ports=balancer.get("allocate_node_ports", False),
                annotations=balancer.get("annotations", {}),
            ),
        )
