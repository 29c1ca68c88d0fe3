"""Drift: where the cluster differs from what was approved, who wrote that, and when it is a fight. Pure.

Who wrote it comes from ``managedFields``: evidence, not a lock. The apiserver keeps a name for a field that
is there, none for one that was taken out; then nobody is named. Whoever edits a Service decides how long such
a difference is, so what is kept of it is bounded.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from service.domain.manifest import MANAGER, differs
from service.domain.spec import Document

MOST_CHANGES = 20
MOST_CHARACTERS = 600
"""Of one value, as JSON."""
TOLD_CHANGES = 3
"""So many are told in a sentence."""
NOBODY = "somebody whose name the cluster does not keep"

MOST_HEALS = 5
QUIET = timedelta(minutes=1)
"""More heals than that within this time are a fight; it ends when it passes without one."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote a field, as the apiserver noted it; ``at`` as it writes times, None: it does not say."""

    manager: str
    operation: str
    at: str | None

    def document(self) -> Document:
        """Return ``{manager, operation, at}``."""
        return {"manager": self.manager, "operation": self.operation, "at": self.at}


@dataclass(frozen=True, slots=True)
class Drift:
    """``changes`` are ``{path, approved, found}``, null for what is not there; ``writers`` newest first."""

    changes: tuple[Document, ...]
    writers: tuple[Writer, ...]

    def document(self) -> Document:
        """Return what an event tells: the newest writer by its fields, the others in a list."""
        first, *others = [writer.document() for writer in self.writers] or [NO_WRITER]
        return {**first, "others": others, "diff": list(self.changes)}

    def blame(self) -> str:
        """Return in words who wrote it."""
        return " and ".join(dict.fromkeys(writer.manager for writer in self.writers)) or NOBODY

    def sentence(self) -> str:
        """Return in words what differs, and who wrote that."""
        told = [
            f"{change['path']} is {_said(change['found'])} and not {_said(change['approved'])}"
            for change in self.changes[:TOLD_CHANGES]
        ]
        more = len(self.changes) - len(told)
        listed = ", ".join(told) + (f", and {more} more" if more else "")
        return f"{listed} (written by {self.blame()})"


NO_WRITER: Document = {"manager": None, "operation": None, "at": None}


@dataclass(frozen=True, slots=True)
class Heals:
    """How often one exposure was put right in a row, since when, and when it was the last time."""

    count: int = 0
    since: datetime | None = None
    last: datetime | None = None

    def and_one(self, now: datetime, fights: bool) -> "Heals":
        """Return the count with one more; a quiet time before it, or a slow pace, begins a new one.

        Args:
            fights: whether it is in a fight: its heals are far apart, and that is no peace.
        """
        if self.since is None or self.last is None:
            return Heals(1, now, now)
        begun = self.last if self.is_fight() else self.since
        if not fights and now - begun >= QUIET:
            return Heals(1, now, now)
        return Heals(self.count + 1, self.since, now)

    def is_fight(self) -> bool:
        """Return whether somebody undoes what the worker does."""
        return self.count > MOST_HEALS


def drift_of(current: Document, wanted: Document) -> Drift | None:
    """Return how a Service differs from ``wanted``, mark and ports included; None: it does not."""
    paths = differs(current, wanted)
    if not paths:
        return None
    changes = [
        {"path": path, "approved": _bounded(approved), "found": _bounded(found)}
        for top in paths
        for path, approved, found in _leaves(top, _at(wanted, top), _at(current, top))
    ]
    return Drift(tuple(changes[:MOST_CHANGES]), tuple(_writers(current, paths)))


def _at(service: Document, path: str) -> Any:
    """Return the value at a path of ``differs``: ``spec.FIELD``, ``metadata.FIELD[KEY]``."""
    part, _, field = path.partition(".")
    field, _, key = field.partition("[")
    value = (service.get(part) or {}).get(field)
    return (value or {}).get(key[:-1]) if key else value


def _leaves(path: str, approved: Any, found: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each difference below a path; lists place by place."""
    if isinstance(approved, dict) and isinstance(found, dict):
        for key in dict.fromkeys((*approved, *found)):
            step = f"[{key}]" if path == "spec.selector" else f".{key}"
            yield from _leaves(f"{path}{step}", approved.get(key), found.get(key))
    elif isinstance(approved, list) and isinstance(found, list):
        for index in range(max(len(approved), len(found))):
            one, other = (items[index] if index < len(items) else None for items in (approved, found))
            yield from _leaves(f"{path}[{index}]", one, other)
    elif approved != found:
        yield path, approved, found


def _writers(service: Document, paths: Iterable[str]) -> Iterator[Writer]:
    """Yield whoever but us owns a part of one of these paths, newest first."""
    entries = [
        entry
        for entry in service["metadata"].get("managedFields") or ()
        if entry.get("manager") != MANAGER and any(_owns(entry.get("fieldsV1") or {}, path) for path in paths)
    ]
    for entry in sorted(entries, key=lambda entry: entry.get("time") or "", reverse=True):
        yield Writer(storable(entry.get("manager", "")), entry.get("operation", ""), entry.get("time"))


def _owns(fields: Mapping[str, Any], path: str) -> bool:
    part, _, field = path.partition(".")
    field, _, key = field.partition("[")
    owned = (fields.get(f"f:{part}") or {}).get(f"f:{field}")
    return owned is not None and (not key or f"f:{key[:-1]}" in owned)


def storable(value: Any) -> Any:
    """Return a JSON value without NUL, which PostgreSQL can store nowhere."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return value


def _bounded(value: Any) -> Any:
    clean = storable(value)
    text = json.dumps(clean, ensure_ascii=False)
    return clean if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"


def _said(value: Any) -> str:
    return "not there" if value is None else json.dumps(value, ensure_ascii=False)
