"""What is open is held against today's deny rules: what waits is invalidated, what is live is only named.

A live exposure is never removed because a rule changed: its owner is told, and the platform finds it listed.
"""

from sqlalchemy.orm import Session

from service.domain.exposure import Decision, ExposureRecord
from service.domain.lifecycle import Mover
from service.store import exposures
from service.workflow.act import Act
from service.workflow.approval import close, tell
from service.workflow.judge import Judge


def comply(session: Session, record: ExposureRecord, epoch: int, act: Act, judge: Judge) -> bool:
    """Judge an exposure by the policies that are active now, unless that was done; its row is locked.

    Returns:
        Whether anything was written.
    """
    if record.exposure.judged_at >= epoch:
        return False
    for revision in reversed(record.revisions):  # the newest first: what stands on another falls with it
        if revision.decision in (Decision.PENDING, Decision.APPROVED):
            reasons = judge.denials(session, record, revision)
            if reasons:
                data = {"reasons": [reason.document() for reason in reasons]}
                record = close(session, record, revision, (Decision.INVALIDATED, Mover.POLICY), act, data)
    live = record.newest(Decision.LIVE)
    found = judge.denials(session, record, live) if live is not None else ()
    violations = [reason.document() for reason in found]
    known = record.exposure.violations
    if live is None or (known is not None and violations == list(known)):
        exposures.note(session, record.exposure.id, judged_at=epoch)
        return True
    if violations or known:
        kind = "not-compliant" if violations else "compliant"
        tell(session, record, live, kind, act, {"reasons": violations})
    exposures.changed(session, record.exposure.id, judged_at=epoch, violations=violations)
    return True
