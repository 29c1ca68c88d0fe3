"""The platform's policies as the workflow asks them: what holds now, about this request or this reviewer.

Everything that they were told and said is kept with the revision, so that it can be explained and replayed.
Policies are remembered between requests by their epoch, which grows with each activation.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.domain.delta import delta_of
from service.domain.errors import Fault
from service.domain.exposure import Exposure, ExposureRecord, Metadata, Revision, RevisionKind
from service.domain.gate import Reason
from service.domain.lifetime import clock_start
from service.domain.policy import Evaluator, Policy
from service.domain.policy_document import check, parse
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.review import seats_of
from service.domain.spec import Document, Spec
from service.domain.subject import Renewal, Subject, object_of, person_of
from service.domain.verdict import Verdict, decide, may_sit
from service.store import identities, policies

PLACES = "places"
"""Of a session, which is one transaction: team, cluster and namespace → the place."""


class Judge:
    """Asks the policies that are active; ``evaluator`` is the language of their expressions."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._known: tuple[int, tuple[Policy, ...]] = (0, ())

    def check(self, document: Mapping[str, Any]) -> Sequence[Fault]:
        """Return what is wrong with a policy's document, its expressions included."""
        return check(document, self._evaluator)

    def active(self, session: Session) -> tuple[int, tuple[Policy, ...]]:
        """Return the policies that hold now, and their epoch."""
        return self._at(session, policies.epoch(session))

    def _at(self, session: Session, epoch: int) -> tuple[int, tuple[Policy, ...]]:
        """Return the policies of an epoch; they are read again when it is another one than before."""
        if self._known[0] != epoch:
            found = policies.active(session)
            self._known = (epoch, tuple(parse(p.document | {"name": p.name}, p.version) for p in found))
        return self._known if epoch else (0, ())

    def decide(self, session: Session, subject: Subject, epoch: int) -> Verdict:
        """Return what the policies say of a request that hold at an epoch: a place says which one is now."""
        _, active = self._at(session, epoch)
        return self.decide_by(active, subject)

    def decide_by(self, active: Sequence[Policy], subject: Subject) -> Verdict:
        """Return what some policies say of a request."""
        return decide(active, subject, self._evaluator)

    def denials(self, session: Session, record: ExposureRecord, revision: Revision) -> Sequence[Reason]:
        """Return the deny rules that match a revision now."""
        place = _place(session, record.exposure.metadata)
        return self.decide(session, subject_of(record, revision, place), place.epoch).violations()

    def seats_for(self, record: ExposureRecord, revision: Revision, reviewer: Principal) -> tuple[str, ...]:
        """Return which seats of a revision somebody could fill, by the claims that came with the review."""
        wanted = object_of(record.exposure.metadata, revision.spec)
        return tuple(
            seat.key for seat in seats_of(revision) if may_sit(seat, reviewer, wanted, self._evaluator)
        )


def _place(session: Session, metadata: Metadata) -> identities.Place:
    """Return a place as this transaction found it first: many exposures that it judges have the same one."""
    places: dict[tuple[str, ...], identities.Place] = session.info.setdefault(PLACES, {})
    key = (metadata.team, metadata.cluster, metadata.namespace)
    if key not in places:
        places[key] = identities.place(session, *key)
    return places[key]


def subject_of(record: ExposureRecord, revision: Revision, place: identities.Place) -> Subject:
    """Return a revision as policies see it now: what was asked for, in the place as it is today."""
    base = next((r for r in record.revisions if r.number == revision.base), None)
    return Subject(
        metadata=record.exposure.metadata,
        spec=revision.spec,
        environment=place.environment,
        shared=place.shared,
        requester=_requester_of(revision),
        delta=revision.delta or delta_of(base.spec if base else None, revision.spec).document(),
        base=base.spec if base else None,
        renewal=renewal_of(record, revision.created_at) if revision.kind is RevisionKind.RENEWAL else None,
        labels=place.cluster.labels if place.cluster else {},
    )


def subject_told(told: Mapping[str, Any]) -> Subject:
    """Return a request as policies saw it, from the variables that were noted when they refused it."""
    wanted, base, place = told["object"], told["oldObject"], told["namespaceObject"]
    return Subject(
        metadata=Metadata(**wanted["metadata"]),
        spec=Spec.from_document(wanted["spec"]),
        environment=place["environment"],
        shared=place["shared"],
        requester=principal_told(told["requester"]),
        delta=told["delta"],
        base=Spec.from_document(base["spec"]) if base else None,
        labels=told["cluster"].get("labels", {}),
    )


def renewal_of(record: ExposureRecord, now: datetime) -> Renewal:
    """Return what counts for a renewal: whether endpoints were ever seen, and the lifetime in all."""
    live, started = record.base(), record.exposure.applied_at or clock_start(record.exposure)
    so_far = (now - started).total_seconds() if started is not None else 0
    lifetime = live.spec.lifetime if live is not None else None
    return Renewal(
        endpoints_seen=record.sync.ready_changed_at is not None, total=int(so_far) + (lifetime or 0)
    )


def served(exposure: Exposure) -> int:
    """Return the seconds that an exposure had before its present clock started, by the renewals before."""
    started, applied = exposure.clock_started_at, exposure.applied_at
    return 0 if started is None or applied is None else int((started - applied).total_seconds())


def kept(verdict: Verdict, requester: Principal) -> Document:
    """Return what a revision keeps of a verdict: all of it, and who asked with which claims."""
    return {**verdict.document(), "requester": person_of(requester)}


def _requester_of(revision: Revision) -> Principal:
    """Return who asked, with the claims of then."""
    known: Mapping[str, Any] = revision.verdict.get("requester") or {
        **revision.requested_by,
        "teams": [],
        "groups": [],
        "roles": [],
    }
    return principal_told(known)


def principal_told(known: Mapping[str, Any]) -> Principal:
    """Return who somebody was, with the claims of then: from what ``person_of`` made."""
    return Principal(
        kind=PrincipalKind(known["kind"]),
        person=known["person"],
        acted_for=known["acted_for"],
        teams=frozenset(known["teams"]),
        groups=frozenset(known["groups"]),
        roles=frozenset(Role(role) for role in known["roles"]),
    )
