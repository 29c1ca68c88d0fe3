"""What a change does against its base, field by field: narrowing, equal or widening (design.md §4). Pure.

Narrowing opens nothing that the base has not opened. In doubt a change is widening, in both directions: so is
one that takes with one hand and gives with the other, and a field that the rules below do not know.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from service.domain.spec import Document, Spec


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
        for field in dict.fromkeys((*old, *port)):
            pointer = f"#/spec/ports/{index}/{field}"
            yield from _field_change(pointer, _PORT_RULES.get(field), old.get(field), port.get(field))
    for port in had.values():
        yield FieldChange("#/spec/ports", N, "The port goes.", dict(port), None)


def _balancer_changes(before: Document | None, after: Document | None) -> Iterator[FieldChange]:
    if before is None or after is None:
        yield from _field_change("#/spec/load_balancer", None, before, after)
        return
    for field in dict.fromkeys((*before, *after)):
        pointer = f"#/spec/load_balancer/{field}"
        yield from _field_change(pointer, _BALANCER_RULES.get(field), before.get(field), after.get(field))


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


_RULES: Mapping[str, Rule] = {"selector": _selector, "lifetime": _lifetime, "justification": _words}
_PORT_RULES: Mapping[str, Rule] = {}
_BALANCER_RULES: Mapping[str, Rule] = {"source_ranges": _sources, "allocate_node_ports": _allocates}
"""What is not in them widens."""
