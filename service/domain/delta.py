"""What a change does against its base, field by field: narrowing, equal or widening (design.md §4). Pure.

Narrowing opens nothing that the base has not opened. In doubt a change is widening, in both directions: so is
one that takes with one hand and gives with the other, and a field that the rules below do not know. What is
left out and what is stated are the same when the same Service is rendered from both.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from service.domain.spec import Document, LoadBalancer, Spec


class DeltaKind(StrEnum):
    """What a change does to what can be reached."""

    NARROWING = "narrowing"
    EQUAL = "equal"
    WIDENING = "widening"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs: JSON values, absent is None."""

    pointer: str
    kind: DeltaKind
    reason: str
    before: Any
    after: Any

    def document(self) -> Document:
        """Return it as JSON."""
        return {
            "pointer": self.pointer,
            "kind": self.kind.value,
            "reason": self.reason,
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class Delta:
    """All that differs; the kind of the whole is the widest of its changes."""

    changes: tuple[FieldChange, ...]

    @property
    def kind(self) -> DeltaKind:
        """Return what the whole does."""
        kinds = {change.kind for change in self.changes}
        if DeltaKind.WIDENING in kinds:
            return DeltaKind.WIDENING
        return DeltaKind.NARROWING if DeltaKind.NARROWING in kinds else DeltaKind.EQUAL

    def document(self) -> Document:
        """Return it as JSON."""
        return {"kind": self.kind.value, "changes": [change.document() for change in self.changes]}


N, E, W = DeltaKind.NARROWING, DeltaKind.EQUAL, DeltaKind.WIDENING
Judged: TypeAlias = tuple[DeltaKind, str]
Rule: TypeAlias = Callable[[Any, Any], Judged]


def delta_of(base: Spec | None, wanted: Spec) -> Delta:
    """Return how a specification differs from its base; without one everything is new."""
    if base is None:
        return Delta((FieldChange("#/spec", W, "Nothing was exposed before.", None, None),))
    return Delta(tuple(changes_of(base.document(), wanted.document())))


def changes_of(before: Document, after: Document) -> Iterator[FieldChange]:
    """Yield how the documents of two specifications differ, field by field."""
    for field in dict.fromkeys((*before, *after)):
        if field == "ports":
            yield from _port_changes(before[field], after[field])
        elif field == "load_balancer":
            yield from _balancer_changes(before[field], after[field])
        else:
            yield from _field_change(
                f"#/spec/{field}", _RULES.get(field), before.get(field), after.get(field)
            )


def _field_change(pointer: str, rule: Rule | None, before: Any, after: Any) -> Iterator[FieldChange]:
    if before != after:
        kind, reason = rule(before, after) if rule else (W, "What this field does is not weighed.")
        yield FieldChange(pointer, kind, reason, before, after)


def _port_changes(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> Iterator[FieldChange]:
    """Compare ports by service port and protocol, which no Service has twice."""
    had = {(port["port"], port["protocol"]): port for port in before}
    for index, port in enumerate(after):
        old = had.pop((port["port"], port["protocol"]), None)
        if old is None:
            yield FieldChange(f"#/spec/ports/{index}", W, "The port is new.", None, dict(port))
            continue
        one, other = _stated(old), _stated(port)
        for field in dict.fromkeys((*one, *other)):
            pointer = f"#/spec/ports/{index}/{field}"
            yield from _field_change(pointer, _PORT_RULES.get(field), one.get(field), other.get(field))
    for port in had.values():
        yield FieldChange("#/spec/ports", N, "The port goes.", dict(port), None)


def _stated(port: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a port with its target, which is the port itself when it is left out."""
    return {**port, "target_port": port["port"]} if port["target_port"] is None else port


def _balancer_changes(before: Document | None, after: Document | None) -> Iterator[FieldChange]:
    old, new = before or _PLAIN_BALANCER, after or _PLAIN_BALANCER
    for field in dict.fromkeys((*old, *new)):
        pointer = f"#/spec/load_balancer/{field}"
        yield from _field_change(pointer, _BALANCER_RULES.get(field), old.get(field), new.get(field))


def _selector(before: Mapping[str, str], after: Mapping[str, str]) -> Judged:
    if before.items() <= after.items() and before:
        return N, "It selects fewer pods: the same labels and more."
    return W, "It can select other pods."


def _lifetime(before: int | None, after: int | None) -> Judged:
    if after is not None and (before is None or after < before):
        return N, "It ends earlier."
    return W, "It ends later." if after is not None else "It has no end any more."


def _sources(before: Sequence[str], after: Sequence[str]) -> Judged:
    """Compare who is let in; no range at all lets everybody in."""
    old, new = _networks(before), _networks(after)
    covered = all(any(_inside(one, other) for other in old) for one in new)
    covers = all(any(_inside(one, other) for other in new) for one in old)
    if covered and covers:
        return E, "The same sources are let in."
    return (N, "Fewer sources are let in.") if covered else (W, "Other sources are let in.")


def _networks(ranges: Sequence[str]) -> list[Any]:
    networks: list[Any] = [ipaddress.ip_network(text) for text in ranges or ("0.0.0.0/0", "::/0")]
    by_version = [[n for n in networks if n.version == version] for version in (4, 6)]
    return [n for alike in by_version for n in ipaddress.collapse_addresses(alike)]


def _inside(one: Any, other: Any) -> bool:
    return one.version == other.version and bool(one.subnet_of(other))


def _words(_: Any, __: Any) -> Judged:
    return E, "It changes no traffic."


def _allocates(before: bool, after: bool) -> Judged:
    if before and not after:
        return N, "No node port goes round the source ranges any more."
    return W, "Node ports go round the source ranges."


def _node_port(before: int | None, after: int | None) -> Judged:
    if after is None:
        return W, f"{before} is not asked for any more, so the ledger may choose another number."
    return W, "A node port is asked for that was not."


def _widens(reason: str) -> Rule:
    return lambda _, __: (W, reason)


_PLAIN_BALANCER = LoadBalancer().document()
_RULES: Mapping[str, Rule] = {
    # ClusterIP opens less than NodePort, but each type has policies of its own, which have not spoken of it.
    "type": _widens("It is reached in another way, for which other policies may hold."),
    "selector": _selector,
    "lifetime": _lifetime,
    "justification": _words,
    # Later is not less: the lifetime is counted from the start, so the end moves too.
    "not_before": _widens("It starts at another time, and its lifetime with it."),
    "replace": _widens("Whether the Service may be deleted and made again is decided anew."),
    # Local reaches fewer pods, but shows them the client's address and may take one more node port.
    "external_traffic_policy": _widens("Traffic from outside takes another way to the pods."),
    "internal_traffic_policy": _widens("Traffic from inside takes another way to the pods."),
    "session_affinity": _widens("Clients are spread over the pods in another way."),
    "ip_family_policy": _widens("It may be reached by other address families."),
}
_PORT_RULES: Mapping[str, Rule] = {
    "name": _widens("What refers to a port by name finds another one."),
    "target_port": _widens("It leads to another port of the pods."),
    "app_protocol": _widens("What stands in between may treat the traffic in another way."),
    "node_port": _node_port,
}
_BALANCER_RULES: Mapping[str, Rule] = {
    "class": _widens("Another load balancer may serve it."),
    "source_ranges": _sources,
    "allocate_node_ports": _allocates,
    "annotations": _widens("An annotation can tell a load balancer anything."),
}
"""What is not in them widens."""
