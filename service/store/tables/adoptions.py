"""Requests to adopt a Service that somebody else made."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.store.tables.base import METADATA, Name, Time, one_of

OPEN = text("state IN ('waiting', 'requested')")

adoption = Table(
    "adoption",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("cluster", Name, nullable=False),
    Column("namespace", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("team", Name, ForeignKey("team.name"), nullable=False),
    Column("requested_by", JSONB, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("lifetime", BigInteger),
    Column("justification", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("faults", JSONB, nullable=False),
    Column("uid", Text),
    Column("service", JSONB),
    Column("exposure_id", Uuid, ForeignKey("exposure.id")),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    ForeignKeyConstraint(["cluster", "namespace"], ["namespace.cluster", "namespace.name"]),
    one_of("state", "waiting", "refused", "requested", "adopted", "ended"),
    CheckConstraint("(state = 'refused') = (faults <> '[]')", name="faults"),
    CheckConstraint(
        "(state IN ('waiting', 'refused')) = (exposure_id IS NULL) "
        "AND (exposure_id IS NULL) = (uid IS NULL) AND (exposure_id IS NULL) = (service IS NULL)",
        name="copy",
    ),
    Index("adoption_open_key", "cluster", "namespace", "name", unique=True, postgresql_where=OPEN),
    Index("adoption_cluster_created_at_id_idx", "cluster", "created_at", "id"),
    Index("adoption_exposure_id_key", "exposure_id", unique=True),
)
