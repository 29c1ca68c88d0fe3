"""The past of a node port: one tenure for each time that somebody had it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.domain.claim import ClaimState
from service.domain.errors import PortOwner


class Ending(StrEnum):
    """How a tenure ended."""

    RELEASED = "released"
    """The Service is gone from the cluster."""
    DROPPED = "dropped"
    """A later revision of the same exposure does without it."""
    LOST = "lost"
    """A foreign Service took it."""
    REASSIGNED = "reassigned"
    """A foreign Service took it, and the exposure got another number for the same revision."""
    UNUSED = "unused"
    """A hold that never became bound."""
    GONE = "gone"
    """A foreign Service that had it went, or gave it to another one."""
    ABANDONED = "abandoned"
    """Its cluster was taken out of the ledger; whatever had it there was left alone."""
    ADOPTED = "adopted"
    """The foreign Service that had it is to be an exposure's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """Who had a number, from when until when, and how it ended.

    ``id`` grows with the time of its end. ``state`` is the last one of that time. ``exposure_id`` is None for
    a foreign Service, and where the reader may not see the exposure.
    """

    id: int
    port: int
    state: ClaimState
    owner: PortOwner
    exposure_id: UUID | None
    reason: str
    began_at: datetime
    ended_at: datetime
    ending: Ending
    thief: PortOwner | None
    cooling_until: datetime | None
