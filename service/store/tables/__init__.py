"""The tables, as SQLAlchemy Core sees them. migrations/ makes them; a test compares the two."""

from service.store.tables.adoptions import adoption
from service.store.tables.base import METADATA
from service.store.tables.exposures import event, exposure, exposure_sync, review, revision
from service.store.tables.governance import audit_event, change_freeze, policy
from service.store.tables.ledger import port_claim, port_history, reservation
from service.store.tables.places import (
    cluster,
    cluster_view,
    lease,
    namespace,
    orphan,
    quota,
    team,
    team_namespace,
    this_ledger,
    token,
    worker,
)

__all__ = [
    "METADATA",
    "adoption",
    "audit_event",
    "change_freeze",
    "cluster",
    "cluster_view",
    "event",
    "exposure",
    "exposure_sync",
    "lease",
    "namespace",
    "orphan",
    "policy",
    "port_claim",
    "port_history",
    "quota",
    "reservation",
    "review",
    "revision",
    "team",
    "team_namespace",
    "this_ledger",
    "token",
    "worker",
]
