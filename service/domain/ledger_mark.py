"""How a ledger and a cluster know each other: the mark that the worker leaves in the cluster before it acts.

It names the ledger by its random id, and the newest event that was acted on, by its id and its hash. A
database that was restored from an older dump has not heard of that event; a copy that went its own way has
another one under that id. Neither may write into the cluster before an operator says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from service.domain.spec import Document

NAME_PREFIX = "wharfinger-ledger-"
"""What follows is the owner id of the installation: each has a mark of its own in a cluster."""


@dataclass(frozen=True, slots=True)
class LedgerMark:
    """Which ledger has acted on a cluster, and how far. ``event_id`` 0: on no event yet."""

    ledger: UUID
    event_id: int = 0
    event_hash: str = ""

    def document(self, namespace: str, owner_id: str) -> Document:
        """Return the ConfigMap that keeps it."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"namespace": namespace, "name": NAME_PREFIX + owner_id},
            "data": {
                "ledger": str(self.ledger),
                "event": str(self.event_id),
                "hash": self.event_hash,
            },
        }

    @classmethod
    def of(cls, config_map: Mapping[str, Any]) -> "LedgerMark | None":
        """Return the mark that a ConfigMap keeps; None when it keeps none that we can have written."""
        data = config_map.get("data") or {}
        try:
            return cls(UUID(data["ledger"]), int(data["event"]), str(data["hash"]))
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Known:
    """What a ledger knows of itself: its id, its newest event, the hash that it has for a marked event."""

    ledger: UUID
    newest_event: int
    hash_of_marked: str | None


def why_frozen(mark: LedgerMark | None, known: Known) -> str | None:
    """Return why nothing may be written into a cluster with this mark; None: it may."""
    if mark is None:
        return None
    if mark.ledger != known.ledger:
        return (
            f"Another ledger ({mark.ledger}) acted on this cluster last; "
            f"this database is ledger {known.ledger}."
        )
    if mark.event_id == 0:
        return None
    if known.newest_event < mark.event_id:
        return (
            f"The cluster has seen event {mark.event_id}, and the newest one of this database is "
            f"{known.newest_event}: it was restored from an older state."
        )
    if known.hash_of_marked != mark.event_hash:
        return (
            f"The cluster has seen another event {mark.event_id} than this database has: "
            "one of the two is a copy that went its own way, or was restored from an older state."
        )
    return None
