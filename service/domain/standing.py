"""How things stand with each cluster, in numbers."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """One cluster. ``is_kept``: a worker holds its lease. ``withheld``: removals that wait for a person."""

    name: str
    seen_at: datetime | None
    is_readable: bool
    is_frozen: bool
    is_kept: bool
    orphans: int
    strangers: int
    withheld: int


@dataclass(frozen=True, slots=True)
class ExposureCount:
    """How many exposures that have not ended are in one state of the worker's, for one reason; "": none."""

    cluster: str
    state: str
    reason: str
    exposures: int
