"""A named target port that leads to a forbidden number: the exposure is suspended until the cause has ended.

Policies see the name when it is asked for; only the pods say which number that is. So each of their numbers
is put in the name's place, and what a deny rule says then, and did not say of the name, is the cause. It ends
when no rule says so any more, or when what is approved has another target port. That the pods have changed is
seen by nobody while there is no Service: then the platform resumes it, and the worker looks again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from service.domain.exposure import Decision, ExposureRecord, Intent, Revision, Suspension
from service.domain.gate import Reason
from service.store import exposures
from service.workflow.act import Act
from service.workflow.approval import tell
from service.workflow.judge import Judge

Numbers = Mapping[str, Sequence[int]]
"""Name of a target port → the numbers that pods give it."""


def forbid(session: Session, record: ExposureRecord, numbers: Numbers, act: Act, judge: Judge) -> bool:
    """Suspend a live exposure when a deny rule matches these numbers; its row is locked.

    Returns:
        Whether it is suspended by this.
    """
    live = record.newest(Decision.LIVE)
    if live is None or record.exposure.intent is not Intent.PRESENT:
        return False
    reasons = _causes(session, record, live, numbers, judge)
    if not reasons:
        return False
    exposures.set_intent(
        session,
        record.exposure.id,
        Intent.SUSPENDED,
        suspension=Suspension.FORBIDDEN_PORT.value,
        suspended_at=act.now,
        forbidden_ports={name: list(found) for name, found in numbers.items()},
        next_deadline_at=act.now,
    )
    data = {
        "reason": Suspension.FORBIDDEN_PORT.value,
        "target_ports": {name: list(found) for name, found in numbers.items()},
        "reasons": [reason.document() for reason in reasons],
    }
    tell(session, record, live, "suspended", act, data)
    return True


def has_ended(session: Session, record: ExposureRecord, judge: Judge) -> bool:
    """Return whether what suspended an exposure for a forbidden target port does so no more."""
    base = record.base()
    return base is not None and not _causes(
        session, record, base, record.exposure.forbidden_ports or {}, judge
    )


def _causes(
    session: Session, record: ExposureRecord, revision: Revision, numbers: Numbers, judge: Judge
) -> list[Reason]:
    """Return what deny rules say of the numbers and do not say of the names."""
    known = judge.denials(session, record, revision)
    found: dict[Reason, None] = {}
    for resolved in _resolved(revision, numbers):
        found |= dict.fromkeys(r for r in judge.denials(session, record, resolved) if r not in known)
    return list(found)


def _resolved(revision: Revision, numbers: Numbers) -> Iterator[Revision]:
    """Yield a revision with a number in place of one target port's name, for each number of each port."""
    ports = revision.spec.ports
    for index, port in enumerate(ports):
        for number in numbers.get(port.target_port, ()) if isinstance(port.target_port, str) else ():
            resolved = (*ports[:index], replace(port, target_port=number), *ports[index + 1 :])
            yield replace(revision, spec=replace(revision.spec, ports=resolved))
