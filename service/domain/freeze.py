"""A change freeze: a time in which a cluster takes nothing new. What was approved waits for its end."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Freeze:
    """From ``begins_at``, before ``ends_at``; ``name`` is unique in its cluster."""

    cluster: str
    name: str
    begins_at: datetime
    ends_at: datetime
    reason: str

    def holds(self, now: datetime) -> bool:
        """Return whether it is on."""
        return self.begins_at <= now < self.ends_at
