"""Something that happened to an exposure: never changed, never deleted, chained to the one before."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.spec import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an event says and where it stands in its exposure's chain; ``seq`` counts from 1."""

    exposure_id: UUID
    seq: int
    previous_hash: str | None
    kind: str
    revision: int | None
    actor: Document
    request_id: str | None
    data: Document
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Entry):
    """Something that happened to an exposure; never changed, never deleted."""

    id: int
    hash: str
