"""A row of the port ledger: who has one number of one cluster, why, and until when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class ClaimState(StrEnum):
    """Where a claim stands (design.md §6)."""

    HELD = "held"
    BOUND = "bound"
    COOLING = "cooling"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortClaim:
    """One row of the ledger: one owner of one number of one cluster. A foreign Service has no ``team``.

    ``since`` is when its time with this owner began, ``changed_at`` when its state last changed.
    """

    cluster: str
    port: int
    state: ClaimState
    team: str | None
    namespace: str
    name: str
    exposure_id: UUID | None
    reason: str
    until: datetime | None
    changed_at: datetime
    since: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Return whether it cooled long enough: the number is free again, whoever asks."""
        return self.state is ClaimState.COOLING and self.until is not None and self.until <= now
