"""A draft of a policy against the past: which requests would have ended otherwise.

Each request is judged twice with all that was kept of it, by the policies that are active now and by the same
with the draft among them, so that only the draft's own doing shows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from service.domain.errors import Invalid
from service.domain.exposure import Metadata
from service.domain.policy_document import parse
from service.domain.spec import Document
from service.domain.subject import Subject
from service.domain.verdict import Verdict
from service.store import audit, identities, past
from service.workflow.act import Act
from service.workflow.govern import check_platform
from service.workflow.judge import Judge, subject_of, subject_told


@dataclass(frozen=True, slots=True)
class Changed:
    """A request that would end otherwise: the outcomes are verdicts' documents. Refused ones have no id."""

    exposure_id: str | None
    revision: int | None
    metadata: Metadata
    before: Document
    after: Document


def what_if(
    session: Session, document: Mapping[str, Any], most: int, act: Act, judge: Judge
) -> tuple[int, list[Changed]]:
    """Return how many of the newest requests were tried, and those whose outcome would change.

    Raises:
        Forbidden: not the platform.
        Invalid: the draft has faults.
    """
    check_platform(act)
    faults = judge.check(document)
    if faults:
        raise Invalid(faults)
    draft = parse(document)
    _, now = judge.active(session)
    then = [*(policy for policy in now if policy.name != draft.name), draft]
    changed, seen = [], 0
    for exposure_id, revision, subject in _requests(session, most):
        seen += 1
        before, after = judge.decide_by(now, subject), judge.decide_by(then, subject)
        if _outcome(before) != _outcome(after):
            changed.append(
                Changed(exposure_id, revision, subject.metadata, before.document(), after.document())
            )
    return seen, changed


def _requests(session: Session, most: int) -> Iterator[tuple[str | None, int | None, Subject]]:
    """Yield past requests, the refused ones too, in the places as they are today."""
    places: dict[Metadata, identities.Place] = {}
    for record, revision in past.requests(session, most):
        metadata = record.exposure.metadata
        if metadata not in places:
            places[metadata] = identities.place(session, metadata.team, metadata.cluster, metadata.namespace)
        yield str(record.exposure.id), revision.number, subject_of(record, revision, places[metadata])
    for told in audit.of_kind(session, "policy-denied", most):
        yield None, None, subject_told(told)


def _outcome(verdict: Verdict) -> object:
    """Return what matters of a verdict: whether it is refused, and who has to approve."""
    return (
        bool(verdict.denied),
        verdict.is_automatic(),
        sorted((seat.group or "", seat.count, seat.filter or "") for seat in verdict.seats),
    )
