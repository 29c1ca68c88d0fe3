"""A deny rule that holds now stops what was approved before it: looked at before a revision's first write.

What is live is never looked at here: a changed rule never takes anything away by itself.
"""

from datetime import datetime

from service.domain.exposure import Decision
from service.domain.lifecycle import Mover
from service.domain.plan import Desired
from service.domain.principal import Principal, PrincipalKind
from service.store import exposures
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
