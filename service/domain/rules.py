"""Rules of a specification that look at more than one field. Each broken one is a fault with its pointer.

They work on what could be read: a field that is faulty by itself is missing here, and whatever needs it is
not judged. So a caller sees every fault at once, and none that only follows from another.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.domain.errors import Fault
from service.domain.spec import ExposureType

UNKNOWN = object()
"""Stands for a field that could not be read; None stands for one that was left out."""

MOST_PORTS, MOST_LABELS, MOST_RANGES = 32, 32, 64
"""So many ports, labels of a selector and source ranges a specification has at most."""

OUTSIDE_TYPES = (ExposureType.NODE_PORT, ExposureType.LOAD_BALANCER)


def spec_faults(spec: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with a specification as a whole.

    Args:
        spec: the API's ``spec`` after reading; faulty fields are missing, faulty items of ``ports`` are None.
    """
    ports: Sequence[Mapping[str, Any]] = [port or {} for port in spec.get("ports", ())]
    return [
        *_type_faults(spec),
        *_name_faults(ports),
        *_port_faults(ports),
        *_node_port_faults(ports),
        *_needless_node_ports(spec, ports),
    ]


def _type_faults(spec: Mapping[str, Any]) -> Iterator[Fault]:
    kind = spec.get("type", UNKNOWN)
    if kind is UNKNOWN:
        return
    if spec.get("external_traffic_policy") is not None and kind not in OUTSIDE_TYPES:
        detail = f"Only types NodePort and LoadBalancer have an external traffic policy, not {kind}."
        yield Fault("#/spec/external_traffic_policy", detail)
    if spec.get("load_balancer") is not None and kind != ExposureType.LOAD_BALANCER:
        yield Fault("#/spec/load_balancer", f"Only type LoadBalancer has these fields, not {kind}.")


def _name_faults(ports: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        name = port.get("name", UNKNOWN)
        if name is UNKNOWN:
            continue
        if name is None and len(ports) > 1:
            yield Fault(f"#/spec/ports/{index}/name", "With several ports each one needs a name.")
        elif name in seen:
            yield Fault(f"#/spec/ports/{index}/name", f"The name {name} is used by another port.")
        elif name is not None:
            seen.add(name)


def _port_faults(ports: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    seen: set[tuple[int, str]] = set()
    for index, port in enumerate(ports):
        if "port" not in port or "protocol" not in port:
            continue
        key = (port["port"], port["protocol"])
        if key in seen:
            yield Fault(f"#/spec/ports/{index}/port", f"Port {key[0]}/{key[1]} is there twice.")
        seen.add(key)


def _node_port_faults(ports: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    """Yield a fault for each number that two ports cannot share: only TCP and UDP of one service port can."""
    first: dict[int, Mapping[str, Any]] = {}
    uses = Counter(port.get("node_port") for port in ports)
    for index, port in enumerate(ports):
        number = port.get("node_port")
        if number is None or uses[number] == 1:
            continue
        other = first.setdefault(number, port)
        if other is port or "protocol" not in port or "protocol" not in other:
            continue
        pointer = f"#/spec/ports/{index}/node_port"
        if uses[number] > 2 or {port["protocol"], other["protocol"]} != {"TCP", "UDP"}:
            yield Fault(
                pointer,
                f"Node port {number} is there twice: only TCP and UDP of the same port can share one.",
            )
        elif "port" in port and "port" in other and port["port"] != other["port"]:
            yield Fault(
                pointer, f"TCP and UDP can share node port {number} only when `port` is the same for both."
            )


def _needless_node_ports(spec: Mapping[str, Any], ports: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    kind = spec.get("type", UNKNOWN)
    balancer = spec.get("load_balancer", UNKNOWN)
    allocates = (
        balancer if balancer is UNKNOWN or balancer is None else balancer.get("allocate_node_ports", UNKNOWN)
    )
    if kind is UNKNOWN or kind == ExposureType.NODE_PORT:
        return
    if kind == ExposureType.LOAD_BALANCER and (allocates is UNKNOWN or allocates):
        return
    hint = (
        "type LoadBalancer takes node ports only with load_balancer.allocate_node_ports"
        if kind == ExposureType.LOAD_BALANCER
        else f"type {kind} takes none"
    )
    for index, port in enumerate(ports):
        if port.get("node_port") is not None:
            yield Fault(f"#/spec/ports/{index}/node_port", f"A node port was asked for, but {hint}.")
