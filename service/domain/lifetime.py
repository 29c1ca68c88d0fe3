"""The waiting time of a request, the lifetime of an exposure, and what is said before they end. Pure.

A lifetime is counted from the exposure's first ready, at the latest a day after the cluster first had it. A
later revision never starts that clock again, it only moves the end that is counted from it; only a renewal
does.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.domain.exposure import (
    Decision,
    Exposure,
    ExposureRecord,
    Intent,
    Revision,
    RevisionKind,
    Suspension,
)
from service.domain.freeze import Freeze

LATEST_START = timedelta(hours=24)
"""So long after the cluster first had it the clock starts, ready or not."""

NEVER_APPLIED = timedelta(days=7)
"""So long an approved revision waits for the cluster, from its approval or its ``not_before``, the later."""

GRACE = timedelta(days=7)
"""So long an exposure whose lifetime is over stays suspended, with its ports, before it is removed."""

PENDING_TTL = timedelta(days=14)
"""How long a request waits when no policy says otherwise."""

REMIND_BEFORE = (timedelta(days=14), timedelta(days=3), timedelta(days=1))
SHORTEST_FULL = timedelta(days=28)
"""Lifetimes from here on have the reminders of REMIND_BEFORE; a shorter one has them in proportion."""

PENDING_MARKS = (0.5, 0.9)
"""The shares of the waiting time after which a request that nobody has decided is called to mind."""


def held_back(revision: Revision, freezes: Iterable[Freeze], now: datetime) -> datetime | None:
    """Return until when an approved revision waits, for its start or the end of a freeze; None: no longer.

    Break-glass goes through a freeze: that is what it is for.
    """
    ends = [freeze.ends_at for freeze in freezes if freeze.holds(now) and not revision.break_glass]
    start = revision.spec.not_before
    return max((*ends, *([start] if start is not None and now < start else ())), default=None)


class Due(StrEnum):
    """What the clock does."""

    START_CLOCK = "start-clock"
    REMIND_PENDING = "remind-pending"
    REMIND_END = "remind-end"
    EXPIRE_PENDING = "expire-pending"
    EXPIRE_APPROVED = "expire-approved"
    END_BREAK_GLASS = "end-break-glass"
    SUSPEND = "suspend"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """Something that the clock does at a time; ``revision`` is whose, 0: the exposure's."""

    at: datetime
    due: Due
    revision: int = 0


def clock_start(exposure: Exposure) -> datetime | None:
    """Return when the clock started, or will at the latest; None: the cluster never had it."""
    if exposure.clock_started_at is not None or exposure.applied_at is None:
        return exposure.clock_started_at
    return exposure.applied_at + LATEST_START


def end_of(record: ExposureRecord) -> datetime | None:
    """Return when the lifetime of what is live is over; None: never, or not known yet."""
    live, started = record.newest(Decision.LIVE), clock_start(record.exposure)
    if live is None or live.spec.lifetime is None or started is None:
        return None
    return started + timedelta(seconds=live.spec.lifetime)


def is_renewed(record: ExposureRecord) -> bool:
    """Return whether a renewal was approved that is not live yet: until then the end of before is none."""
    approved = record.newest(Decision.APPROVED)
    return approved is not None and approved.kind is RevisionKind.RENEWAL


def is_over(record: ExposureRecord, now: datetime) -> bool:
    """Return whether the lifetime is over, whether the clock has looked or not."""
    end = end_of(record)
    return end is not None and end <= now and not is_renewed(record)


def reminders(lifetime: timedelta, end: datetime) -> tuple[datetime, ...]:
    """Return when an end is called to mind: 14, 3 and 1 days before it, in proportion for short lifetimes."""
    scale = min(1.0, lifetime / SHORTEST_FULL)
    return tuple(end - before * scale for before in REMIND_BEFORE)


def deadlines(record: ExposureRecord) -> list[Deadline]:
    """Return what the clock has still to do for an exposure, the next first; what is done is not in it."""
    if record.exposure.ended_at is not None or record.exposure.intent is Intent.ABSENT:
        return []
    found = [*_of_pending(record), *_of_approved(record), *_of_break_glass(record), *_of_lifetime(record)]
    return sorted(found)


def kept_until(record: ExposureRecord, port: int) -> datetime | None:
    """Return when the clock takes a node port if nobody acts; None: never, as far as known.

    What is live ends a time of grace after its lifetime, what never was with its approval or its waiting.
    """

    def at(due: Due, of: Revision | None = None) -> list[datetime]:
        wanted = 0 if of is None else of.number
        return [each.at for each in deadlines(record) if each.due is due and wanted in (0, each.revision)]

    has_it = [revision for revision in record.revisions if port in revision.allocation.numbers()]
    by_decision = {revision.decision: revision for revision in has_it}
    if live := by_decision.get(Decision.LIVE):
        ends = [*at(Due.REMOVE), *(over + GRACE for over in at(Due.SUSPEND)), *at(Due.END_BREAK_GLASS, live)]
    elif approved := by_decision.get(Decision.APPROVED):
        ends = [*at(Due.EXPIRE_APPROVED, approved), *at(Due.END_BREAK_GLASS, approved)]
    else:
        ends = at(Due.EXPIRE_PENDING)
    return min(ends, default=None)


def _of_pending(record: ExposureRecord) -> Iterator[Deadline]:
    pending = record.newest(Decision.PENDING)
    if pending is None or pending.pending_until is None:
        return
    waiting = pending.pending_until - pending.created_at
    for share in PENDING_MARKS:
        at = pending.created_at + waiting * share
        if _is_to_come(record, at):
            yield Deadline(at, Due.REMIND_PENDING, pending.number)
    yield Deadline(pending.pending_until, Due.EXPIRE_PENDING, pending.number)


def _of_approved(record: ExposureRecord) -> Iterator[Deadline]:
    """Yield the end of what was approved and never applied: not while nobody could have applied it."""
    approved = record.newest(Decision.APPROVED)
    if approved is None or approved.decided_at is None or record.exposure.intent is Intent.SUSPENDED:
        return
    since = max(approved.decided_at, approved.spec.not_before or approved.decided_at)
    yield Deadline(since + NEVER_APPLIED, Due.EXPIRE_APPROVED, approved.number)


def _of_break_glass(record: ExposureRecord) -> Iterator[Deadline]:
    for revision in record.revisions:
        if revision.decision in (Decision.APPROVED, Decision.LIVE) and is_unreviewed(revision):
            until = reviewed_until(revision)
            assert until is not None
            yield Deadline(until, Due.END_BREAK_GLASS, revision.number)


def reviewed_until(revision: Revision) -> datetime | None:
    """Return when it is too late to review a revision, whether the clock has looked or not; None: never."""
    if is_unreviewed(revision):
        assert revision.break_glass is not None
        return datetime.fromisoformat(revision.break_glass["until"])
    return revision.pending_until


def is_unreviewed(revision: Revision) -> bool:
    """Return whether a revision came through by break-glass and its seats are still empty."""
    return revision.break_glass is not None and not revision.break_glass.get("reviewed_at")


def _of_lifetime(record: ExposureRecord) -> Iterator[Deadline]:
    exposure = record.exposure
    if exposure.suspension is Suspension.EXPIRED:
        assert exposure.suspended_at is not None
        yield Deadline(exposure.suspended_at + GRACE, Due.REMOVE)
        return
    if exposure.applied_at is not None and exposure.clock_started_at is None:
        yield Deadline(exposure.applied_at + LATEST_START, Due.START_CLOCK)
    live, end = record.newest(Decision.LIVE), end_of(record)
    if live is None or live.spec.lifetime is None or end is None or is_renewed(record):
        return
    for at in reminders(timedelta(seconds=live.spec.lifetime), end):
        if _is_to_come(record, at):
            yield Deadline(at, Due.REMIND_END, live.number)
    yield Deadline(end, Due.SUSPEND, live.number)


def _is_to_come(record: ExposureRecord, reminder: datetime) -> bool:
    """Return whether a reminder was not sent yet."""
    until = record.exposure.reminded_until
    return until is None or until < reminder
