"""Drift that people want to keep: the live specification with what the cluster has in its place. Pure.

Only what a specification can say is taken over; everything else that differs is refused by its field, all at
once. The owner mark is no content: it is not asked after.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from service.domain.errors import Fault
from service.domain.exposure import PortOrigin, Revision
from service.domain.manifest import differs, with_ports
from service.domain.spec import Document, ExposureType, LoadBalancer, ServicePort, Spec

POINTER = "#/action"
"""Faults are of the wish to adopt: the client sent no specification."""

SAID_BY: Mapping[str, str] = {
    "externalTrafficPolicy": "external_traffic_policy",
    "internalTrafficPolicy": "internal_traffic_policy",
    "sessionAffinity": "session_affinity",
    "ipFamilyPolicy": "ip_family_policy",
}
OF_BALANCER = {"loadBalancerClass", "loadBalancerSourceRanges", "allocateLoadBalancerNodePorts"}
TYPES = {each.value for each in ExposureType}


@dataclass(slots=True)
class _Reading:
    """What was taken over so far, and what cannot be."""

    changes: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def refuse(self, path: str, why: str) -> None:
        """Note a field that cannot be taken over."""
        self.faults.append(Fault(POINTER, f"{path}: {why} Revert the drift instead.", "not-adoptable"))


def adopted(live: Revision, service: Document) -> Spec | tuple[Fault, ...]:
    """Return the specification that says what the cluster has, or every reason why there is none.

    Args:
        service: ``{spec, annotations}`` as they are in the cluster; of the annotations those that the live
            revision has.
    """
    found = {"metadata": {"annotations": service["annotations"]}, "spec": service["spec"]}
    reading = _Reading()
    paths = differs(found, with_ports(live.manifest, live.allocation))
    if not paths:
        reading.refuse("metadata", "Only the owner mark differs, and no specification says it.")
    for path in paths:
        _read(reading, path, live, service["spec"])
    if service["spec"].get("type") == ExposureType.LOAD_BALANCER and _is_of_balancer(paths):
        reading.changes["load_balancer"] = _balancer(live.spec.load_balancer, service)
    return tuple(reading.faults) or replace(live.spec, **reading.changes)


def _is_of_balancer(paths: tuple[str, ...]) -> bool:
    return any(path[5:] in OF_BALANCER or path.startswith("metadata.annotations") for path in paths)


def _read(reading: _Reading, path: str, live: Revision, spec: Document) -> None:
    name = path.removeprefix("spec.")
    value = spec.get(name)
    if name in SAID_BY:
        reading.changes[SAID_BY[name]] = value
    elif name == "type" and value in TYPES:
        reading.changes["type"] = ExposureType(value)
        if value != ExposureType.LOAD_BALANCER:
            reading.changes["load_balancer"] = None
    elif name == "selector" and value:
        reading.changes["selector"] = value
    elif name == "ports" and value:
        reading.changes["ports"] = tuple(_port(live, port) for port in value)
    elif name not in OF_BALANCER and not path.startswith("metadata.annotations"):
        reading.refuse(path, "An exposure cannot say this.")


def _port(live: Revision, found: Document) -> ServicePort:
    """Return a port as it is; what was chosen, or left open, for the port that it was stays so."""
    before = next(_same(live, found), None)
    target, number = found.get("targetPort"), found.get("nodePort")
    known, given = before or (None, None)
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


def _same(live: Revision, found: Document) -> Iterator[Any]:
    """Yield the live port that it is, and its node port: by port and protocol, else by name."""
    numbers = (*live.allocation.ports, *[None] * len(live.spec.ports))
    pairs = list(zip(live.spec.ports, numbers, strict=False))
    place = found["port"], found.get("protocol", "TCP")
    yield from (pair for pair in pairs if (pair[0].port, pair[0].protocol) == place)
    yield from (pair for pair in pairs if pair[0].name and pair[0].name == found.get("name"))


def _balancer(before: LoadBalancer | None, service: Document) -> LoadBalancer:
    spec = service["spec"]
    return LoadBalancer(
        class_=spec.get("loadBalancerClass"),
        source_ranges=tuple(spec.get("loadBalancerSourceRanges") or ()),
        allocate_node_ports=spec.get("allocateLoadBalancerNodePorts", True),
        annotations=dict(service["annotations"]) if before else {},
    )
