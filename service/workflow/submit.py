"""A team asks for an exposure: validate, render, digest, judge, hold quota and ports, write it down.

All in one transaction, whose locks go team quota, exposure, ports.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.claim import ClaimState, PortClaim
from service.domain.errors import Forbidden
from service.domain.exposure import Decision, Exposure, ExposureRecord, Intent, Metadata, Sync
from service.domain.lifetime import deadlines
from service.domain.ports import Pool
from service.domain.principal import Principal, Role
from service.domain.spec import Spec
from service.store import exposures, identities, quotas
from service.workflow.act import Act
from service.workflow.draft import (
    Draft,
    Standing,
    check_place,
    check_quota,
    draft,
    requested,
    write,
)
from service.workflow.judge import Judge


@dataclass(frozen=True, slots=True)
class Begun:
    """A new exposure without its revision, and what is needed to write that."""

    record: ExposureRecord
    made: Draft
    pool: Pool


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was asked for, what is allowed but may surprise, and whether a revision was made."""

    record: ExposureRecord
    warnings: tuple[str, ...]
    is_new: bool = True


def submit_exposure(
    session: Session, metadata: Metadata, spec: Spec, act: Act, judge: Judge, exposure_id: UUID
) -> Submitted:
    """Make an exposure with its first revision, pending, or approved by policies.

    Raises:
        NodePortTaken, NodePortReserved, PoolExhausted: something else has what is asked for.
        Forbidden, PolicyDenied, UnsatisfiablePolicy, QuotaExceeded, Invalid, NameTaken: as for its beginning.
    """
    begun = begin_exposure(session, metadata, spec, act, judge, exposure_id)
    record, warnings = write(session, begun.record, begun.made, begun.pool, act)
    if record.revisions[0].decision is Decision.APPROVED:  # more was written than is known here
        known = exposures.get(session, exposure_id)
        assert known is not None
        return Submitted(known, warnings)
    return Submitted(replace(record, claims=_claims(record)), warnings)


def begin_exposure(
    session: Session, metadata: Metadata, spec: Spec, act: Act, judge: Judge, exposure_id: UUID
) -> Begun:
    """Check, judge and hold the quota; write a new exposure that has no revision yet.

    Raises:
        Forbidden: the caller has no role that may ask.
        PolicyDenied, UnsatisfiablePolicy: the platform's policies refuse it.
        QuotaExceeded: the team would have more than its quota.
        Invalid: cluster, namespace or team is unknown or not the caller's; a port is outside the cluster's
            range.
        NameTaken: another exposure has the name.
    """
    check_may_ask(act.principal)
    limits = quotas.ask(session, metadata.team, metadata.cluster)
    place = identities.place(session, metadata.team, metadata.cluster, metadata.namespace)
    pool = check_place(place, metadata, spec, act.principal)
    exposure = Exposure(
        id=exposure_id,
        metadata=metadata,
        intent=Intent.PRESENT,
        generation=1,
        change_count=1,
        created_at=act.now,
    )
    made = draft(session, spec, Standing(exposure, place), act, judge)
    check_quota(session, metadata, limits(), spec)
    record = ExposureRecord(exposure=exposure, revisions=(), sync=Sync(), claims=(), view=place.view)
    first = min(deadlines(replace(record, revisions=(made.revision,)))).at
    exposure = replace(exposure, next_deadline_at=first, judged_at=made.epoch, violations=())
    exposures.add(session, exposure, requested(made.revision, act))
    if not spec.needs_node_ports():  # nothing is asked that would say whether the name is taken
        exposures.written(session)
    return Begun(replace(record, exposure=exposure), made, pool)


def check_may_ask(principal: Principal) -> None:
    """Let requesters and the platform ask.

    Raises:
        Forbidden: neither.
    """
    if not principal.roles & {Role.REQUESTER, Role.ADMIN}:
        raise Forbidden("Asking for an exposure needs the role requester.")


def _claims(record: ExposureRecord) -> tuple[PortClaim, ...]:
    """Return what the ledger has of a new exposure: said from what was written, not read once more."""
    metadata, revision = record.exposure.metadata, record.revisions[0]
    return tuple(
        PortClaim(
            cluster=metadata.cluster,
            port=number,
            state=ClaimState.HELD,
            team=metadata.team,
            namespace=metadata.namespace,
            name=metadata.name,
            exposure_id=record.exposure.id,
            reason=revision.spec.justification,
            until=None,
            changed_at=revision.created_at,
            since=revision.created_at,
        )
        for number in sorted(revision.allocation.numbers())
    )
