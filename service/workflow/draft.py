"""A revision before it is written: checked, rendered, compared, judged. The first one as all others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid5

from sqlalchemy.orm import Session

from service.domain import quota
from service.domain.allocation import Before, slots
from service.domain.delta import delta_of
from service.domain.errors import Fault, Invalid, PolicyDenied, UnsatisfiablePolicy
from service.domain.event import Entry
from service.domain.exposure import (
    Allocation,
    Decision,
    Exposure,
    ExposureRecord,
    Metadata,
    Opinion,
    Review,
    Revision,
    RevisionKind,
)
from service.domain.lifecycle import Mover
from service.domain.lifetime import PENDING_TTL, is_unreviewed
from service.domain.manifest import digest, render
from service.domain.ports import Pool
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.seat import Seat
from service.domain.spec import ExposureType, Spec
from service.domain.subject import Renewal, Subject
from service.domain.verdict import Verdict
from service.store import events, exposures, identities, quotas, reviews
from service.workflow.act import Act
from service.workflow.allocate import allocate, band_warnings
from service.workflow.approval import approve
from service.workflow.judge import Judge, kept


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a new revision stands: in what, on which base, and who wrote what it builds on.

    ``served``: the seconds that it had before its present clock started.
    """

    exposure: Exposure
    place: identities.Place
    number: int = 1
    kind: RevisionKind = RevisionKind.CHANGE
    base: Revision | None = None
    editors: tuple[str, ...] = ()
    renewal: Renewal | None = None
    served: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """A revision without its node ports, and what was said of it."""

    revision: Revision
    verdict: Verdict
    warnings: tuple[str, ...]
    epoch: int


def check_place(place: identities.Place, metadata: Metadata, spec: Spec, principal: Principal) -> Pool:
    """Return the cluster's pool when the caller may expose there; strangers and typing errors look alike.

    Raises:
        Invalid: cluster, namespace or team is unknown or not the caller's; a port is outside the range.
    """
    faults = []
    cluster = place.cluster
    if cluster is None:
        faults.append(
            Fault("#/metadata/cluster", f"There is no cluster {metadata.cluster!r} that you may use.")
        )
    yours = metadata.team in principal.teams or Role.ADMIN in principal.roles
    if not yours or not place.team_is_known:
        faults.append(Fault("#/metadata/team", f"There is no team {metadata.team!r} that you belong to."))
    elif cluster and not place.is_given:
        detail = (
            f"Team {metadata.team} has no namespace {metadata.namespace!r} in cluster {metadata.cluster}."
        )
        faults.append(Fault("#/metadata/namespace", detail))
    pool = cluster.pool if cluster else Pool()
    for index, port in enumerate(spec.ports):
        if port.node_port is not None and port.node_port not in pool:
            detail = f"Cluster {metadata.cluster} gives out node ports {pool}, not {port.node_port}."
            faults.append(Fault(f"#/spec/ports/{index}/node_port", detail))
    if faults:
        raise Invalid(faults)
    return pool


def check_quota(session: Session, metadata: Metadata, limits: quota.Limits, spec: Spec) -> None:
    """Check what a new exposure needs against the limits of a quota that is locked.

    Raises:
        QuotaExceeded: with the limit and who takes it.
    """
    if limits == quota.Limits():
        return
    consumers = quotas.consumers(session, metadata.team, metadata.cluster)
    demand = quota.Demand(
        node_ports=len(slots(spec, None)),
        load_balancers=int(spec.type is ExposureType.LOAD_BALANCER),
        lifetime=spec.lifetime,
    )
    quota.check(quota.status(metadata.team, metadata.cluster, limits, consumers), demand, consumers)


def lock_quota(session: Session, exposure: Exposure) -> Callable[[Spec], None]:
    """Lock the quota of an exposure's team until the transaction ends.

    Returns:
        What is called with a change that has what it needs: it refuses more than before that is too much.

    Raises:
        QuotaExceeded: by what is returned; with the limit and who takes it.
    """
    metadata = exposure.metadata
    limits = quotas.lock(session, metadata.team, metadata.cluster)
    is_limited = limits != quota.Limits()
    before = quotas.consumers(session, metadata.team, metadata.cluster) if is_limited else []

    def own(consumers: Sequence[quota.Consumer]) -> quota.Consumer:
        return next(each for each in consumers if each.exposure_id == exposure.id)

    def check(spec: Spec) -> None:
        if not is_limited:
            return
        after = quotas.consumers(session, metadata.team, metadata.cluster)
        demand = quota.growth(own(before), own(after), spec.lifetime)
        quota.check(quota.status(metadata.team, metadata.cluster, limits, before), demand, before)

    return check


def draft(session: Session, spec: Spec, standing: Standing, act: Act, judge: Judge) -> Draft:
    """Render, compare with the base, and let the policies speak.

    Raises:
        PolicyDenied: with every reason; nothing of it is stored.
        UnsatisfiablePolicy: it asks for a seat that nobody can fill.
    """
    exposure, place, base = standing.exposure, standing.place, standing.base
    if base is not None and is_unreviewed(base):
        base = None  # nobody has looked at it yet: it vouches for nothing
    metadata = exposure.metadata
    manifest = render(metadata, spec)
    delta = delta_of(base.spec if base else None, spec)
    subject = Subject(
        metadata=metadata,
        spec=spec,
        environment=place.environment,
        shared=place.shared,
        requester=act.principal,
        delta=delta.document(),
        base=base.spec if base else None,
        renewal=standing.renewal,
        total=standing.served + (spec.lifetime or 0),
        labels=place.cluster.labels if place.cluster else {},
    )
    verdict = judge.decide(session, subject, place.epoch)
    if verdict.denied:
        raise PolicyDenied(verdict.denied, {**subject.variables(), "verdict": verdict.document()})
    warnings = () if verdict.is_automatic() else _staffed(session, verdict.seats, act)
    revision = Revision(
        exposure_id=exposure.id,
        number=standing.number,
        spec=spec,
        manifest=manifest,
        digest=digest(metadata, spec, manifest),
        allocation=Allocation(),
        decision=Decision.PENDING,
        requested_by=act.principal.document(),
        request_id=act.request_id,
        created_at=act.now,
        kind=standing.kind,
        base=base.number if base else None,
        editors=standing.editors,
        delta=delta.document(),
        verdict=kept(verdict, act.principal),
        pending_until=act.now
        + (timedelta(seconds=verdict.pending_ttl) if verdict.pending_ttl else PENDING_TTL),
    )
    return Draft(revision, verdict, (*verdict.warnings, *warnings), place.epoch)


def _staffed(session: Session, seats: Sequence[Seat], act: Act) -> tuple[str, ...]:
    """Refuse seats that nobody can ever fill; return a warning for each that nobody can fill now.

    Raises:
        UnsatisfiablePolicy: a group that nothing knows.
    """
    groups = frozenset(seat.group for seat in seats if seat.group)
    unknown = identities.unknown_groups(session, groups)
    if unknown:
        raise UnsatisfiablePolicy(sorted(unknown))
    people = identities.approvers(session, groups, act.now)
    return tuple(
        f"Group {seat.group} has {seat.count} seat(s), and fewer people of it were seen in the last 90 days."
        for seat in seats
        if seat.group and len({*people.get(seat.group, ())} - {act.principal.person}) < seat.count
    )


def write(
    session: Session, record: ExposureRecord, made: Draft, pool: Pool, act: Act, before: Before | None = None
) -> tuple[ExposureRecord, tuple[str, ...]]:
    """Hold the node ports, write the revision down, and approve it when policies do.

    Args:
        record: the exposure as it is without this revision; its row is locked, or new.
        before: what it was written on, whose chosen node ports it keeps.

    Returns:
        The record with the revision, and what is allowed but may surprise.

    Raises:
        NodePortTaken, NodePortReserved, PoolExhausted: as the ledger says.
    """
    revision = made.revision
    befores = [*([before] if before else []), *_having(record)]
    allocation = allocate(session, record.exposure, revision.spec, pool, act, befores)
    revision = replace(revision, allocation=allocation)
    exposures.add_revision(session, revision)
    if record.revisions:  # the first one was told with its exposure
        said = requested(revision, act)
        events.append(
            session,
            said.exposure_id,
            said.kind,
            actor=said.actor,
            now=said.at,
            revision=said.revision,
            request_id=act.request_id,
            data=said.data,
        )
    record = replace(record, revisions=(*record.revisions, revision))
    if made.verdict.is_automatic():
        record = _approve_by_policy(session, record, made, act)
    return record, (*made.warnings, *band_warnings(pool, allocation, _served(record)))


def _having(record: ExposureRecord) -> Iterator[Before]:
    """Yield what the cluster has or is about to have: whoever calls a port of it is to find that again."""
    for revision in reversed(record.revisions):
        if revision.decision in (Decision.APPROVED, Decision.LIVE):
            yield Before(revision.spec, revision.allocation)


def _served(record: ExposureRecord) -> frozenset[int]:
    """Return the numbers that its Service has in the cluster; while it is suspended it has none."""
    live = record.newest(Decision.LIVE)
    return frozenset() if live is None or record.sync.uid is None else live.allocation.numbers()


def requested(revision: Revision, act: Act) -> Entry:
    """Return what is told of a revision that is asked for, as the first event of its exposure."""
    return Entry(
        exposure_id=revision.exposure_id,
        seq=1,
        previous_hash=None,
        kind="requested",
        revision=revision.number,
        actor=act.principal.document(),
        request_id=act.request_id,
        data={"digest": revision.digest, "justification": revision.spec.justification},
        at=act.now,
    )


def _approve_by_policy(session: Session, record: ExposureRecord, made: Draft, act: Act) -> ExposureRecord:
    """Record the reviews of the policies that approve by themselves, and what follows."""
    revision = record.revisions[-1]
    for who in made.verdict.approved_by:
        robot = Principal(PrincipalKind.POLICY, f"policy:{who}")
        review = Review(
            id=uuid5(revision.exposure_id, f"{revision.number}/{who}"),
            revision=revision.number,
            reviewer=robot.document(),
            verdict=Opinion.APPROVE,
            digest=revision.digest,
            comment=None,
            created_at=act.now,
        )
        reviews.add(session, revision.exposure_id, review)
    actor = replace(act, principal=Principal(PrincipalKind.POLICY, f"policy:{made.verdict.approved_by[0]}"))
    data = {"automatic": list(made.verdict.approved_by)}
    return approve(session, record, revision, Mover.POLICY, actor, data)
