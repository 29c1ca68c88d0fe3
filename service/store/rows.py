"""From rows to domain values, in one place."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from sqlalchemy import Row

from service.domain.adoption import Adoption, AdoptionState
from service.domain.claim import ClaimState, PortClaim
from service.domain.errors import Fault, PortOwner
from service.domain.event import Event
from service.domain.exposure import (
    Allocation,
    ClusterView,
    Decision,
    Exposure,
    Intent,
    Metadata,
    Opinion,
    Review,
    Revision,
    RevisionKind,
    Suspension,
    Sync,
    SyncState,
)
from service.domain.freeze import Freeze
from service.domain.history import Ending, Tenure
from service.domain.reservation import Reservation
from service.domain.spec import Spec


def _taken(row: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


SYNC, VIEW, CLAIM, EVENT, REVIEW, FREEZE = (
    tuple(field.name for field in fields(value))
    for value in (Sync, ClusterView, PortClaim, Event, Review, Freeze)
)
LIFETIME = (
    "suspended_at",
    "applied_at",
    "clock_started_at",
    "reminded_until",
    "next_deadline_at",
    "judged_at",
    "revert_asked_at",
    "forbidden_ports",
)


def exposure_of(row: Row[Any]) -> Exposure:
    """Return the value of a row of ``exposure``."""
    return Exposure(
        id=row.id,
        metadata=Metadata(row.cluster, row.namespace, row.name, row.team),
        intent=Intent(row.intent),
        generation=row.generation,
        change_count=row.change_count,
        created_at=row.created_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        suspension=Suspension(row.suspension) if row.suspension else None,
        violations=None if row.violations is None else tuple(row.violations),
        **_taken(row, LIFETIME),
    )


def revision_of(row: Row[Any]) -> Revision:
    """Return the value of a row of ``revision``."""
    plain = (
        "exposure_id",
        "number",
        "manifest",
        "digest",
        "requested_by",
        "request_id",
        "created_at",
        "decided_at",
        "base",
        "delta",
        "verdict",
        "pending_until",
        "break_glass",
    )
    return Revision(
        **_taken(row, plain),
        spec=Spec.from_document(row.spec),
        allocation=Allocation.from_document(row.allocation),
        decision=Decision(row.decision),
        kind=RevisionKind(row.kind),
        editors=tuple(row.editors),
    )


def sync_of(row: Row[Any]) -> Sync:
    """Return the value of a row of ``exposure_sync``."""
    values = _taken(row, SYNC)
    return Sync(
        **{
            **values,
            "state": SyncState(row.state),
            "create_tokens": tuple(row.create_tokens),
            "late_tokens": tuple(row.late_tokens),
            "ingress": tuple(row.ingress),
        }
    )


def view_of(row: Row[Any]) -> ClusterView:
    """Return the value of a row of ``cluster_view``."""
    values = _taken(row, VIEW)
    return ClusterView(**{**values, "node_addresses": tuple(row.node_addresses)})


def claim_of(row: Row[Any]) -> PortClaim:
    """Return the value of a row of ``port_claim``."""
    values = _taken(row, CLAIM)
    return PortClaim(**{**values, "state": ClaimState(row.state)})


def tenure_of(row: Row[Any]) -> Tenure:
    """Return the value of a row of ``port_history``."""
    plain = ("id", "port", "exposure_id", "reason", "began_at", "ended_at", "cooling_until")
    thief = PortOwner(None, row.thief_namespace, row.thief_name) if row.thief_name else None
    return Tenure(
        **_taken(row, plain),
        state=ClaimState(row.state),
        owner=PortOwner(row.team, row.namespace, row.name),
        ending=Ending(row.ending),
        thief=thief,
    )


def reservation_of(row: Row[Any]) -> Reservation:
    """Return the value of a row of ``reservation``."""
    plain = ("cluster", "name", "team", "reason", "until", "created_at")
    return Reservation(**_taken(row, plain), first=row.first_port, last=row.last_port)


def event_of(row: Row[Any]) -> Event:
    """Return the value of a row of ``event``."""
    return Event(**_taken(row, EVENT))


def review_of(row: Row[Any]) -> Review:
    """Return the value of a row of ``review``."""
    values = _taken(row, REVIEW)
    return Review(**{**values, "verdict": Opinion(row.verdict), "seats": tuple(row.seats)})


def adoption_of(row: Row[Any]) -> Adoption:
    """Return the value of a row of ``adoption``."""
    plain = (
        "id",
        "lifetime",
        "justification",
        "requested_by",
        "request_id",
        "created_at",
        "updated_at",
        "uid",
        "service",
        "exposure_id",
    )
    return Adoption(
        **_taken(row, plain),
        metadata=Metadata(row.cluster, row.namespace, row.name, row.team),
        state=AdoptionState(row.state),
        faults=tuple(Fault(**fault) for fault in row.faults),
    )


def freeze_of(row: Row[Any]) -> Freeze:
    """Return the value of a row of ``freeze``."""
    return Freeze(**_taken(row, FREEZE))
