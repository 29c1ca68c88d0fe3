"""The steps that actions are made of: look again, write down, read directly, say what became of it."""

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from service.cluster.gateway import Gateway
from service.domain.drift import Drift
from service.domain.errors import ObjectChanged, ObjectMissing
from service.domain.exposure import ExposureRecord
from service.domain.manifest import differs
from service.domain.plan import Desired, Observed, Ref
from service.domain.spec import Document
from service.reconciler import recording
from service.reconciler.batch import Batch
from service.reconciler.clashes import explain_changed
from service.reconciler.edge import Edge
from service.reconciler.permit import Permit
from service.reconciler.recording import Failure, Outcome
from service.reconciler.refusal import obstacle, refused
from service.store.database import Session

log = logging.getLogger(__name__)

T = TypeVar("T")
Begun = tuple[ExposureRecord, Callable[[], Failure | None]]
"""What is being tried, and what tells, once that has committed, what stands in its way."""


class Steps:
    """Those of one lot."""

    def __init__(
        self, gateway: Gateway, edge: Edge, batch: Batch, wrote: Callable[[Document], object], permit: Permit
    ) -> None:
        """``wrote`` is told each Service as the cluster stored it after a write of ours."""
        self._gateway, self._edge, self._batch, self._wrote = gateway, edge, batch, wrote
        self._permit = permit

    def _ask_to_go(self, ref: Ref, current: Observed) -> bool:
        """Delete the Service that was just read; return False when somebody was faster: look again."""
        if current.terminating:
            return True
        try:
            self._gateway.delete(ref.namespace, ref.name, current.uid, current.resource_version)
        except ObjectMissing:
            pass
        except ObjectChanged:
            return False
        return True

    def _prepare(self, want: Desired, spent: str | None = None, **values: object) -> ExposureRecord | None:
        """Look again, bind the ports, write down what is tried; None: it must not be sent."""
        return self._permitted(want, self._write(want, lambda s: self._begin(s, want, values)), spent)

    def _permitted(self, want: Desired, begun: Begun | None, spent: str | None) -> ExposureRecord | None:
        """Return the record when what was prepared may be sent now."""
        if begun is None:
            return None
        record, why_not = begun
        failure = why_not()
        if failure is not None:
            self._fail(want, failure, spent)
            return None
        self._permit.check()
        return record

    def _announce(self, want: Desired) -> bool:
        """Look again and write down that it is being taken away; False: it must not be."""
        record = self._write(want, lambda session: recording.begin(session, want, self._edge.now()))
        if record is not None:
            self._permit.check()
        return record is not None

    def _begin(self, session: Session, want: Desired, values: Mapping[str, object]) -> Begun | None:
        now = self._edge.now()
        if not want.is_live and refused(session, want, now, self._edge.judge):
            return None
        record = recording.begin(session, want, now, revision=want.revision, **values)
        return (record, obstacle(session, record, want, now)) if record else None

    def _ours(self, ref: Ref, want: Desired) -> Observed | None:
        """Read the Service directly; None: it is not there, or not ours."""
        found = self._gateway.service(ref.namespace, ref.name)
        return Observed(found) if found is not None and want.owns(Observed(found)) else None

    def _written(
        self, want: Desired, stored: Document, sent: Document, reason: str, healed: Drift | None = None
    ) -> None:
        """Write down a write that was taken. What the cluster changed on the way is not what was approved."""
        self._wrote(stored)
        changed = differs(stored, sent)
        if not changed:
            self._applied(want, Observed(stored), reason, healed, is_answer=True)
            return
        self._write(want, lambda session: recording.met(session, want, Observed(stored), self._edge.now()))
        self._fail(want, Failure("ChangedByCluster", explain_changed(changed)))

    def _applied(
        self,
        want: Desired,
        stored: Observed,
        reason: str,
        healed: Drift | None = None,
        is_answer: bool = False,
    ) -> None:
        edge, jitter = self._edge, self._jitter()
        outcome = Outcome(stored=stored, reason=reason, drift=healed, is_answer=is_answer, jitter=jitter)
        self._write(want, lambda session: recording.applied(session, want, outcome, edge.now(), edge.cooling))

    def _write(self, want: Desired, write: Callable[[Session], T]) -> T:
        return self._batch.write(want.exposure_id, write)

    def _fail(self, want: Desired, failure: Failure, spent: str | None = None) -> None:
        facts = {"exposure_id": str(want.exposure_id), "reason": failure.reason, "answer": failure.message}
        log.warning("could not act", extra=facts)
        jitter = self._jitter()
        self._write(
            want, lambda session: recording.failed(session, want, failure, self._edge.now(), jitter, spent)
        )

    def _jitter(self) -> float:
        return self._edge.entropy(1)[0] / 255
