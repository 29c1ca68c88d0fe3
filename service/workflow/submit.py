"""A team asks for an exposure: validate, render, digest, hold quota and ports, write it down.

All in one transaction, whose locks go team quota, exposure, ports.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain import quota
from service.domain.allocation import Slot, allocation_of, slots
from service.domain.errors import Fault, Forbidden, Invalid, NodePortReserved
from service.domain.exposure import (
    Allocation,
    ClaimState,
    Decision,
    Exposure,
    ExposureRecord,
    Intent,
    Metadata,
    PortClaim,
    PortOrigin,
    Principal,
    Revision,
    Role,
    Sync,
)
from service.domain.manifest import digest, render
from service.domain.ports import Pool
from service.domain.reservation import Asker, Reservation, blocking, choosable
from service.domain.spec import ExposureType, Spec
from service.store import events, exposures, identities, ports, quotas
from service.store.known import known
from service.workflow.act import Act


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was asked for, and what is allowed but may surprise."""

    record: ExposureRecord
    warnings: tuple[str, ...]


def submit_exposure(
    session: Session, metadata: Metadata, spec: Spec, act: Act, exposure_id: UUID
) -> Submitted:
    """Make an exposure with its first revision, pending.

    Raises:
        Forbidden: the caller has no role that may ask.
        QuotaExceeded: the team would have more than its quota.
        Invalid: cluster, namespace or team is unknown or not the caller's; a port is outside the cluster's
            range.
        NameTaken, NodePortTaken, NodePortReserved, PoolExhausted: something else has what is asked for.
    """
    if not act.principal.roles & {Role.REQUESTER, Role.ADMIN}:
        raise Forbidden("Asking for an exposure needs the role requester.")
    place = identities.place(session, metadata.team, metadata.cluster, metadata.namespace)
    pool = _pool_for(place, metadata, spec, act.principal)
    check_quota(session, metadata, spec)
    manifest = render(metadata, spec)
    exposure = Exposure(
        id=exposure_id,
        metadata=metadata,
        intent=Intent.PRESENT,
        generation=1,
        change_count=1,
        created_at=act.now,
    )
    revision = Revision(
        exposure_id=exposure_id,
        number=1,
        spec=spec,
        manifest=manifest,
        digest=digest(metadata, spec, manifest),
        allocation=Allocation(),
        decision=Decision.PENDING,
        requested_by=act.principal.document(),
        request_id=act.request_id,
        created_at=act.now,
    )
    exposures.add(session, exposure)
    if spec.needs_node_ports() or spec.needs_health_check_port():
        revision = replace(revision, allocation=allocate(session, exposure, spec, pool, act))
    exposures.add_revision(session, revision)
    events.append(
        session,
        exposure_id,
        "requested",
        actor=act.principal.document(),
        now=act.now,
        revision=1,
        request_id=act.request_id,
        data={"digest": revision.digest, "justification": spec.justification},
    )
    claims = _claims(exposure, revision)
    record = ExposureRecord(
        exposure=exposure, revisions=(revision,), sync=Sync(), claims=claims, view=place.view
    )
    return Submitted(record, tuple(_warnings(pool, revision.allocation)))


def _claims(exposure: Exposure, revision: Revision) -> tuple[PortClaim, ...]:
    """Return what the ledger has of a new exposure: said from what was written, not read once more."""
    metadata = exposure.metadata
    return tuple(
        PortClaim(
            cluster=metadata.cluster,
            port=number,
            state=ClaimState.HELD,
            team=metadata.team,
            namespace=metadata.namespace,
            name=metadata.name,
            exposure_id=exposure.id,
            reason=revision.spec.justification,
            until=None,
            changed_at=revision.created_at,
            since=revision.created_at,
        )
        for number in sorted(revision.allocation.numbers())
    )


def check_quota(session: Session, metadata: Metadata, spec: Spec) -> None:
    """Lock the team's quota until the transaction ends, then count what it has, and refuse what is too much.

    Raises:
        QuotaExceeded: with the limit and who takes it.
    """
    limits = quotas.lock(session, metadata.team, metadata.cluster)
    if limits == quota.Limits():
        return
    demand = quota.Demand(
        node_ports=len(slots(spec, None)),
        load_balancers=int(spec.type is ExposureType.LOAD_BALANCER),
        lifetime=spec.lifetime,
    )
    consumers = quotas.consumers(session, metadata.team, metadata.cluster)
    quota.check(quota.status(metadata.team, metadata.cluster, limits, consumers), demand, consumers)


def _pool_for(place: identities.Place, metadata: Metadata, spec: Spec, principal: Principal) -> Pool:
    """Return the cluster's pool when the caller may expose there; strangers and typing errors look alike."""
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


def allocate(session: Session, exposure: Exposure, spec: Spec, pool: Pool, act: Act) -> Allocation:
    """Hold every node port that a specification needs: together or not at all.

    A port that was asked for, else the one that the same exposure had before, else one that is reserved for
    the team, else one of the static band, else one of the dynamic band.

    Raises:
        NodePortTaken, NodePortReserved, PoolExhausted: as the ledger says.
    """
    metadata = exposure.metadata
    rules, before = known(session, metadata, act.now)
    needed = slots(spec, before)
    asked = {slot.asked: slot.pointer() for slot in needed if slot.asked is not None}
    _check_reservations(rules, asked, Asker(metadata.team, Role.ADMIN in act.principal.roles), act)
    own = Asker(metadata.team)
    had = {slot.earlier for slot in needed if slot.earlier is not None}
    want = ports.Want(
        asked=asked,
        earlier=frozenset(port for port in had if port in pool and not blocking(rules, port, own, act.now)),
        count=len(needed) - len(asked),
        ranges=choosable(pool, rules, metadata.team, act.now, turn=exposure.id.int),
    )
    taker = ports.Taker(exposure.id, metadata, spec.justification, act.now)
    return allocation_of(spec, _given(needed, ports.hold(session, taker, want)))


def _check_reservations(
    rules: Sequence[Reservation], asked: Mapping[int, str], asker: Asker, act: Act
) -> None:
    for port, pointer in sorted(asked.items()):
        rule = blocking(rules, port, asker, act.now)
        if rule is not None:
            raise NodePortReserved(port, rule, pointer)


def _given(needed: Sequence[Slot], held: ports.Held) -> dict[Slot, int]:
    chosen = iter(held.chosen)
    return {
        slot: slot.asked or (slot.earlier if slot.earlier in held.stated else None) or next(chosen)
        for slot in needed
    }


def _warnings(pool: Pool, allocation: Allocation) -> list[str]:
    """Return what a requester should know of the numbers that were chosen."""
    band = pool.dynamic_band()
    given = [*allocation.ports, *([allocation.health_check] if allocation.health_check else [])]
    numbers = sorted(
        {port.number for port in given if port.origin is PortOrigin.CHOSEN and port.number in band}
    )
    return [
        f"Node port {number} is of the dynamic band {band[0]}-{band[-1]}, where the cluster picks numbers "
        "itself: until the exposure is live another Service may get it, and another one is chosen then."
        for number in numbers
    ]
