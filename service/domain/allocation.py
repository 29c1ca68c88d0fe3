"""Which node ports a specification needs, and which of its ports share one. Pure.

Kubernetes gives TCP and UDP of one service port the same number when one of them states it, and lets them
share one inside one Service only when ``port`` is equal. So ports with an equal ``port`` share a number
whether it was asked for or is chosen: a name server is reached at one number by both protocols.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.domain.exposure import Allocation, NodePort, PortOrigin
from service.domain.spec import Document, ServicePort, Spec


@dataclass(frozen=True, slots=True)
class Slot:
    """One number that is needed.

    ``ports`` are indexes of ``spec.ports``, none for the health check's. ``asked`` is the number that was
    asked for, at index ``asked_at``; ``earlier`` is the one that the same exposure had for it before.
    """

    ports: tuple[int, ...]
    asked: int | None = None
    asked_at: int | None = None
    earlier: int | None = None

    def pointer(self) -> str:
        """Return the JSON pointer of where the number was asked for."""
        return f"#/spec/ports/{self.asked_at}/node_port"


@dataclass(frozen=True, slots=True)
class Before:
    """What an earlier revision of the same exposure was, and which numbers it had."""

    spec: Spec
    allocation: Allocation

    def only(self, number: int) -> "Before":
        """Return it as if it had had nothing but this number."""
        had = zip(self.spec.ports, self.allocation.ports, strict=False)
        kept = [(port, given) for port, given in had if given.number == number]
        health_check = self.allocation.health_check
        return Before(
            replace(self.spec, ports=tuple(port for port, _ in kept)),
            Allocation(
                tuple(given for _, given in kept),
                health_check if health_check and health_check.number == number else None,
            ),
        )


def slots(spec: Spec, *befores: Before | None) -> list[Slot]:
    """Return every number that a specification needs, the health check's last.

    Args:
        befores: whose numbers it has again, where it has a port for them; the first one goes first.
    """
    needed: list[Slot] = []
    if spec.needs_node_ports():
        for port in dict.fromkeys(each.port for each in spec.ports):
            needed += _sharing([i for i, each in enumerate(spec.ports) if each.port == port], spec.ports)
    if spec.needs_health_check_port():
        needed.append(Slot(()))
    return _with_earlier(needed, spec, [before for before in befores if before])


def as_asked(spec: Document, before: Before) -> Document:
    """Return a specification's document without the numbers that were chosen: showing is not asking.

    Who reads an exposure and sends its ``spec`` back states a chosen number. It stays chosen for the port
    that had it, by port and protocol, else by name. Whatever else stands there, the schema judges.
    """
    ports = spec.get("ports")
    if not isinstance(ports, list):
        return spec
    return {**spec, "ports": [_without_chosen(port, before) for port in ports]}


def _without_chosen(port: Any, before: Before) -> Any:
    if not isinstance(port, dict):
        return port
    for known, given in zip(before.spec.ports, before.allocation.ports, strict=False):
        same = (known.port, known.protocol) == (port.get("port"), port.get("protocol", "TCP"))
        named = known.name is not None and known.name == port.get("name")
        was_chosen = given.origin is PortOrigin.CHOSEN and given.number == port.get("node_port")
        if was_chosen and (same or named):
            return {**port, "node_port": None}
    return port


def allocation_of(spec: Spec, given: Mapping[Slot, int]) -> Allocation:
    """Return the allocation that gives each slot its number; only what was asked for is marked so."""
    ports: dict[int, NodePort] = {}
    health_check = None
    for slot, number in given.items():
        if not slot.ports:
            health_check = NodePort(number, PortOrigin.CHOSEN)
        for index in slot.ports:
            asked = spec.ports[index].node_port == number
            ports[index] = NodePort(number, PortOrigin.ASKED if asked else PortOrigin.CHOSEN)
    return Allocation(tuple(ports[index] for index in sorted(ports)), health_check)


def _sharing(indexes: Sequence[int], ports: Sequence[ServicePort]) -> Iterable[Slot]:
    """Return the slots of the ports with one service port: who states no number joins the first who does."""
    stated: dict[int | None, list[int]] = {}
    for index in indexes:
        stated.setdefault(ports[index].node_port, []).append(index)
    silent = stated.pop(None, [])
    asked = [Slot(tuple(found), number, found[0]) for number, found in stated.items()]
    if not asked:
        return [Slot(tuple(silent))]
    return [replace(asked[0], ports=(*asked[0].ports, *silent)), *asked[1:]]


def _with_earlier(needed: Sequence[Slot], spec: Spec, befores: Sequence[Before]) -> list[Slot]:
    """Return the slots with the numbers that they had; each number once, and none that is asked for."""
    spent = {slot.asked for slot in needed}
    found: dict[Slot, int] = {}
    for before in befores:
        for slot in needed:
            earlier = None if slot.asked or slot in found else _earlier(slot, spec, before)
            if earlier is not None and earlier not in spent:
                found[slot] = earlier
                spent.add(earlier)
    return [replace(slot, earlier=found.get(slot)) for slot in needed]


def _earlier(slot: Slot, spec: Spec, before: Before) -> int | None:
    """Return the number that a slot had: by port and protocol, else by name."""
    if not slot.ports:
        return before.allocation.health_check.number if before.allocation.health_check else None
    had = list(zip(before.spec.ports, before.allocation.ports, strict=False))
    wanted = [spec.ports[index] for index in slot.ports]
    for port in wanted:
        for known, given in had:
            if (known.port, known.protocol) == (port.port, port.protocol):
                return given.number
    names = {port.name for port in wanted if port.name}
    return next((given.number for known, given in had if known.name in names), None)
