"""What a model of the ledger knows: who has which number, who had it, what the cluster has."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from service.domain.history import Ending
from service.domain.reservation import Reservation
from tests.builders import NOON


@dataclass(frozen=True)
class Row:
    """What the model knows of a number that somebody has: an exposure, or a foreign Service by its name.

    ``cooling`` is what a held number was before, when its team took it back.
    """

    state: str
    owner: UUID | str
    until: datetime | None = None
    since: datetime = NOON
    cooling: "Row | None" = field(default=None, compare=False)  # no reader is told of it


Ended: TypeAlias = tuple[str, UUID | str, datetime]
"""How a tenure ended, whose it was, and when."""


class Model:
    """One cluster's."""

    now: datetime
    rows: dict[int, Row]
    teams: dict[UUID, str]
    rules: dict[str, Reservation]
    ended: dict[int, list[Ended]]
    in_the_cluster: dict[int, UUID | str]

    def _state(self, number: int) -> str:
        return self.rows[number].state if number in self.rows else "free"

    def _of(self, exposure: UUID, state: str) -> set[int]:
        return {n for n, row in self.rows.items() if row.owner == exposure and row.state == state}

    def _end(self, numbers: Collection[int], how: Ending) -> None:
        for number in numbers:
            self.ended.setdefault(number, []).append((how.value, self.rows.pop(number).owner, self.now))

    def _may_have(self, number: int, exposure: UUID, team: str) -> bool:
        row = self.rows.get(number)
        if row is None:
            return True
        if row.state == "cooling":
            return isinstance(row.owner, UUID) and self.teams[row.owner] == team
        return row.state in ("held", "bound") and row.owner == exposure

    def _is_kept_from(self, team: str, number: int) -> bool:
        """Return whether a reservation that holds keeps a number for somebody else."""
        return any(
            rule.first <= number <= rule.last and rule.team != team and rule.until > self.now
            for rule in self.rules.values()
            if rule.until is not None
        )
