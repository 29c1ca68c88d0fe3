"""Seats: who has to approve a revision, copied into it when it is submitted. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.spec import Document


@dataclass(frozen=True, slots=True)
class Seat:
    """Some places at the table: ``count`` people of a group.

    ``key`` names it within its revision. ``group`` None: any approver. ``filter`` is a policy's expression
    over the reviewer; ``policies`` are those that ask for it, ``NAME@VERSION``.
    """

    key: str
    group: str | None = None
    count: int = 1
    filter: str | None = None
    policies: tuple[str, ...] = ()

    def document(self) -> Document:
        """Return the stored shape."""
        return {
            "key": self.key,
            "group": self.group,
            "count": self.count,
            "filter": self.filter,
            "policies": list(self.policies),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Seat":
        """Return the value that ``document()`` wrote."""
        return cls(**{**document, "policies": tuple(document["policies"])})


APPROVER = "approver"
"""The key of a seat that any approver fills."""
