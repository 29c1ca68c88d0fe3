"""One exposure whose time has come: what is due is done, and the next deadline is written down.

Level-triggered: what is due follows from the record, so a clock that stood still for a week does the same as
one that ran. Under the exposure's row lock, in the caller's transaction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.exposure import Decision, ExposureRecord, Intent, Revision, Suspension
from service.domain.lifecycle import Mover
from service.domain.lifetime import Deadline, Due, deadlines, end_of
from service.domain.principal import Principal, PrincipalKind
from service.domain.review import missing, seats_of
from service.domain.spec import Document
from service.store import events, exposures
from service.store.database import wake
from service.workflow.act import Act
from service.workflow.approval import close, end, retire
from service.workflow.comply import comply
from service.workflow.forbid import has_ended
from service.workflow.judge import Judge

CLOCK = Principal(PrincipalKind.CLOCK, "clock")

RETRY = timedelta(minutes=1)
"""How soon a deadline is looked at again that cannot be judged now: nobody knows what the cluster has."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at one exposure."""

    session: Session
    record: ExposureRecord
    now: datetime

    def act(self) -> Act:
        """Return the clock's act, under the request that the newest revision came with."""
        return Act(CLOCK, self.now, self.record.revisions[-1].request_id)

    def revision(self, number: int) -> Revision:
        """Return a revision by its number."""
        return next(revision for revision in self.record.revisions if revision.number == number)

    def tell(self, kind: str, revision: int | None, data: Document) -> None:
        """Write an event."""
        act = self.act()
        events.append(
            self.session,
            self.record.exposure.id,
            kind,
            actor=CLOCK.document(),
            now=self.now,
            revision=revision,
            request_id=act.request_id,
            data=data,
        )


def visit(session: Session, record: ExposureRecord, epoch: int, now: datetime, judge: Judge) -> None:
    """Do what is due, and write down when to look again; ``epoch``: of the policies that are active now."""
    exposure_id = record.exposure.id
    has_changed = comply(session, record, epoch, Visit(session, record, now).act(), judge)
    has_changed |= _lift(Visit(session, record, now), judge)
    postponed: set[Deadline] = set()
    while True:
        if has_changed:
            record = _again(session, exposure_id)
        left = deadlines(record)
        due = [deadline for deadline in left if deadline.at <= now and deadline not in postponed]
        if not due:
            break
        has_changed = _ACTS[due[0].due](Visit(session, record, now), due[0])
        if not has_changed:
            postponed.add(due[0])
    next_times = [now + RETRY if deadline in postponed else deadline.at for deadline in left]
    exposures.note(session, exposure_id, next_deadline_at=min(next_times, default=None))


def _again(session: Session, exposure_id: UUID) -> ExposureRecord:
    record = exposures.get(session, exposure_id)
    assert record is not None
    return record


def _lift(here: Visit, judge: Judge) -> bool:
    """Let an exposure be there again whose target port leads to no forbidden number; return whether it is."""
    record = here.record
    if record.exposure.suspension is not Suspension.FORBIDDEN_PORT or not has_ended(
        here.session, record, judge
    ):
        return False
    exposures.set_intent(here.session, record.exposure.id, Intent.PRESENT)
    here.tell("resumed", None, {"reason": Suspension.FORBIDDEN_PORT.value})
    wake(here.session, record.exposure.metadata.cluster)
    return True


def _start_clock(here: Visit, deadline: Deadline) -> bool:
    exposures.note(here.session, here.record.exposure.id, clock_started_at=deadline.at)
    here.tell("lifetime-started", None, {"at": deadline.at.isoformat(), "reason": "never ready"})
    return True


def _remind_pending(here: Visit, deadline: Deadline) -> bool:
    revision = here.revision(deadline.revision)
    assert revision.pending_until is not None
    left = missing(seats_of(revision), here.record.reviews_of(revision))
    here.tell(
        "reminder",
        revision.number,
        {
            "about": "approval",
            "until": revision.pending_until.isoformat(),
            "missing": [{"group": seat.group, "count": seat.count} for seat in left],
        },
    )
    exposures.note(here.session, here.record.exposure.id, reminded_until=here.now)
    return True


def _remind_end(here: Visit, deadline: Deadline) -> bool:
    until = end_of(here.record)
    assert until is not None
    here.tell("reminder", deadline.revision, {"about": "lifetime", "until": until.isoformat()})
    exposures.note(here.session, here.record.exposure.id, reminded_until=here.now)
    return True


def _expire_pending(here: Visit, deadline: Deadline) -> bool:
    revision = here.revision(deadline.revision)
    data: Document = {"reason": "Nobody decided in time."}
    close(here.session, here.record, revision, (Decision.EXPIRED, Mover.CLOCK), here.act(), data)
    return True


def _expire_approved(here: Visit, deadline: Deadline) -> bool:
    """Let an approval lapse that never reached the cluster; not while nobody knows what the cluster has."""
    if here.record.view.problem is not None or here.record.view.seen_at is None:
        return False
    revision = here.revision(deadline.revision)
    data: Document = {"reason": "It was approved and never reached the cluster."}
    close(here.session, here.record, revision, (Decision.EXPIRED, Mover.CLOCK), here.act(), data)
    return True


def _end_break_glass(here: Visit, deadline: Deadline) -> bool:
    revision = here.revision(deadline.revision)
    retire(here.session, here.record, revision, here.act(), "Break-glass was not reviewed in time.")
    return True


def _suspend(here: Visit, deadline: Deadline) -> bool:
    exposures.set_intent(
        here.session,
        here.record.exposure.id,
        Intent.SUSPENDED,
        suspension=Suspension.EXPIRED.value,
        suspended_at=here.now,
    )
    here.tell("suspended", deadline.revision, {"reason": Suspension.EXPIRED.value})
    wake(here.session, here.record.exposure.metadata.cluster)
    return True


def _remove(here: Visit, _: Deadline) -> bool:
    record, act = here.record, here.act()
    for revision in reversed(record.revisions):  # the newest first: what stands on another falls with it
        if revision.decision in (Decision.PENDING, Decision.APPROVED):
            record = close(here.session, record, revision, (Decision.EXPIRED, Mover.CLOCK), act, {})
    end(here.session, record, "Expired", here.now)
    here.tell("removal-requested", None, {"reason": "Its lifetime and the time of grace are over."})
    wake(here.session, record.exposure.metadata.cluster)
    return True


_ACTS: Mapping[Due, Callable[[Visit, Deadline], bool]] = {
    Due.START_CLOCK: _start_clock,
    Due.REMIND_PENDING: _remind_pending,
    Due.REMIND_END: _remind_end,
    Due.EXPIRE_PENDING: _expire_pending,
    Due.EXPIRE_APPROVED: _expire_approved,
    Due.END_BREAK_GLASS: _end_break_glass,
    Due.SUSPEND: _suspend,
    Due.REMOVE: _remove,
}
"""Each does one deadline; False: it cannot be judged now."""
