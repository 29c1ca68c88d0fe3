"""A team asks for an exposure: validate, render, digest, hold the ports, write it down. One transaction."""

from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.errors import Fault, Forbidden, Invalid
from service.domain.exposure import (
    Allocation,
    Decision,
    Exposure,
    ExposureRecord,
    Intent,
    Metadata,
    NodePort,
    PortOrigin,
    Principal,
    Revision,
    Role,
)
from service.domain.manifest import digest, render
from service.domain.ports import Pool
from service.domain.spec import Spec
from service.store import events, exposures, identities, ports
from service.workflow.act import Act


def submit_exposure(
    session: Session, metadata: Metadata, spec: Spec, act: Act, exposure_id: UUID
) -> ExposureRecord:
    """Make an exposure with its first revision, pending.

    Raises:
        Forbidden: the caller has no role that may ask.
        Invalid: cluster, namespace or team is unknown or not the caller's; a port is outside the cluster's
            range.
        NameTaken, NodePortTaken, PoolExhausted: something else has what is asked for.
    """
    if not act.principal.roles & {Role.REQUESTER, Role.ADMIN}:
        raise Forbidden("Asking for an exposure needs the role requester.")
    pool = _pool_for(session, metadata, spec, act.principal)
    manifest = render(metadata, spec)
    exposure = Exposure(
        id=exposure_id,
        metadata=metadata,
        intent=Intent.PRESENT,
        generation=1,
        change_count=1,
        created_at=act.now,
    )
    taker = ports.Taker(exposure_id, metadata, spec.justification, act.now)
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
    exposures.add(session, exposure, revision)
    if spec.needs_node_ports() or spec.needs_health_check_port():
        exposures.set_allocation(session, revision, allocate(session, taker, spec, pool))
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
    record = exposures.get(session, exposure_id)
    assert record is not None, "this transaction has just written it"
    return record


def _pool_for(session: Session, metadata: Metadata, spec: Spec, principal: Principal) -> Pool:
    """Return the cluster's pool when the caller may expose there; strangers and typing errors look alike."""
    faults = []
    cluster = identities.cluster(session, metadata.cluster)
    if cluster is None:
        faults.append(
            Fault("#/metadata/cluster", f"There is no cluster {metadata.cluster!r} that you may use.")
        )
    yours = metadata.team in principal.teams or Role.ADMIN in principal.roles
    if not yours or identities.unknown_teams(session, frozenset({metadata.team})):
        faults.append(Fault("#/metadata/team", f"There is no team {metadata.team!r} that you belong to."))
    elif cluster and not identities.team_has_namespace(
        session, metadata.team, metadata.cluster, metadata.namespace
    ):
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


def allocate(session: Session, taker: ports.Taker, spec: Spec, pool: Pool) -> Allocation:
    """Hold every node port that a specification needs: together or not at all.

    One number serves TCP and UDP of the same service port when both asked for it; a chosen number serves one
    port.

    Raises:
        NodePortTaken, PoolExhausted: as the ledger says.
    """
    needed = spec.ports if spec.needs_node_ports() else ()
    asked = {
        port.node_port: f"#/spec/ports/{index}/node_port"
        for index, port in enumerate(needed)
        if port.node_port is not None
    }
    ports.hold_asked(session, taker, asked)
    extra = 1 if spec.needs_health_check_port() else 0
    open_ports = sum(port.node_port is None for port in needed)
    chosen = iter(ports.hold_chosen(session, taker, pool, open_ports + extra) if open_ports + extra else ())
    given = tuple(
        NodePort(next(chosen), PortOrigin.CHOSEN)
        if port.node_port is None
        else NodePort(port.node_port, PortOrigin.ASKED)
        for port in needed
    )
    return Allocation(given, NodePort(next(chosen), PortOrigin.CHOSEN) if extra else None)
