"""What an exposure would say of a Service that somebody else made, or why none can. Pure.

``spec_of`` goes the way of ``manifest.render`` backwards. Adopting changes nothing but the owner mark, so
what a specification cannot say is refused by the field's name, all of it at once, and never dropped.
What the cluster fills in by itself is no content. Labels and annotations are in no specification; they stay.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from service.domain.errors import Fault
from service.domain.exposure import Allocation, Metadata, NodePort, PortOrigin
from service.domain.manifest import (
    CLIENT_IP_DEFAULT,
    CLUSTER_FIELDS,
    MANAGED_BY,
    PREFIX,
    SERVER_DEFAULTS,
    differs,
    render,
    with_ports,
)
from service.domain.rules import MOST_LABELS, MOST_PORTS, MOST_RANGES, spec_faults
from service.domain.spec import Document, ExposureType, LoadBalancer, ServicePort, Spec

UNSAYABLE: Mapping[str, str] = {
    "externalIPs": "External IPs redirect other people's traffic: no exposure has them.",
    "externalName": "An external name leads to no workload of the cluster: no exposure has one.",
    "loadBalancerIP": "A load balancer's address is given by the cluster: an exposure asks for none.",
}
"""What no exposure has, and why; other fields that are not in SAYABLE are unknown to it."""

SAYABLE = frozenset(
    {
        *CLUSTER_FIELDS,
        *SERVER_DEFAULTS,
        "type",
        "ports",
        "selector",
        "externalTrafficPolicy",
        "sessionAffinityConfig",
        "allocateLoadBalancerNodePorts",
        "loadBalancerClass",
        "loadBalancerSourceRanges",
    }
)
SAYABLE_OF_PORT = frozenset({"name", "port", "targetPort", "protocol", "appProtocol", "nodePort"})

BALANCER_FIELDS: Mapping[str, str] = {
    "class": "loadBalancerClass",
    "source_ranges": "loadBalancerSourceRanges",
    "allocate_node_ports": "allocateLoadBalancerNodePorts",
}


def spec_of(service: Document, lifetime: int | None, justification: str) -> Spec | tuple[Fault, ...]:
    """Return the specification from which this very Service is rendered, or every reason why there is none.

    Each node port counts as asked for. The pointers of the faults lead into the Service (``/spec/ports/0``).
    """
    faults = [*metadata_faults(service["metadata"]), *_text_faults(service), *_field_faults(service["spec"])]
    if faults:
        return tuple(faults)
    spec = _read(service["spec"], lifetime, justification)
    broken = [Fault(service_pointer(f.pointer), f.detail, f.code) for f in spec_faults(spec.document())]
    return tuple(broken or _unequal(service, spec)) or spec


def allocation_of(service: Document) -> Allocation:
    """Return the node ports of a Service as its exposure's own, that of the health check too."""
    spec = service["spec"]
    numbers = [port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")]
    health_check = spec.get("healthCheckNodePort")
    return Allocation(
        tuple(NodePort(number, PortOrigin.ASKED) for number in numbers),
        NodePort(health_check, PortOrigin.ASKED) if health_check else None,
    )


def metadata_faults(metadata: Document) -> Iterator[Fault]:
    """Yield why a Service is somebody's who would not let go of it."""
    if owners := metadata.get("ownerReferences"):
        named = ", ".join(f"{owner['kind']} {owner['name']}" for owner in owners)
        yield Fault("/metadata/ownerReferences", f"It belongs to {named}, which writes it: two would fight.")
    if since := metadata.get("deletionTimestamp"):
        yield Fault("/metadata/deletionTimestamp", f"It is being deleted since {since}.")
    if by := (metadata.get("labels") or {}).get(MANAGED_BY):
        detail = f"It says that {by} manages it: two would fight. Take the label off when that is over."
        yield Fault(f"/metadata/labels/{_escaped(MANAGED_BY)}", detail)
    for name in metadata.get("annotations") or {}:
        if name.split("/")[0] == PREFIX:
            detail = "It carries the mark of an exposure, or a copy of one. Take it off first."
            yield Fault(f"/metadata/annotations/{_escaped(name)}", detail)


def service_pointer(pointer: str) -> str:
    """Return where a fault of a specification stands in its Service; others lose their ``#``."""
    steps = pointer.removeprefix("#").split("/")
    if steps[1:3] == ["spec", "load_balancer"] and len(steps) > 3:
        steps[2:4] = [BALANCER_FIELDS.get(steps[3], steps[3])]
    head, *rest = steps
    return "/".join([head, *(_camel(step) for step in rest)])


def _text_faults(value: Any, pointer: str = "") -> Iterator[Fault]:
    """Yield a fault for each text that PostgreSQL cannot keep."""
    if isinstance(value, str) and "\0" in value:
        yield Fault(pointer, "This text has a NUL.")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _text_faults(item, f"{pointer}/{_escaped(name)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _text_faults(item, f"{pointer}/{index}")


def _field_faults(spec: Document) -> Iterator[Fault]:
    """Yield a fault for each field that no specification can say, by itself."""
    if spec["type"] not in list(ExposureType):
        yield Fault("/spec/type", f"An exposure is of type {', '.join(ExposureType)}, not {spec['type']}.")
    for field in sorted(spec.keys() - SAYABLE):
        yield Fault(f"/spec/{field}", UNSAYABLE.get(field, "An exposure cannot say this field."))
    if spec.get("clusterIP") == "None":
        yield Fault("/spec/clusterIP", "It is headless: an exposure has an address of its own.")
    config = spec.get("sessionAffinityConfig")
    if config and config != CLIENT_IP_DEFAULT:
        detail = "An exposure cannot say how long a session lasts: it is 10800 s."
        yield Fault("/spec/sessionAffinityConfig", detail)
    if not 1 <= len(spec.get("selector") or {}) <= MOST_LABELS:
        yield Fault("/spec/selector", f"An exposure selects its pods by 1-{MOST_LABELS} labels.")
    yield from _range_faults(spec.get("loadBalancerSourceRanges") or [])
    yield from _port_faults(spec)


def _range_faults(ranges: list[str]) -> Iterator[Fault]:
    if len(ranges) > MOST_RANGES:
        yield Fault("/spec/loadBalancerSourceRanges", f"An exposure has at most {MOST_RANGES} source ranges.")
    for index, text in enumerate(ranges):
        try:
            ipaddress.ip_network(text)
        except ValueError:
            detail = "An exposure writes it as a network, with no bit set behind its length."
            yield Fault(f"/spec/loadBalancerSourceRanges/{index}", detail)


def _port_faults(spec: Document) -> Iterator[Fault]:
    ports = spec.get("ports") or []
    if not 1 <= len(ports) <= MOST_PORTS:
        yield Fault("/spec/ports", f"An exposure has 1-{MOST_PORTS} ports.")
        return
    for index, port in enumerate(ports):
        for field in sorted(port.keys() - SAYABLE_OF_PORT):
            yield Fault(f"/spec/ports/{index}/{field}", "An exposure cannot say this field.")
        if _needs_node_ports(spec) and not port.get("nodePort"):
            yield Fault(f"/spec/ports/{index}/nodePort", "It has none, and a Service of its type has one.")


def _needs_node_ports(spec: Document) -> bool:
    """Return whether the cluster gives each port of a Service a node port."""
    if spec["type"] == ExposureType.LOAD_BALANCER:
        return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return bool(spec["type"] == ExposureType.NODE_PORT)


def _read(spec: Document, lifetime: int | None, justification: str) -> Spec:
    def stated(field: str, default: str) -> str | None:
        value = spec.get(field, default)
        return None if value == default else str(value)

    kind = ExposureType(spec["type"])
    balancer = LoadBalancer(
        class_=spec.get("loadBalancerClass"),
        source_ranges=tuple(spec.get("loadBalancerSourceRanges") or ()),
        allocate_node_ports=spec.get("allocateLoadBalancerNodePorts", True),
    )
    return Spec(
        type=kind,
        selector=dict(spec["selector"]),
        ports=tuple(map(_read_port, spec["ports"])),
        lifetime=lifetime,
        justification=justification,
        external_traffic_policy=stated("externalTrafficPolicy", "Cluster"),
        internal_traffic_policy=stated("internalTrafficPolicy", SERVER_DEFAULTS["internalTrafficPolicy"]),
        session_affinity=stated("sessionAffinity", SERVER_DEFAULTS["sessionAffinity"]),
        ip_family_policy=stated("ipFamilyPolicy", SERVER_DEFAULTS["ipFamilyPolicy"]),
        load_balancer=balancer if kind is ExposureType.LOAD_BALANCER else None,
    )


def _read_port(port: Document) -> ServicePort:
    return ServicePort(
        name=port.get("name"),
        port=port["port"],
        target_port=port.get("targetPort", port["port"]),
        protocol=port.get("protocol", "TCP"),
        app_protocol=port.get("appProtocol"),
        node_port=port.get("nodePort"),
    )


def _unequal(service: Document, spec: Spec) -> Iterator[Fault]:
    """Yield a fault for each field in which a Service is not what its specification says: the last look."""
    metadata = service["metadata"]
    manifest = render(Metadata("", metadata["namespace"], metadata["name"], ""), spec)
    for path in differs(service, with_ports(manifest, allocation_of(service))):
        yield Fault("/" + path.replace(".", "/"), "An exposure cannot say this field as it is.")


def _escaped(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _camel(step: str) -> str:
    first, *more = step.split("_")
    return first + "".join(word.capitalize() for word in more)
