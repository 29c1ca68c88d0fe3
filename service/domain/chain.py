"""An exposure's events as a chain: each one names the hash of the one before, the exposure names the last.

Changing, taking out or moving one event breaks every link behind it; cutting the end leaves a head that no
event has. docs/evidence.md says it exactly, with an example that a few lines of any language can check.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785

from service.domain.event import Entry
from service.domain.spec import Document


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: the number and the hash of its last event."""

    seq: int = 0
    hash: str | None = None


START = Head()
"""Of an exposure of which nothing is told yet."""


def content(entry: Entry) -> Document:
    """Return everything that an event's hash is taken of, as JSON values."""
    return {
        "exposure_id": str(entry.exposure_id),
        "seq": entry.seq,
        "previous_hash": entry.previous_hash,
        "kind": entry.kind,
        "revision": entry.revision,
        "actor": entry.actor,
        "request_id": entry.request_id,
        "data": entry.data,
        "at": stamp(entry.at),
    }


def stamp(moment: datetime) -> str:
    """Return a time in the one way that is hashed: UTC, always six digits of a second."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return a document's canonical JSON.

    Raises:
        ValueError: it has numbers or texts that the canonical form does not know.

    Source: RFC 8785.
    """
    return rfc8785.dumps(dict(document))


def sha256(data: bytes) -> str:
    """Return ``sha256:`` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def link(entry: Entry) -> Head:
    """Return where a chain ends once an entry is its last one."""
    return Head(entry.seq, sha256(canonical(content(entry))))
