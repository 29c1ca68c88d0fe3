"""What is written down of a Service's endpoints and its balancer, when it has changed.

A target port that has a name is whatever number the pods give it. So the numbers are looked at as well: one
that a deny rule forbids suspends the exposure at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.domain.exposure import Decision, ExposureRecord
from service.domain.manifest import named_targets
from service.domain.plan import Observed
from service.domain.principal import Principal, PrincipalKind
from service.domain.spec import Document
from service.reconciler.batch import Batch
from service.reconciler.edge import Edge
from service.reconciler.observe import Endpoints, ingress, ready_endpoints, resolved_ports
from service.store import exposures, sync
from service.store.database import Session
from service.workflow.act import Act
from service.workflow.forbid import forbid


@dataclass(frozen=True, slots=True)
class Seen:
    """One Service as clients find it; ``target_ports``: name → the numbers that ready pods give it."""

    uid: str
    ready_endpoints: int
    ingress: tuple[Document, ...]
    target_ports: Mapping[str, Sequence[int]]


def see(service: Observed, manifest: Document, slices: Iterable[Endpoints]) -> Seen:
    """Return what clients find."""
    slices = tuple(slices)
    numbers = resolved_ports(slices)
    found: dict[str, set[int]] = {}
    for name, port in named_targets(manifest):
        if port in numbers:
            found.setdefault(name, set()).update(numbers[port])
    targets = {name: sorted(found[name]) for name in sorted(found)}
    return Seen(service.uid, ready_endpoints(service, slices), ingress(service), targets)


class Readiness:
    """One cluster's."""

    def __init__(self, edge: Edge, batch: Batch) -> None:
        self._edge, self._batch = edge, batch

    def of(
        self, record: ExposureRecord, service: Observed | None, slices: Iterable[Endpoints]
    ) -> Seen | None:
        """Return what clients find of an exposure, when that is news."""
        live = record.newest(Decision.LIVE)
        if live is None or service is None or record.sync.uid != service.uid:
            return None
        known = record.sync
        seen = see(service, live.manifest, slices)
        was = Seen(service.uid, known.ready_endpoints, tuple(known.ingress), known.target_ports)
        return None if seen == was else seen

    def record(self, record: ExposureRecord, seen: Seen) -> None:
        """Write it down.

        Raises:
            Busy, Unavailable: the database.
        """
        self._batch.write(record.exposure.id, lambda session: self._record(session, record, seen))

    def _record(self, session: Session, known: ExposureRecord, seen: Seen) -> None:
        now = self._edge.now()
        record = exposures.lock(session, known.exposure.id)
        if record is None or record.sync.uid != seen.uid:
            return
        sync.record_readiness(
            session,
            record.exposure.id,
            seen.uid,
            now,
            ready_endpoints=seen.ready_endpoints,
            ingress=list(seen.ingress),
            target_ports=seen.target_ports,
        )
        if seen.ready_endpoints and record.exposure.clock_started_at is None:  # its lifetime counts from now
            exposures.note(session, record.exposure.id, clock_started_at=now, next_deadline_at=now)
        if seen.target_ports and seen.target_ports != record.sync.target_ports:
            live = record.newest(Decision.LIVE)
            worker = Principal(PrincipalKind.WORKER, "worker")
            act = Act(worker, now, live.request_id if live else "")
            forbid(session, record, seen.target_ports, act, self._edge.judge)
