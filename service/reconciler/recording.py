"""What the worker writes down: before a call what it is about to do, after it what came of it.

Each function takes part in the caller's transaction and locks the exposure's row first. No cluster call
happens while one is open, so between ``begin`` and the rest anything may have changed: they look again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from service.domain.drift import NOBODY, Drift
from service.domain.errors import AddressRefused
from service.domain.exposure import Decision, ExposureRecord, Revision, RevisionKind, SyncState
from service.domain.held import DRY_RUN, UPSERT_ONLY
from service.domain.history import Ending
from service.domain.lifecycle import Mover, move, move_sync
from service.domain.lifetime import deadlines
from service.domain.manifest import Mark, fixed, node_ports
from service.domain.plan import FIGHT, FOREIGN_OWNER, Desired, Observed
from service.domain.principal import PrincipalKind
from service.domain.spec import Document
from service.reconciler.backoff import NO_HEALS, healed, pause
from service.reconciler.desire import desired_of, needed_ports, spare_ports
from service.reconciler.observe import ingress
from service.store import adoptions, events, exposures, ports, sync
from service.store.database import Session

ACTOR: Document = {"kind": PrincipalKind.WORKER.value, "person": "worker", "acted_for": None}

IN_FLIGHT = timedelta(seconds=15)
"""How long a write of unknown outcome may still arrive: the call's 4 s, the apiserver's 3 s, twice over."""

REMEMBERED = 100
"""So many creates that nobody waits for any more are known by their tokens, the last ones."""

HEALED = {"missing": "recreated", "drift": "drift-healed"}
"""Event of a heal: an application that made nothing live, by the reason of its action."""

HELD_BACK = (DRY_RUN, UPSERT_ONLY)
"""Reasons that say nothing of an attempt."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something could not be done. ``unknown``: the write may have happened all the same."""

    reason: str
    message: str
    retryable: bool = True
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the cluster has after an action, why it was done, and what was drift until then.

    ``stored`` comes from the cluster itself, never from a cache. ``is_answer``: of a write of ours, so what
    was sent before it is refused by now, its version is over. ``jitter``: 0 to 1.
    """

    stored: Observed
    reason: str
    drift: Drift | None = None
    is_answer: bool = False
    jitter: float = 0.0


def via(current: SyncState, *path: SyncState) -> str:
    """Return the last state of a path, each step of which the table allows.

    Raises:
        ValueError: one of them it does not.
    """
    for state in path:
        current = move_sync(current, state)
    return current.value


def begin(session: Session, want: Desired, now: datetime, **values: object) -> ExposureRecord | None:
    """Lock, look again and say what is being tried; None: what was planned is no longer what is wanted.

    A row that somebody else has is left for the next look: one that hangs must not keep the others waiting.
    """
    record = exposures.lock(session, want.exposure_id, wait=False)
    if record is None or not want.is_same_wish(desired_of(record, now)):
        return None
    state = SyncState.REMOVING if want.manifest is None else SyncState.APPLYING
    again = record.sync.aim == want.aim and record.sync.reason not in HELD_BACK
    if not again:  # what failed before, and how long it rests, was about something else
        values |= {"next_attempt_at": None, "reason": None, "message": None, "retryable": True}
    sync.record(
        session,
        want.exposure_id,
        now,
        state=via(record.sync.state, state),
        aim=want.aim,
        attempts=record.sync.attempts + 1 if again else 1,
        **values,
    )
    return record


def applied(session: Session, want: Desired, outcome: Outcome, now: datetime, cooling: timedelta) -> None:
    """Write down that the cluster has what was approved: from here on the Service is known by its uid.

    The ports that a new live revision does without cool from now on, unless a change may still arrive that
    has them: then from a later look on. What is put right too often is in a fight.
    """
    record = exposures.lock(session, want.exposure_id)
    if record is None or record.exposure.ended_at is not None:
        return
    known, stored = record.sync, outcome.stored
    identity = _identity(record, stored, now)
    if not _still_wanted(record, want, now):  # taken back meanwhile: the next look undoes it
        if record.sync.adopts_uid is None:
            sync.record(session, want.exposure_id, now, **identity)
        return
    revision = revision_of(record, want)
    became_live = revision.decision is Decision.APPROVED
    if became_live:
        _make_live(session, record, revision, now)
    if outcome.is_answer or not may_arrive(record, now):
        _release_dropped(session, record, revision, now + cooling, now)
    values: Document = {"aim": None, "next_attempt_at": None, "reason": None, "message": None}
    if outcome.reason == "calm":
        values |= NO_HEALS
    elif not became_live and outcome.reason in HEALED:
        blame = outcome.drift.blame() if outcome.drift else NOBODY
        values |= healed(known, want.aim, blame, now, outcome.jitter)
    path = (SyncState.APPLYING, SyncState.IN_SYNC, *((SyncState.DRIFTED,) if values["reason"] else ()))
    sync.record(
        session,
        want.exposure_id,
        now,
        **identity,
        **values,
        state=via(known.state, *path),
        revision=want.revision,
        attempts=0,
        retryable=True,
        still_serving=False,
        drift=None,
        cluster_ip=stored.service["spec"].get("clusterIP"),
        ingress=list(ingress(stored)),
    )
    if record.sync.adopts_uid is not None:
        changes = adoptions.adopted(session, want.exposure_id, stored.service, now)
        tell(session, want, "adopted", now, uid=stored.uid, changes=changes)
    if record.exposure.revert_asked_at is not None:
        exposures.note(session, want.exposure_id, revert_asked_at=None)
    _tell_applied(session, record, want, outcome, now, became_live)
    if values["reason"] == FIGHT != known.reason:
        by = outcome.drift.blame() if outcome.drift else NOBODY
        tell(session, want, "drift-fight", now, by=by, heals=values["heals"], message=values["message"])


def _tell_applied(
    session: Session,
    record: ExposureRecord,
    want: Desired,
    outcome: Outcome,
    now: datetime,
    became_live: bool,
) -> None:
    """Tell what became of it, with what the record was before; nothing when it was known."""
    known, stored = record.sync, outcome.stored
    facts: Document = {"uid": stored.uid, "reason": outcome.reason}
    before = record.newest(Decision.LIVE)
    if became_live:
        if before is not None and outcome.reason == "missing":  # another Service than the one that was live
            address = stored.service["spec"].get("clusterIP")
            facts |= {"replaces": before.number, "cluster_ip": {"before": known.cluster_ip, "now": address}}
        tell(session, want, "live", now, **facts)
    elif outcome.reason in HEALED:
        told = outcome.drift.document() if outcome.drift else {}
        tell(session, want, HEALED[outcome.reason], now, **facts, **told)
    elif outcome.reason == "calm":
        tell(session, want, "drift-fight-over", now, heals=known.heals)
    elif known.drift is not None:
        tell(session, want, "drift-gone", now, **facts)


def met(session: Session, want: Desired, stored: Observed, now: datetime) -> None:
    """Write down by which uid the Service is known, and nothing more; an adoption is known by its own."""
    record = exposures.lock(session, want.exposure_id)
    if record is not None and record.exposure.ended_at is None and record.sync.adopts_uid is None:
        sync.record(session, want.exposure_id, now, **_identity(record, stored, now))


def replacing(session: Session, want: Desired, old: Observed, now: datetime) -> None:
    """Tell that a Service is deleted to be made again, and what it was: its ports stay ours."""
    record = exposures.lock(session, want.exposure_id)
    if record is not None:
        address, ports_kept = old.service["spec"].get("clusterIP"), sorted(node_ports(old.service))
        fields = sorted({*want.fixed, *fixed(old.service, want.manifest or old.service)})
        facts = {"fields": fields, "cluster_ip": address, "node_ports": ports_kept}
        tell(session, want, "replacing", now, uid=old.uid, **facts)


def recognised(session: Session, want: Desired, found: Observed, spent: str, now: datetime) -> bool:
    """Return whether what was in a create's way is ours by what the ledger knows now; the create is spent."""
    record = exposures.lock(session, want.exposure_id)
    current = desired_of(record, now) if record is not None else None
    if record is None or current is None or not current.owns(found):
        return False
    sync.record(session, want.exposure_id, now, create_tokens=_without(record, spent))
    return True


def failed(
    session: Session, want: Desired, failure: Failure, now: datetime, jitter: float, spent: str | None
) -> None:
    """Write down why something could not be done, and when it is tried again; the event comes once a reason.

    Args:
        jitter: 0 to 1.
        spent: a create token that certainly made nothing.
    """
    record = exposures.lock(session, want.exposure_id)
    if record is None or record.exposure.ended_at is not None:
        return
    known = record.sync
    if not _still_wanted(record, want, now):  # of no interest any more, but for what it says of the create
        sync.record(session, want.exposure_id, now, create_tokens=_without(record, spent))
        return
    removing = want.manifest is None
    again, left = known.aim == want.aim, _without(record, spent)
    is_as_before = spent is not None and left == list(want.create_tokens)  # nothing more than then may arrive
    attempts = max(known.attempts, 1) if again else 1
    step = SyncState.REMOVING if removing else SyncState.APPLYING
    path = (step,) if failure.unknown else (step, SyncState.FAILED)
    sync.record(
        session,
        want.exposure_id,
        now,
        state=via(known.state, *path),
        aim=want.aim,
        attempts=attempts,
        next_attempt_at=now + pause(attempts, jitter),
        reason=failure.reason,
        message=failure.message,
        retryable=failure.retryable,
        still_serving=_serves(record, failure),
        create_tokens=left,
        create_sent_at=want.create_sent_at if is_as_before else known.create_sent_at,
        cluster_ip=None if failure.reason == AddressRefused.reason else known.cluster_ip,
    )
    if known.reason != failure.reason or not again:
        kind = "removal-failed" if removing else "apply-failed"
        tell(
            session,
            want,
            kind,
            now,
            reason=failure.reason,
            message=failure.message,
            retryable=failure.retryable,
        )


def revision_of(record: ExposureRecord, want: Desired) -> Revision:
    """Return the revision that is wanted."""
    return next(revision for revision in record.revisions if revision.number == want.revision)


def _still_wanted(record: ExposureRecord, want: Desired, now: datetime) -> bool:
    """Return whether people want now what was wanted when the call began."""
    current = desired_of(record, now)
    return current is not None and current.aim == want.aim


def _serves(record: ExposureRecord, failure: Failure) -> bool:
    """Return whether what was live before still is there."""
    is_live = record.newest(Decision.LIVE) is not None
    return is_live and record.sync.uid is not None and failure.reason != FOREIGN_OWNER


def _identity(record: ExposureRecord, stored: Observed, now: datetime) -> Document:
    """Return what the Service is known by: its own token is spent, one that may yet arrive stays open.

    One that nobody waits for any more is remembered: should it arrive after all, it is known as ours.
    """
    mark, is_open, known = Mark.of(stored.service), may_arrive(record, now), record.sync
    left = _without(record, mark.create_token if mark else None)
    return {
        "uid": stored.uid,
        "create_tokens": left if is_open else [],
        "create_sent_at": known.create_sent_at if is_open else None,
        "late_tokens": [*known.late_tokens, *(() if is_open else left)][-REMEMBERED:],
        "adopts_uid": None,
    }


def may_arrive(record: ExposureRecord, now: datetime) -> bool:
    """Return whether a write of ours may still come about: a read that finds nothing of it is no proof."""
    sent_at = record.sync.create_sent_at
    return sent_at is not None and now < sent_at + IN_FLIGHT


def _without(record: ExposureRecord, spent: str | None) -> list[str]:
    return [token for token in record.sync.create_tokens if token != spent]


def _make_live(session: Session, record: ExposureRecord, revision: Revision, now: datetime) -> None:
    before = record.newest(Decision.LIVE)
    if before is not None:
        exposures.set_decision(session, before, move(before.decision, Decision.RETIRED, Mover.WORKER), now)
    exposures.set_decision(session, revision, move(revision.decision, Decision.LIVE, Mover.WORKER), now)
    started: Document = {"applied_at": record.exposure.applied_at or now}
    if revision.kind is RevisionKind.RENEWAL:
        started["clock_started_at"] = now
    is_live = replace(revision, decision=Decision.LIVE)
    others = (r for r in record.revisions if r.decision is not Decision.LIVE)
    revisions = tuple(is_live if r is revision else r for r in others)
    after = replace(record, exposure=replace(record.exposure, **started), revisions=revisions)
    next_at = min((deadline.at for deadline in deadlines(after)), default=None)
    exposures.note(session, record.exposure.id, **started, next_deadline_at=next_at)


def _release_dropped(
    session: Session, record: ExposureRecord, live: Revision, until: datetime, now: datetime
) -> None:
    """Let the bound ports cool that neither what the cluster has now nor a revision that is open needs.

    A create of ours that may still arrive takes none of them: its name is in use.
    """
    if spare_ports(record, live):  # ports are bound under the exposure's lock alone: these are all
        keep = needed_ports(record, live)
        ports.release(session, record.exposure.id, keep, until, now, Ending.DROPPED)


def tell(session: Session, want: Desired, kind: str, now: datetime, **data: object) -> None:
    """Write an event about what is wanted."""
    events.append(
        session,
        want.exposure_id,
        kind,
        actor=ACTOR,
        now=now,
        revision=want.revision,
        request_id=want.request_id,
        data=dict(data),
    )
