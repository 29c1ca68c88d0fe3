"""The conditions of an exposure: what is so, what is not, what nobody can tell, each with its reason. Pure.

What is known of a cluster is as old as the last look; each of them says so once that is too old. Each reason
that a person may be woken for has its entry in docs/runbook.md.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from service.domain.claim import ClaimState
from service.domain.exposure import Decision, ExposureRecord, Revision, SyncState
from service.domain.lifetime import held_back
from service.domain.plan import FOREIGN_OWNER, LACKING, NOT_ADOPTED
from service.domain.review import missing, seats_of
from service.domain.spec import Document, ExposureType

UNWATCHED = timedelta(seconds=30)
"""After so long without a look, nobody can say what the cluster has; the worker looks every second."""


def conditions(record: ExposureRecord, now: datetime) -> Iterator[Document]:
    """Yield the five conditions of design.md §4, each with status, reason and message."""
    yield _approved(record, now)
    yield _allocated(record)
    yield _applied(record, now)
    yield _ready(record, now)
    yield _compliant(record)


def _approved(record: ExposureRecord, now: datetime) -> Document:
    revision = record.shown()
    good = revision.decision in (Decision.APPROVED, Decision.LIVE, Decision.RETIRED)
    messages = {
        Decision.PENDING: f"Revision {revision.number} waits for {_waited_for(record, revision)}.",
        Decision.APPROVED: f"Revision {revision.number} is approved and waits for {_held_by(record, now)}.",
    }
    message = messages.get(revision.decision, f"Revision {revision.number} is {revision.decision}.")
    since = revision.decided_at or revision.created_at
    return _condition("Approved", good, revision.decision.capitalize(), message, since, revision.number)


def _waited_for(record: ExposureRecord, revision: Revision) -> str:
    """Return in words whose reviews are missing."""
    left = missing(seats_of(revision), record.reviews_of(revision))
    named = [f"{seat.count} of group {seat.group}" if seat.group else "an approver" for seat in left]
    until = f", until {revision.pending_until:%Y-%m-%dT%H:%M:%SZ}" if revision.pending_until else ""
    return f"{' and '.join(named)} who did not ask for it{until}"


def _held_by(record: ExposureRecord, now: datetime) -> str:
    approved = record.newest(Decision.APPROVED)
    until = held_back(approved, record.freezes, now) if approved is not None else None
    if until is None:
        return "the worker"
    frozen = next((freeze for freeze in record.freezes if freeze.holds(now)), None)
    why = f"the end of change freeze {frozen.name} ({frozen.reason})" if frozen else "its start"
    return f"{why}, {until:%Y-%m-%dT%H:%M:%SZ}"


def _allocated(record: ExposureRecord) -> Document:
    revision = record.shown()
    numbers = revision.allocation.numbers()
    if not numbers:
        return _condition(
            "Allocated", True, "NothingNeeded", "It takes no node port.", revision.created_at, revision.number
        )
    claims = [claim for claim in record.claims if claim.port in numbers]
    claimed = {c.port: c.state for c in claims if c.state in (ClaimState.HELD, ClaimState.BOUND)}
    missing = sorted(numbers - claimed.keys())
    if missing:
        since = record.exposure.ended_at or max((c.changed_at for c in claims), default=revision.created_at)
        reason, message = "Released", f"Node ports {', '.join(map(str, missing))} are not held (any more)."
        if record.sync.reason in LACKING:
            reason, message = record.sync.reason, record.sync.message or message
        return _condition("Allocated", False, reason, message, since, revision.number)
    listed = ", ".join(f"{port} {state}" for port, state in sorted(claimed.items()))
    message = f"Node ports: {listed}."
    # Held since the request was made: that a hold became bound meanwhile is no change of this condition.
    return _condition("Allocated", True, "InLedger", message, revision.created_at, revision.number)


def _applied(record: ExposureRecord, now: datetime) -> Document:
    sync, exposure = record.sync, record.exposure
    generation = sync.revision or 0
    state = effective_state(record, now)
    words: dict[SyncState, tuple[bool | None, str, str]] = {
        SyncState.NONE: (False, "NotYet", _not_yet(record)),
        SyncState.APPLYING: (False, "Applying", "The worker is making the Service."),
        SyncState.IN_SYNC: (True, "InSync", f"The cluster has revision {generation}."),
        SyncState.DRIFTED: (False, "Drifted", "The cluster differs from what was approved."),
        SyncState.FAILED: (False, "Failed", "The cluster did not take it."),
        SyncState.REMOVING: (False, "Removing", "The worker is removing the Service."),
        SyncState.REMOVED: (False, "Removed", "The Service is gone."),
        SyncState.UNKNOWN: (None, *_away(record)),
    }
    status, reason, message = words[state]
    since = sync.changed_at or exposure.created_at
    if state is SyncState.UNKNOWN:
        since = record.view.seen_at or since
    elif state is not SyncState.IN_SYNC or sync.reason not in LACKING:  # an open change lacks that one
        reason, message = sync.reason or reason, sync.message or message
    return _condition("Applied", status, reason, message, since, generation)


def _not_yet(record: ExposureRecord) -> str:
    if record.sync.adopts_uid is not None:
        return NOT_ADOPTED
    nobody = record.view.seen_at is None
    return "No worker has looked at this cluster yet." if nobody else "Nothing was sent to the cluster yet."


def _ready(record: ExposureRecord, now: datetime) -> Document:
    sync = record.sync
    since = sync.ready_changed_at or sync.changed_at or record.exposure.created_at
    generation = sync.revision or 0
    if in_cluster(record) is None:
        message = "The cluster has no Service of a live revision."
        return _condition("Ready", False, "NotApplied", message, since, generation)
    if effective_state(record, now) is SyncState.UNKNOWN:
        return _condition("Ready", None, *_away(record), record.view.seen_at or since, generation)
    word = readiness(record)
    reason, message = {
        "ready": ("Ready", f"{sync.ready_endpoints} endpoint(s) are ready."),
        "no_endpoints": ("NoEndpoints", "No ready pod matches the selector and target port."),
        "lb_pending": ("LoadBalancerPending", "The load balancer has not given an address yet."),
    }[word]
    return _condition("Ready", word == "ready", reason, message, since, generation)


def _compliant(record: ExposureRecord) -> Document:
    """Return whether a deny rule that is active now matches what is live: an unknown is not a yes."""
    exposure, violations = record.exposure, record.exposure.violations
    since, generation = exposure.created_at, exposure.generation
    if record.newest(Decision.LIVE) is None or violations is None:
        message = "It is judged by the policies that are active once it is live."
        return _condition("Compliant", None, "NotJudged", message, since, generation)
    if not violations:
        return _condition("Compliant", True, "Compliant", "No deny rule matches.", since, generation)
    message = " ".join(f"{v['policy']}: {v['message']}" for v in violations)
    message += " It stays until its owner or the platform changes it."
    return _condition("Compliant", False, "DenyRuleMatches", message, since, generation)


def _condition(
    kind: str, status: bool | None, reason: str, message: str, since: datetime | None, generation: int
) -> Document:
    return {
        "type": kind,
        "status": {True: "True", False: "False", None: "Unknown"}[status],
        "reason": reason,
        "message": message,
        "last_transition_time": since,
        "observed_generation": generation,
    }


def _away(record: ExposureRecord) -> tuple[str, str]:
    """Return reason and message for what nobody can tell at present."""
    seen, problem = record.view.seen_at, record.view.problem
    if record.view.frozen is not None:
        return "LedgerBehindCluster", record.view.frozen
    since = f"since {seen:%Y-%m-%dT%H:%M:%SZ}" if seen else None
    if problem is None:
        message = f"No worker has looked at the cluster {since or 'yet'}: does one run?"
        return "WorkerAway", f"{message} What is shown may be old."
    message = f"The cluster cannot be read {since or 'and never could be'}; the worker goes on trying."
    return "ClusterAway", f"{message} {problem}"


def readiness(record: ExposureRecord) -> str:
    """Return ``ready``, ``no_endpoints`` or ``lb_pending``: the third thing beside decision and sync."""
    if record.sync.ready_endpoints == 0:
        return "no_endpoints"
    live = record.newest(Decision.LIVE)
    if live and live.spec.type is ExposureType.LOAD_BALANCER and not record.sync.ingress:
        return "lb_pending"
    return "ready"


def is_unwatched(record: ExposureRecord, now: datetime) -> bool:
    """Return whether no worker has looked at the cluster for a while: what is known of it may be wrong."""
    seen, tries = record.view.seen_at, record.view.problem is not None
    return seen is not None and not tries and now - seen > UNWATCHED


def effective_state(record: ExposureRecord, now: datetime) -> SyncState:
    """Return the sync state; unknown while nobody can tell, whatever was done before."""
    away = record.view.problem or record.view.frozen or is_unwatched(record, now)
    return SyncState.UNKNOWN if away and record.exposure.ended_at is None else record.sync.state


def in_cluster(record: ExposureRecord) -> Revision | None:
    """Return the live revision when the cluster has its Service, as far as the worker knows.

    It has none once that was missed (a known Service has a uid), nor while somebody else's has the name: an
    address shown then would lead to a stranger.
    """
    sync = record.sync
    is_foreign = sync.state is SyncState.FAILED and sync.reason == FOREIGN_OWNER
    return None if sync.uid is None or is_foreign else record.newest(Decision.LIVE)
