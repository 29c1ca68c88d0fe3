"""A team asks to take over a Service that somebody else made; the worker reads it and makes it a request.

The api has no cluster, so asking only writes down who wants what. The worker then reads the Service and asks
for an exposure equal to it, in the requester's name: policies, quotas and reservations judge it as any other.
Locks go adoption, then as everywhere.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.adoption import Adoption, copy_of, next_step
from service.domain.allocation import Before
from service.domain.errors import Fault, Invalid, NotFound, PolicyDenied, WharfingerError
from service.domain.exposure import Allocation, ExposureRecord, Metadata, Sync
from service.domain.principal import Principal
from service.domain.read_back import allocation_of, service_pointer, spec_of
from service.domain.spec import Document, Spec
from service.domain.subject import person_of
from service.store import adoptions, exposures, foreign, identities, ports
from service.store.database import wake
from service.workflow.act import Act
from service.workflow.approval import tell
from service.workflow.draft import check_place, write
from service.workflow.govern import note_denial
from service.workflow.judge import Judge, principal_told
from service.workflow.read import Page, PageRequest, page_of, position_of
from service.workflow.submit import begin_exposure, check_may_ask


@dataclass(frozen=True, slots=True)
class Terms:
    """What a Service does not say of its exposure: for how many seconds (None: without an end), and why."""

    lifetime: int | None
    justification: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A request to adopt, and what comes next."""

    adoption: Adoption
    message: str


def request_adoption(
    session: Session, metadata: Metadata, terms: Terms, act: Act, adoption_id: UUID
) -> Shown:
    """Write down that a team wants a Service to be its own; the worker looks at it next.

    Raises:
        Forbidden: the caller has no role that may ask.
        NotFound: no such cluster.
        Invalid: namespace or team is unknown or not the caller's.
        AdoptionOpen: it was asked for already.
    """
    check_may_ask(act.principal)
    place = identities.place(session, metadata.team, metadata.cluster, metadata.namespace)
    if place.cluster is None:
        raise NotFound(f"There is no cluster {metadata.cluster!r}.")
    unread = Spec(selector={}, ports=(), justification=terms.justification)
    try:
        check_place(place, metadata, unread, act.principal)
    except Invalid as error:
        faults = [replace(f, pointer=f.pointer.replace("#/metadata/", "#/")) for f in error.faults]
        raise Invalid(faults) from error
    wanted = Adoption(
        id=adoption_id,
        metadata=metadata,
        lifetime=terms.lifetime,
        justification=terms.justification,
        requested_by=person_of(act.principal),
        request_id=act.request_id,
        created_at=act.now,
        updated_at=act.now,
    )
    adoptions.add(session, wanted)
    wake(session, metadata.cluster)
    return _shown(wanted, place.view.problem)


def adoption(session: Session, cluster: str, adoption_id: UUID, principal: Principal) -> Shown:
    """Return one request to adopt, that of a cluster that was taken out too.

    Raises:
        NotFound: there is none, or it is of a team that is not the caller's to see.
    """
    found = adoptions.get(session, cluster, adoption_id)
    if found is None or not (principal.sees_all() or found.metadata.team in principal.teams):
        raise NotFound("There is no such adoption that you may see.")
    return _shown(found, identities.place(session, "", cluster, "").view.problem)


def adoptions_of(session: Session, cluster: str, principal: Principal, page: PageRequest) -> Page[Shown]:
    """Return the requests of a cluster that this caller may see, newest first.

    Raises:
        NotFound: no such cluster.
    """
    problem, before = _problem(session, cluster), page.before()
    teams = None if principal.sees_all() else principal.teams
    rows = adoptions.page(session, cluster, teams, before, page.size + 1)
    last = rows[: page.size][-1] if rows else None
    position = position_of(last.created_at, last.id) if last else ()
    return page_of([_shown(row, problem) for row in rows], page.size, position)


def take_in(
    session: Session, asked: Adoption, service: Document, exposure_id: UUID, now: datetime, judge: Judge
) -> None:
    """Ask for the exposure that is equal to a Service as it was just read; its numbers are held for it.

    Raises:
        Invalid: with every field that no exposure can say, or that this cluster does not give out.
        PolicyDenied, UnsatisfiablePolicy, QuotaExceeded, NameTaken, NodePortTaken, NodePortReserved,
        Forbidden: as for a request.
    """
    spec = spec_of(service, asked.lifetime, asked.justification)
    if not isinstance(spec, Spec):
        raise Invalid(spec)
    act, copy, allocation = act_of(asked, now), copy_of(service), allocation_of(service)
    begun = begin_exposure(session, asked.metadata, spec, act, judge, exposure_id)
    taker = ports.Taker(exposure_id, asked.metadata, spec.justification, now)
    exposures.written(session)
    foreign.take_over(session, taker, allocation.numbers())
    adoptions.request(session, asked.id, copy, exposure_id, now)
    held = Before(spec, Allocation((), allocation.health_check)) if allocation.health_check else None
    record = replace(begun.record, sync=Sync(adopts_uid=copy["metadata"]["uid"]))
    record, _ = write(session, record, begun.made, begun.pool, act, held)
    exposures.set_allocation(session, record.revisions[0], allocation)
    _tell(session, asked, record, copy, act)


def refuse(session: Session, asked: Adoption, error: WharfingerError, now: datetime) -> None:
    """Write down why a Service cannot be adopted."""
    if isinstance(error, PolicyDenied):
        note_denial(session, error, act_of(asked, now))
    adoptions.refuse(session, asked.id, faults_of(error), now)


def act_of(asked: Adoption, now: datetime) -> Act:
    """Return the circumstances of what the worker does in a requester's name."""
    return Act(principal_told(asked.requested_by), now, asked.request_id)


def faults_of(error: WharfingerError) -> list[Fault]:
    """Return what an error of a request says of the Service: with pointers into it, else of the whole."""
    told = error.facts.get("errors")
    if not isinstance(told, list) or not told:
        return [Fault("", str(error), error.code)]
    return [Fault(service_pointer(f["pointer"]), f["detail"], f["code"]) for f in told]


def _tell(session: Session, asked: Adoption, record: ExposureRecord, copy: Document, act: Act) -> None:
    """Tell which Service it is about, and which labels and annotations stay: whoever reviews can look."""
    metadata = copy["metadata"]
    data = {
        "adoption": str(asked.id),
        "uid": metadata["uid"],
        "labels": sorted(metadata.get("labels") or {}),
        "annotations": sorted(metadata.get("annotations") or {}),
    }
    tell(session, record, record.revisions[0], "adoption-requested", act, data)


def _problem(session: Session, cluster: str) -> str | None:
    """Return why a cluster cannot be read, None when it can.

    Raises:
        NotFound: there is no such cluster.
    """
    place = identities.place(session, "", cluster, "")
    if place.cluster is None:
        raise NotFound(f"There is no cluster {cluster!r}.")
    return place.view.problem


def _shown(found: Adoption, problem: str | None) -> Shown:
    return Shown(found, next_step(found, problem))
