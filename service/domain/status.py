"""What people see of an exposure: one state word, how to reach it, and its conditions.

Computed when read, never stored.
"""

from collections.abc import Iterator
from datetime import datetime
from shlex import quote

from service.domain.conditions import conditions, effective_state, in_cluster, is_unwatched, readiness
from service.domain.exposure import Decision, Exposure, ExposureRecord, Intent, NodePort, Revision, SyncState
from service.domain.lifetime import end_of, held_back
from service.domain.plan import ADOPTION_CHANGED, NODE_PORT_TAKEN
from service.domain.review import ANYBODY, missing, seats_of
from service.domain.spec import Document, ExposureType

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
        "conditions": list(conditions(record, now)),
        "ports": [
            {"name": port.name, "node_port": chosen.number, "origin": chosen.origin.value}
            for port, chosen in zip(shown.spec.ports, shown.allocation.ports, strict=False)
        ],
        "access": access(record),
        "pending": _pending(record),
        "approved": _pointer(record.newest(Decision.APPROVED)),
        "live": _pointer(record.newest(Decision.LIVE)),
        "lifetime": _lifetime(record),
        "drift": _drift(record),
    }


def _drift(record: ExposureRecord) -> Document | None:
    """Return what is kept for people: ``{manager, operation, at, others, diff, seen_at}``."""
    kept = record.sync.drift
    return kept and {name: kept[name] for name in kept if name not in ("service", "resource_version")}


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


def state_word(record: ExposureRecord, now: datetime) -> str:
    """Return the first word that fits, in the order of design.md §4."""
    exposure, sync = record.exposure, record.sync
    pending, approved, live = (
        record.newest(decision) for decision in (Decision.PENDING, Decision.APPROVED, Decision.LIVE)
    )
    needs_requester = sync.reason in (NODE_PORT_TAKEN, ADOPTION_CHANGED) and not sync.retryable
    state = effective_state(record, now)
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


def _is_scheduled(record: ExposureRecord, now: datetime) -> bool:
    approved = record.newest(Decision.APPROVED)
    return approved is not None and held_back(approved, record.freezes, now) is not None


def passing(record: ExposureRecord, now: datetime) -> int:
    """Return what time alone changes in a status, as two bits: an entity tag has to differ by them."""
    return 2 * _is_scheduled(record, now) + is_unwatched(record, now)


def access(record: ExposureRecord) -> list[Document]:
    """Return for each port of the live revision ``{port, protocol, name, addresses[], commands[]}``.

    Addresses are ready to use (``host:port``), commands ready to paste. Empty while nothing of ours is there
    to answer, or is not to stay.
    """
    live = in_cluster(record)
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
