"""What people see of an exposure: conditions, one state word, how to reach it.

Computed when read, never stored.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from shlex import quote

from service.domain.claim import ClaimState
from service.domain.exposure import Decision, Exposure, ExposureRecord, Intent, NodePort, Revision, SyncState
from service.domain.lifetime import end_of, held_back
from service.domain.plan import ADOPTION_CHANGED, FOREIGN_OWNER, LACKING, NODE_PORT_TAKEN, NOT_ADOPTED
from service.domain.review import ANYBODY, missing, seats_of
from service.domain.spec import Document, ExposureType

UNWATCHED = timedelta(seconds=30)
"""After so long without a look, nobody can say what the cluster has; the worker looks every second."""

SETTLED = (
    Decision.LIVE,
    Decision.RETIRED,
    Decision.REJECTED,
    Decision.WITHDRAWN,
    Decision.EXPIRED,
    Decision.SUPERSEDED,
    Decision.INVALIDATED,
)


def summarise(record: ExposureRecord, now: datetime) -> Document:
    """Return the ``status`` object of an exposure (conventions.md 10)."""
    settled = [r.number for r in record.revisions if r.decision in SETTLED]
    shown = record.shown()
    return {
        "observed_generation": max(settled, default=0),
        "state": state_word(record, now),
        "reason": record.exposure.end_reason,
        "intent": record.exposure.intent.value,
        "conditions": list(_conditions(record, now)),
        "ports": [
            {"name": port.name, "node_port": chosen.number, "origin": chosen.origin.value}
            for port, chosen in zip(shown.spec.ports, shown.allocation.ports, strict=False)
        ],
        "access": access(record),
        "pending": _pending(record),
        "approved": _pointer(record.newest(Decision.APPROVED)),
        "live": _pointer(record.newest(Decision.LIVE)),
        "lifetime": _lifetime(record),
    }


def _pointer(revision: Revision | None) -> Document | None:
    return None if revision is None else {"revision": revision.number, "digest": revision.digest}


def _pending(record: ExposureRecord) -> Document | None:
    """Return what waits for people, and for whom: each empty seat by its group."""
    revision = record.newest(Decision.PENDING)
    pointer = _pointer(revision)
    if revision is None or pointer is None:
        return None
    left = missing(seats_of(revision), record.reviews_of(revision))
    named = [seat.group or ANYBODY.key for seat in left for _ in range(seat.count)]
    return {**pointer, "missing": named, "until": revision.pending_until}


def _lifetime(record: ExposureRecord) -> Document:
    return {
        "started_at": record.exposure.clock_started_at,
        "ends_at": end_of(record),
        "suspension": record.exposure.suspension and record.exposure.suspension.value,
    }


def readiness(record: ExposureRecord) -> str:
    """Return ``ready``, ``no_endpoints`` or ``lb_pending``: the third thing beside decision and sync."""
    if record.sync.ready_endpoints == 0:
        return "no_endpoints"
    live = record.newest(Decision.LIVE)
    if live and live.spec.type is ExposureType.LOAD_BALANCER and not record.sync.ingress:
        return "lb_pending"
    return "ready"


def state_word(record: ExposureRecord, now: datetime) -> str:
    """Return the first word that fits, in the order of design.md §4."""
    exposure, sync = record.exposure, record.sync
    pending, approved, live = (
        record.newest(decision) for decision in (Decision.PENDING, Decision.APPROVED, Decision.LIVE)
    )
    needs_requester = sync.reason in (NODE_PORT_TAKEN, ADOPTION_CHANGED) and not sync.retryable
    state = _effective_state(record, now)
    degraded = state in (SyncState.FAILED, SyncState.DRIFTED, SyncState.UNKNOWN)
    words = {
        "Ended": exposure.ended_at is not None,
        "Ending": exposure.intent is Intent.ABSENT,
        "Suspended": exposure.intent is Intent.SUSPENDED,
        "NeedsRequester": needs_requester,
        "AwaitingApproval": pending is not None and live is None and approved is None,
        "Scheduled": _is_scheduled(record, now) and live is None,
        "Applying": (live is None and not degraded) or state is SyncState.APPLYING,
        "Degraded": degraded or readiness(record) != "ready",
        "ActiveChangePending": pending is not None or approved is not None,
    }
    return next((word for word, fits in words.items() if fits), "Active")


def _is_unwatched(record: ExposureRecord, now: datetime) -> bool:
    """Return whether no worker has looked at the cluster for a while: what is known of it may be wrong."""
    seen, tries = record.view.seen_at, record.view.problem is not None
    return seen is not None and not tries and now - seen > UNWATCHED


def _is_scheduled(record: ExposureRecord, now: datetime) -> bool:
    approved = record.newest(Decision.APPROVED)
    return approved is not None and held_back(approved, record.freezes, now) is not None


def passing(record: ExposureRecord, now: datetime) -> int:
    """Return what time alone changes in a status, as two bits: an entity tag has to differ by them."""
    return 2 * _is_scheduled(record, now) + _is_unwatched(record, now)


def _effective_state(record: ExposureRecord, now: datetime) -> SyncState:
    """Return the sync state; unknown while nobody can tell, whatever was done before."""
    away = record.view.problem or record.view.frozen or _is_unwatched(record, now)
    return SyncState.UNKNOWN if away and record.exposure.ended_at is None else record.sync.state


def _in_cluster(record: ExposureRecord) -> Revision | None:
    """Return the live revision when the cluster has its Service, as far as the worker knows.

    It has none once that was missed (a known Service has a uid), nor while somebody else's has the name: an
    address shown then would lead to a stranger.
    """
    sync = record.sync
    is_foreign = sync.state is SyncState.FAILED and sync.reason == FOREIGN_OWNER
    return None if sync.uid is None or is_foreign else record.newest(Decision.LIVE)


def _conditions(record: ExposureRecord, now: datetime) -> Iterator[Document]:
    yield _approved(record, now)
    yield _allocated(record)
    yield _applied(record, now)
    yield _ready(record, now)
    yield _compliant(record)


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
    state = _effective_state(record, now)
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
    else:
        reason, message = sync.reason or reason, sync.message or message
    return _condition("Applied", status, reason, message, since, generation)


def _not_yet(record: ExposureRecord) -> str:
    if record.sync.adopts_uid is not None:
        return NOT_ADOPTED
    nobody = record.view.seen_at is None
    return "No worker has looked at this cluster yet." if nobody else "Nothing was sent to the cluster yet."


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


def _ready(record: ExposureRecord, now: datetime) -> Document:
    sync = record.sync
    since = sync.ready_changed_at or sync.changed_at or record.exposure.created_at
    generation = sync.revision or 0
    if _in_cluster(record) is None:
        message = "The cluster has no Service of a live revision."
        return _condition("Ready", False, "NotApplied", message, since, generation)
    if _effective_state(record, now) is SyncState.UNKNOWN:
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


def access(record: ExposureRecord) -> list[Document]:
    """Return for each port of the live revision ``{port, protocol, name, addresses[], commands[]}``.

    Addresses are ready to use (``host:port``), commands ready to paste. Empty while nothing of ours is there
    to answer, or is not to stay.
    """
    live = _in_cluster(record)
    if live is None or record.exposure.intent is not Intent.PRESENT:
        return []
    return [
        {
            "name": port.name,
            "port": port.port,
            "protocol": port.protocol,
            "addresses": list(_addresses(record, live, index)),
            "commands": list(_commands(record.exposure, live, index)),
        }
        for index, port in enumerate(live.spec.ports)
    ]


def _node_port(revision: Revision, index: int) -> NodePort | None:
    return revision.allocation.ports[index] if index < len(revision.allocation.ports) else None


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _addresses(record: ExposureRecord, live: Revision, index: int) -> Iterator[str]:
    port, metadata = live.spec.ports[index], record.exposure.metadata
    if live.spec.type is ExposureType.LOAD_BALANCER:
        for item in record.sync.ingress:
            yield f"{_host(item.get('ip') or item['hostname'])}:{port.port}"
    if node_port := _node_port(live, index):
        for address in record.view.node_addresses:
            yield f"{_host(address)}:{node_port.number}"
    yield f"{metadata.name}.{metadata.namespace}.svc:{port.port}"


def _commands(exposure: Exposure, live: Revision, index: int) -> Iterator[str]:
    """Yield the ways in that need only kubectl: kubectl forwards TCP alone."""
    port, metadata = live.spec.ports[index], exposure.metadata
    if port.protocol != "TCP":
        return
    where = f"--namespace {quote(metadata.namespace)}"
    yield f"kubectl port-forward {where} service/{quote(metadata.name)} {_local_port(port.port)}:{port.port}"
    path = f"/api/v1/namespaces/{metadata.namespace}/services/{metadata.name}:{port.name or port.port}/proxy/"
    yield f"kubectl get --raw {quote(path)}"


def _local_port(port: int) -> int:
    """Return a port that an ordinary user may open."""
    return port if port >= 1024 else port + 8000
