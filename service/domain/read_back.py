"""A Service read as a specification, the way of ``manifest.render`` backwards, or why none says it. Pure.

Twice that is asked: of a Service that somebody else made (``spec_of``), and of what became of a live one by
hand (``spec_of_drift``). The last look is the same: the specification is rendered and compared with what is
there. What it cannot say is refused by the field's name, all of it at once, and never dropped. What the
cluster fills in by itself is no content; labels and annotations of others are in no specification.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from service.domain.errors import Fault
from service.domain.exposure import Allocation, Metadata, NodePort, PortOrigin, Revision
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

STATED: Mapping[str, tuple[str, str]] = {
    "external_traffic_policy": ("externalTrafficPolicy", "Cluster"),
    "internal_traffic_policy": ("internalTrafficPolicy", SERVER_DEFAULTS["internalTrafficPolicy"]),
    "session_affinity": ("sessionAffinity", SERVER_DEFAULTS["sessionAffinity"]),
    "ip_family_policy": ("ipFamilyPolicy", SERVER_DEFAULTS["ipFamilyPolicy"]),
}
"""What is stated only where it is not the default: its field in the Service, and that default."""

NAMES = {field: name for name, (field, _) in STATED.items()}

DRIFT_POINTER = "#/action"
"""Faults of drift are of the wish to adopt it: the client sent no specification."""

DRIFT_CODE = "not-adoptable"

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
    found = service["spec"]
    stated: dict[str, Any] = {name: _stated(found, name) for name in STATED}
    spec = Spec(
        type=ExposureType(found["type"]),
        selector=dict(found["selector"]),
        ports=tuple(map(_port, found["ports"])),
        lifetime=lifetime,
        justification=justification,
        load_balancer=_balancer(found, {}),
        **stated,
    )
    broken = [Fault(service_pointer(f.pointer), f.detail, f.code) for f in spec_faults(spec.document())]
    unsaid = _unsaid(service, spec, service["metadata"])
    detail = "An exposure cannot say this field as it is."
    return tuple(broken or (Fault("/" + path.replace(".", "/"), detail) for path in unsaid)) or spec


def spec_of_drift(live: Revision, service: Document) -> Spec | tuple[Fault, ...]:
    """Return the live specification with what the cluster has in its place, or every reason why none says it.

    What differs alone is read, so that what was left open stays open.

    Args:
        service: ``{spec, annotations}`` as they are in the cluster; of the annotations those that the live
            revision has.
    """
    found = {"metadata": {"annotations": service["annotations"]}, "spec": service["spec"]}
    paths = differs(found, with_ports(live.manifest, live.allocation))
    spec = replace(live.spec, **{name: value for path in paths for name, value in _read(path, live, service)})
    number, ours = service["spec"].get("healthCheckNodePort"), live.allocation.health_check
    unsaid = list(_unsaid(found, spec, live.manifest["metadata"]))
    if number and (ours is None or ours.number != number):
        unsaid.append("spec.healthCheckNodePort")  # one more would be chosen; it never changes in place
    if not paths and not unsaid:
        detail = "Only the owner mark differs: no exposure says it. Revert the drift."
        return (Fault(DRIFT_POINTER, detail, DRIFT_CODE),)
    detail = "{}: no exposure says this. Revert the drift, or undo that by hand first."
    return tuple(Fault(DRIFT_POINTER, detail.format(path), DRIFT_CODE) for path in unsaid) or spec


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


def _read(path: str, live: Revision, service: Document) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a specification that say what is at a path, with their values; none: none does."""
    found = service["spec"]
    annotations = service["annotations"] if live.spec.load_balancer else {}
    field = path.removeprefix("spec.")
    value = found.get(field)
    if field in NAMES:
        yield NAMES[field], _stated(found, NAMES[field])
    elif field == "selector" and value:
        yield field, value
    elif field == "ports" and value:
        yield field, tuple(_port(port, *next(_same(live, port), (None, None))) for port in value)
    elif field == "type" and value in list(ExposureType):
        yield field, ExposureType(value)
        yield "load_balancer", _balancer(found, annotations)
    elif live.spec.type is ExposureType.LOAD_BALANCER:
        yield "load_balancer", _balancer(found, annotations)


def _stated(found: Document, name: str) -> str | None:
    field, default = STATED[name]
    value = found.get(field, default)
    return None if value == default else str(value)


def _port(found: Document, known: ServicePort | None = None, given: NodePort | None = None) -> ServicePort:
    """Return a port as it is; what was left open, or chosen, for the port that it was stays so."""
    target, number = found.get("targetPort", found["port"]), found.get("nodePort")
    is_open = known is not None and known.target_port is None and target == found["port"]
    was_chosen = given is not None and given.origin is PortOrigin.CHOSEN and given.number == number
    return ServicePort(
        name=found.get("name"),
        port=found["port"],
        target_port=None if is_open else target,
        protocol=found.get("protocol", "TCP"),
        app_protocol=found.get("appProtocol"),
        node_port=None if was_chosen else number,
    )


def _same(live: Revision, found: Document) -> Iterator[tuple[ServicePort, NodePort | None]]:
    """Yield the live port that it is, and its node port: by port and protocol, else by name."""
    numbers = (*live.allocation.ports, *[None] * len(live.spec.ports))
    pairs = list(zip(live.spec.ports, numbers, strict=False))
    place = found["port"], found.get("protocol", "TCP")
    yield from (pair for pair in pairs if (pair[0].port, pair[0].protocol) == place)
    yield from (pair for pair in pairs if pair[0].name and pair[0].name == found.get("name"))


def _balancer(found: Document, annotations: Mapping[str, str]) -> LoadBalancer | None:
    if found["type"] != ExposureType.LOAD_BALANCER:
        return None
    return LoadBalancer(
        class_=found.get("loadBalancerClass"),
        source_ranges=tuple(found.get("loadBalancerSourceRanges") or ()),
        allocate_node_ports=found.get("allocateLoadBalancerNodePorts", True),
        annotations=dict(annotations),
    )


def _unsaid(service: Document, spec: Spec, names: Document) -> Iterator[str]:
    """Yield each field in which a Service is not what its specification says: the last look."""
    manifest = render(Metadata("", names["namespace"], names["name"], ""), spec)
    yield from differs(service, with_ports(manifest, allocation_of(service)))


def _escaped(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _camel(step: str) -> str:
    first, *more = step.split("_")
    return first + "".join(word.capitalize() for word in more)
