"""From a specification to the Service that is sent, its digest, and the merge into what the cluster has.

The Service is rendered once, at submit, and stored. What is sent later is the stored manifest plus the chosen
node ports plus the owner mark; nothing is rendered again, also not by a newer release.
"""

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from uuid import UUID

import rfc8785

from service.domain.exposure import Allocation, Metadata
from service.domain.spec import Document, Spec

PREFIX = "wharfinger.dev"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "wharfinger"
EXPOSURE_ID = f"{PREFIX}/exposure-id"
REVISION = f"{PREFIX}/revision"
DIGEST = f"{PREFIX}/digest"
CREATE_TOKEN = f"{PREFIX}/create-token"
REQUEST_ID = f"{PREFIX}/request-id"

# What the cluster fills in by itself; everything else of spec is ours.
CLUSTER_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "healthCheckNodePort")
# What the cluster fills in when the manifest is silent: equal to what it would choose, so no drift.
SERVER_DEFAULTS: Mapping[str, Any] = {
    "sessionAffinity": "None",
    "internalTrafficPolicy": "Cluster",
    "ipFamilyPolicy": "SingleStack",
}
CLIENT_IP_DEFAULT: Mapping[str, Any] = {"clientIP": {"timeoutSeconds": 10800}}


@dataclass(frozen=True, slots=True)
class Mark:
    """The owner mark of a Service that we made: label and annotations (design.md §1)."""

    exposure_id: UUID
    revision: int
    digest: str
    create_token: str
    request_id: str

    def annotations(self) -> dict[str, str]:
        """Return the annotations that carry it."""
        return {
            EXPOSURE_ID: str(self.exposure_id),
            REVISION: str(self.revision),
            DIGEST: self.digest,
            CREATE_TOKEN: self.create_token,
            REQUEST_ID: self.request_id,
        }

    @classmethod
    def of(cls, service: Mapping[str, Any]) -> "Mark | None":
        """Return the mark that a Service carries; None for none, or one that we cannot have written."""
        metadata = service.get("metadata", {})
        annotations = metadata.get("annotations") or {}
        if (metadata.get("labels") or {}).get(MANAGED_BY) != MANAGER:
            return None
        try:
            return cls(
                UUID(annotations[EXPOSURE_ID]),
                int(annotations[REVISION]),
                annotations[DIGEST],
                annotations[CREATE_TOKEN],
                annotations.get(REQUEST_ID, ""),
            )
        except (KeyError, ValueError):
            return None


def render(metadata: Metadata, spec: Spec) -> Document:
    """Return the Service for a specification, without mark and chosen node ports."""
    service_spec: Document = {
        "type": spec.type.value,
        "ports": [_render_port(port) for port in spec.ports],
    }
    if spec.selector:  # the apiserver does not store an empty one
        service_spec["selector"] = dict(spec.selector)
    optional = {
        "externalTrafficPolicy": spec.external_traffic_policy,
        "internalTrafficPolicy": spec.internal_traffic_policy,
        "sessionAffinity": spec.session_affinity,
        "ipFamilyPolicy": spec.ip_family_policy,
    }
    annotations: dict[str, str] = {}
    if balancer := spec.load_balancer:
        optional["loadBalancerClass"] = balancer.class_
        if balancer.source_ranges:
            service_spec["loadBalancerSourceRanges"] = list(balancer.source_ranges)
        annotations = dict(balancer.annotations)
    if spec.type.value == "LoadBalancer":
        service_spec["allocateLoadBalancerNodePorts"] = spec.needs_node_ports()
    service_spec |= {field: value for field, value in optional.items() if value is not None}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": service_spec,
    }


def _render_port(port: Any) -> Document:
    rendered = {
        "name": port.name,
        "port": port.port,
        "targetPort": port.port if port.target_port is None else port.target_port,
        "protocol": port.protocol,
        "appProtocol": port.app_protocol,
        "nodePort": port.node_port,
    }
    return {field: value for field, value in rendered.items() if value is not None}


def digest(metadata: Metadata, spec: Spec, manifest: Document) -> str:
    """Return ``sha256:`` and 64 hex digits over what a reviewer approves (design.md §1, docs/digest.md).

    Stable across releases: what was approved by an older one is still what it was. Source: RFC 8785 for the
    canonical JSON.
    """
    content = {
        "cluster": metadata.cluster,
        "manifest": manifest,
        "lifetime_seconds": spec.lifetime,
        "not_before": spec.not_before.astimezone(UTC).isoformat() if spec.not_before else None,
        "replace": spec.replace,
    }
    return "sha256:" + hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def with_ports(manifest: Document, allocation: Allocation) -> Document:
    """Return the manifest with every node port of the allocation stated."""
    given = allocation.ports
    listed = [
        port | {"nodePort": given[index].number} if index < len(given) else port
        for index, port in enumerate(manifest["spec"]["ports"])
    ]
    spec = manifest["spec"] | {"ports": listed}
    if allocation.health_check:
        spec["healthCheckNodePort"] = allocation.health_check.number
    return manifest | {"spec": spec}


def named_targets(manifest: Mapping[str, Any]) -> list[tuple[str, tuple[str, str]]]:
    """Return the target ports that have a name, each with its port's own name and protocol."""
    return [
        (port["targetPort"], (port.get("name", ""), port["protocol"]))
        for port in manifest["spec"]["ports"]
        if isinstance(port.get("targetPort"), str)
    ]


def node_ports(service: Mapping[str, Any]) -> frozenset[int]:
    """Return every node port that a Service holds, the hidden ones of a load balancer too."""
    spec = service["spec"]
    numbers = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    health_check = spec.get("healthCheckNodePort")
    return frozenset(numbers | ({health_check} if health_check else set()))


def with_mark(manifest: Document, mark: Mark) -> Document:
    """Return the manifest with the owner mark: what is sent."""
    metadata = manifest["metadata"]
    labels = {**metadata.get("labels", {}), MANAGED_BY: MANAGER}
    annotations = {**metadata.get("annotations", {}), **mark.annotations()}
    return manifest | {"metadata": metadata | {"labels": labels, "annotations": annotations}}


def without_mark(service: Document) -> Document:
    """Return a Service without the owner mark."""
    result = deepcopy(service)
    for field in ("labels", "annotations"):
        kept = result["metadata"].get(field) or {}
        result["metadata"][field] = {
            name: value for name, value in kept.items() if name != MANAGED_BY and name.split("/")[0] != PREFIX
        }
    return result


def merged(current: Document, wanted: Document, previous: Document | None) -> Document:
    """Return the cluster's object with the fields that we own set to what was approved.

    Args:
        current: the Service as it was just read; its uid and resourceVersion stay, so that the PUT is fenced.
        wanted: the complete manifest, mark and ports included.
        previous: the manifest that was live before: its labels and annotations go when ``wanted`` has them no
            more.
    """
    result = deepcopy(current)
    spec = deepcopy(wanted["spec"])
    for field in CLUSTER_FIELDS:
        if field in current.get("spec", {}):
            spec.setdefault(field, current["spec"][field])
    for field, value in SERVER_DEFAULTS.items():
        # A PUT that is silent about ipFamilyPolicy keeps the old one: state the default.
        spec.setdefault(field, value)
    if _class_is_the_clusters("loadBalancerClass", current.get("spec", {}), spec):
        spec["loadBalancerClass"] = current["spec"]["loadBalancerClass"]
    result["spec"] = spec
    for field in ("labels", "annotations"):
        kept = dict(result["metadata"].get(field) or {})
        for key in (previous or {}).get("metadata", {}).get(field, {}):
            kept.pop(key, None)
        result["metadata"][field] = {**kept, **wanted["metadata"].get(field, {})}
    return result


def differs(current: Document, wanted: Document) -> tuple[str, ...]:
    """Return the paths of the owned fields in which the cluster differs from ``wanted``; none: in sync."""
    wanted_spec, current_spec = wanted["spec"], current.get("spec", {})
    found = []
    for field in sorted({*wanted_spec, *current_spec} - set(CLUSTER_FIELDS)):
        want, have = wanted_spec.get(field), current_spec.get(field)
        if _class_is_the_clusters(field, current_spec, wanted_spec):
            continue
        if want != have and not _defaulted(field, want, have, wanted_spec):
            found.append(f"spec.{field}")
    health_check = wanted_spec.get("healthCheckNodePort")
    if health_check and current_spec.get("healthCheckNodePort") != health_check:
        found.append("spec.healthCheckNodePort")
    for field in ("labels", "annotations"):
        have = current["metadata"].get(field) or {}
        for key, value in wanted["metadata"].get(field, {}).items():
            if have.get(key) != value:
                found.append(f"metadata.{field}[{key}]")
    return tuple(found)


def _defaulted(field: str, want: object, have: object, wanted_spec: Document) -> bool:
    """Return whether the cluster only filled in what the manifest left open."""
    if want is not None:
        return False
    if field == "externalTrafficPolicy":
        return wanted_spec["type"] != "ClusterIP" and have == "Cluster"
    if field == "sessionAffinityConfig":
        return wanted_spec.get("sessionAffinity") == "ClientIP" and have == CLIENT_IP_DEFAULT
    return field in SERVER_DEFAULTS and have == SERVER_DEFAULTS[field]


def _class_is_the_clusters(field: str, current_spec: Document, wanted_spec: Document) -> bool:
    """Return whether the cluster added a load balancer class: a webhook may, and it can never change."""
    return (
        field == "loadBalancerClass"
        and field in current_spec
        and field not in wanted_spec
        and current_spec.get("type") == wanted_spec["type"] == "LoadBalancer"
    )
