"""What the apiserver does with a Service on its way to etcd: defaults, carrying over, preconditions.

Source: k8s.io/kubernetes pkg/registry/core/service/strategy.go and storage/storage.go at v1.37.2.
"""

import itertools
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from service.domain.errors import AddressRefused, FieldFixed, ObjectChanged, WriteRefused
from tests.fake_ports import needs_health_check_port, needs_node_ports

Document = dict[str, Any]
Key = tuple[str, str]
CLIENT_IP_DEFAULTS = {"clientIP": {"timeoutSeconds": 10800}}


def check_preconditions(key: Key, stored: Document | None, uid: str | None, version: str | None) -> None:
    """Let a write pass that carries what is stored; None: the caller did not ask."""
    if stored is None:
        raise ObjectChanged(f'Operation cannot be fulfilled on services "{key[1]}": StorageError')
    metadata = stored["metadata"]
    if uid not in (None, metadata["uid"]) or version not in (None, metadata["resourceVersion"]):
        raise ObjectChanged(f'Operation cannot be fulfilled on services "{key[1]}": it has been modified')


def defaulted(sent: Document) -> Document:
    """Return what was sent with the apiserver's defaults; nulls and empty collections are not stored."""
    service: Document = {"apiVersion": "v1", "kind": "Service", **deepcopy(sent)}
    spec = service["spec"] = _without_empty(service["spec"])
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", deepcopy(CLIENT_IP_DEFAULTS))
    else:
        spec.pop("sessionAffinityConfig", None)
    if spec["type"] != "ClusterIP":
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    for port in spec.get("ports", ()):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
    for field in ("labels", "annotations", "finalizers"):
        if not service["metadata"].get(field):
            service["metadata"].pop(field, None)
    return service


def _without_empty(spec: Document) -> Document:
    return {field: value for field, value in spec.items() if value or value is False}


def carry_over(service: Document, before: Document) -> None:
    """Fill in from the stored object what a PUT may leave out, and wipe what the new type cannot have."""
    spec, old = service["spec"], before["spec"]
    for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        spec.setdefault(field, old[field])
    if needs_node_ports(spec) and needs_node_ports(old):
        taken = {port.get("nodePort") for port in spec["ports"]}
        by_name = {port.get("name", ""): port.get("nodePort") for port in old["ports"]}
        for port in spec["ports"]:
            number = by_name.get(port.get("name", ""))
            if "nodePort" not in port and number and number not in taken:
                port["nodePort"] = number
    same_ports = [p.get("nodePort") for p in spec["ports"]] == [p.get("nodePort") for p in old["ports"]]
    if not needs_node_ports(spec) and needs_node_ports(old) and same_ports:
        for port in spec["ports"]:
            port.pop("nodePort", None)
    wiped: dict[str, Callable[[Document], bool]] = {
        "healthCheckNodePort": needs_health_check_port,
        "allocateLoadBalancerNodePorts": lambda s: s["type"] == "LoadBalancer",
        "loadBalancerClass": lambda s: s["type"] == "LoadBalancer",
        "externalTrafficPolicy": lambda s: s["type"] != "ClusterIP",
    }
    for field, is_needed in wiped.items():
        if is_needed(old) and not is_needed(spec) and spec.get(field) == old.get(field):
            spec.pop(field, None)
    both_balance = spec["type"] == old["type"] == "LoadBalancer"
    if both_balance and spec.get("loadBalancerClass") != old.get("loadBalancerClass"):
        name = service["metadata"]["name"]
        raise FieldFixed(f'Service "{name}" is invalid: spec.loadBalancerClass: may not change once set')
    if needs_health_check_port(spec) and needs_health_check_port(old):
        spec.setdefault("healthCheckNodePort", old["healthCheckNodePort"])


def validate(service: Document) -> None:
    """Refuse what the tests need refused; the real server knows hundreds of rules more."""
    name, spec = service["metadata"]["name"], service["spec"]
    refusal = f'Service "{name}" is invalid: '
    ports = spec.get("ports") or []
    if not ports:
        raise WriteRefused(f"{refusal}spec.ports: Required value")
    names = [port.get("name") for port in ports]
    if len(ports) > 1 and not all(names):
        raise WriteRefused(f"{refusal}spec.ports[{names.index(None)}].name: Required value")
    if len(set(names)) < len(names):
        raise WriteRefused(f"{refusal}spec.ports: Duplicate value")
    if spec["type"] == "ClusterIP" and any(port.get("nodePort") for port in ports):
        raise WriteRefused(f"{refusal}spec.ports[0].nodePort: Forbidden: may not be used")
    if spec["type"] != "LoadBalancer" and spec.get("loadBalancerSourceRanges"):
        raise WriteRefused(f"{refusal}spec.LoadBalancerSourceRanges: Forbidden: may only be used by it")


def cluster_ip(service: Document, others: Iterable[Document], version: int) -> str:
    """Return the cluster IP that a new Service states when it can be had, else a free one."""
    stated = service["spec"].get("clusterIP")
    taken = {other["spec"]["clusterIP"] for other in others}
    if stated is None:
        numbers = itertools.count(1 + len(taken) + version)
        return next(ip for n in numbers if (ip := f"10.0.{n // 250 % 250}.{n % 250 + 1}") not in taken)
    problem = "provided IP is already allocated" if stated in taken else None
    if not stated.startswith("10.0."):
        problem = "the provided network does not match the current range"
    if problem is not None:
        name, why = service["metadata"]["name"], f"failed to allocate IP {stated}: {problem}"
        raise AddressRefused(
            f'Service "{name}" is invalid: spec.clusterIPs: Invalid value: ["{stated}"]: {why}'
        )
    return str(stated)


def as_item(document: Document) -> Document:
    """Return a copy as a list shows it: without apiVersion and kind."""
    return {
        field: deepcopy(value) for field, value in document.items() if field not in ("apiVersion", "kind")
    }
