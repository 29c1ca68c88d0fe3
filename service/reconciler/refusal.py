"""What stops a write before it is sent.

A deny rule that holds now stops what was approved before it: looked at before a revision's first write. What
is live is never looked at by the rules: a changed one never takes anything away by itself.
"""

from collections.abc import Callable
from datetime import datetime

from service.domain.exposure import Decision, ExposureRecord
from service.domain.lifecycle import Mover
from service.domain.manifest import digest
from service.domain.plan import NODE_PORT_TAKEN, Desired
from service.domain.principal import Principal, PrincipalKind
from service.reconciler.recording import Failure, revision_of
from service.store import exposures, ports
from service.store.database import Session
from service.workflow.act import Act
from service.workflow.approval import close
from service.workflow.judge import Judge


def refused(session: Session, want: Desired, now: datetime, judge: Judge) -> bool:
    """Invalidate an approved revision that a deny rule matches now; return whether one did."""
    record = exposures.lock(session, want.exposure_id, wait=False)
    revision = None if record is None else next(r for r in record.revisions if r.number == want.revision)
    if record is None or revision is None or revision.decision is not Decision.APPROVED:
        return False
    reasons = judge.denials(session, record, revision)
    if not reasons:
        exposures.unchanged(session, record)
        return False
    act = Act(Principal(PrincipalKind.WORKER, "worker"), now, want.request_id)
    data = {"reasons": [reason.document() for reason in reasons]}
    close(session, record, revision, (Decision.INVALIDATED, Mover.POLICY), act, data)
    return True


def obstacle(
    session: Session, record: ExposureRecord, want: Desired, now: datetime
) -> Callable[[], Failure | None]:
    """Bind the ports of a revision; return what tells, once that has committed, why it must not be sent.

    From then on the cluster may have the ports, whatever becomes of the call.
    """
    revision = revision_of(record, want)
    if digest(record.exposure.metadata, revision.spec, revision.manifest) != revision.digest:
        message = f"Revision {revision.number} is not what was approved: its digest differs. Nothing is sent."
        return lambda: Failure("DigestMismatch", message, retryable=False)
    numbers = revision.allocation.numbers()
    bound = ports.bind(session, want.exposure_id, numbers, now)

    def lost() -> Failure | None:
        missing = numbers - bound()
        if not missing:
            return None
        listed = ", ".join(map(str, sorted(missing)))
        message = f"The ledger does not hold node port {listed} for it any more."
        return Failure(NODE_PORT_TAKEN, message, retryable=False)

    return lost
