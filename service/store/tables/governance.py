"""What the platform decides for all: policies, change freezes, and the trail of both."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Sequence,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.store.tables.base import METADATA, Name, Time, one_of

POLICY_ACTIVATION = Sequence("policy_activation_seq", metadata=METADATA)

policy = Table(
    "policy",
    METADATA,
    Column("name", Name, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_by", JSONB, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("reviewed_by", JSONB),
    Column("activated_at", Time),
    Column("retired_at", Time),
    Column("activation", BigInteger),
    one_of("state", "proposed", "active", "retired"),
    Index("policy_active_key", "name", unique=True, postgresql_where=text("state = 'active'")),
)


change_freeze = Table(
    "change_freeze",
    METADATA,
    Column("cluster", Name, ForeignKey("cluster.name"), primary_key=True),
    Column("name", Name, primary_key=True),
    Column("begins_at", Time, nullable=False),
    Column("ends_at", Time, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", JSONB, nullable=False),
    Column("created_at", Time, nullable=False),
    CheckConstraint("begins_at < ends_at", name="window"),
)


audit_event = Table(
    "audit_event",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("actor", JSONB, nullable=False),
    Column("request_id", Text),
    Column("data", JSONB, nullable=False),
    Column("at", Time, nullable=False),
)
