"""Services with our mark that no exposure wants: whose they are, and when they may be removed. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.manifest import Mark
from service.domain.plan import Observed

SIGHTINGS = 2
GRACE = timedelta(minutes=1)
"""An orphan is reported at once and removed after so many sweeps, not before so long after the first."""

AT_LEAST = 5
"""So many removals that nobody decided stop and ask, when they are above the cluster's share too."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An exposure that has ended, by what it would know a Service of its own."""

    uid: str | None
    create_tokens: Collection[str]


class Standing(StrEnum):
    """What a marked Service is whose key no exposure owns.

    ``COPY``: of one that we know, with another uid, and no create of ours made it; ``STRANGER``: of one that
    this ledger has never heard of. Both are foreign and never removed by us.
    """

    ORPHAN = "orphan"
    COPY = "copy"
    STRANGER = "stranger"


def standing(service: Observed, mark: Mark, ended: Ended | None, is_known: bool) -> Standing:
    """Return what a marked Service is.

    Args:
        ended: the exposure that its mark names, when that has ended.
        is_known: whether the ledger knows that exposure at all.
    """
    if not is_known:
        return Standing.STRANGER
    if ended is None:
        return Standing.COPY
    is_ours = service.uid == ended.uid or mark.create_token in ended.create_tokens
    return Standing.ORPHAN if is_ours else Standing.COPY


@dataclass(frozen=True, slots=True)
class Sighting:
    """How often a sweep has seen an orphan, and since when."""

    first_seen_at: datetime
    sightings: int

    def is_due(self, now: datetime) -> bool:
        """Return whether it has been reported long enough to be removed."""
        return self.sightings >= SIGHTINGS and now - self.first_seen_at >= GRACE


def are_too_many(due: Collection[Sighting], ours: int, share: float, released_at: datetime | None) -> bool:
    """Return whether so many removals that nobody decided have to wait for a person.

    Args:
        due: the orphans that could be removed now.
        ours: how many Services of ours the cluster has, orphans included.
        share: more than 0; with 1 nothing ever waits.
        released_at: when a person last let removals go on: what was seen before that may go.
    """
    left = [orphan for orphan in due if released_at is None or orphan.first_seen_at > released_at]
    return len(left) >= AT_LEAST and len(left) > share * ours
