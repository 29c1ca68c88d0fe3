"""Drift that people want to keep: the live specification with what the cluster has in its place. Pure.

What a specification can say is taken over. Then the Service that it would become is compared with the one
that is there: whatever still differs is refused by its field, all at once. The owner mark is no content.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from service.domain.errors import Fault
from service.domain.exposure import Allocation, Metadata, NodePort, PortOrigin, Revision
from service.domain.manifest import differs, render, with_ports
from service.domain.spec import Document, ExposureType, LoadBalancer, ServicePort, Spec

POINTER = "#/action"
"""Faults are of the wish to adopt: the client sent no specification."""

CODE = "not-adoptable"

SAID_BY: Mapping[str, str] = {
    "externalTrafficPolicy": "external_traffic_policy",
    "internalTrafficPolicy": "internal_traffic_policy",
    "sessionAffinity": "session_affinity",
    "ipFamilyPolicy": "ip_family_policy",
}
HEALTH_CHECK = "spec.healthCheckNodePort"


def adopted(live: Revision, service: Document) -> Spec | tuple[Fault, ...]:
    """Return the specification that says what the cluster has, or every reason why there is none.

    Args:
        service: ``{spec, annotations}`` as they are in the cluster; of the annotations those that the live
            revision has.
    """
    found = {"metadata": {"annotations": service["annotations"]}, "spec": service["spec"]}
    paths = differs(found, with_ports(live.manifest, live.allocation))
    spec = replace(live.spec, **{name: value for path in paths for name, value in _read(path, live, service)})
    number, ours = service["spec"].get("healthCheckNodePort"), live.allocation.health_check
    unsaid = list(differs(found, _rendered(live, spec, service["spec"])))
    if number and (ours is None or ours.number != number) and HEALTH_CHECK not in unsaid:
        unsaid.append(HEALTH_CHECK)  # one more would be chosen for it, and it never changes in place
    if not paths and not unsaid:
        return (Fault(POINTER, "Only the owner mark differs: no exposure says it. Revert the drift.", CODE),)
    detail = "{}: no exposure says this. Revert the drift, or undo that by hand first."
    return tuple(Fault(POINTER, detail.format(path), CODE) for path in unsaid) or spec


def _rendered(live: Revision, spec: Spec, found: Document) -> Document:
    """Return the Service that a specification becomes when it is given the numbers that are there."""
    names = live.manifest["metadata"]
    numbers = [port["nodePort"] for port in found.get("ports") or () if port.get("nodePort")]
    allocation = Allocation(tuple(NodePort(number, PortOrigin.ASKED) for number in numbers))
    return with_ports(render(Metadata("", names["namespace"], names["name"], ""), spec), allocation)


def _read(path: str, live: Revision, service: Document) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a specification that say what is at a path, with their values; none: none does."""
    spec = service["spec"]
    name = path.removeprefix("spec.")
    value = spec.get(name)
    if name in SAID_BY:
        yield SAID_BY[name], value
    elif name == "selector" and value:
        yield name, value
    elif name == "ports" and value:
        yield name, tuple(_port(live, port) for port in value)
    elif name == "type" and value in list(ExposureType):
        yield name, ExposureType(value)
        yield "load_balancer", _balancer(live, service)
    elif live.spec.type is ExposureType.LOAD_BALANCER:
        yield "load_balancer", _balancer(live, service)


def _port(live: Revision, found: Document) -> ServicePort:
    """Return a port as it is; what was chosen, or left open, for the port that it was stays so."""
    known, given = next(_same(live, found), (None, None))
    target, number = found.get("targetPort"), found.get("nodePort")
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


def _balancer(live: Revision, service: Document) -> LoadBalancer | None:
    spec = service["spec"]
    if spec.get("type") != ExposureType.LOAD_BALANCER:
        return None
    return LoadBalancer(
        class_=spec.get("loadBalancerClass"),
        source_ranges=tuple(spec.get("loadBalancerSourceRanges") or ()),
        allocate_node_ports=spec.get("allocateLoadBalancerNodePorts", True),
        annotations=dict(service["annotations"]) if live.spec.load_balancer else {},
    )
