"""The tables, as SQLAlchemy Core sees them. migrations/ makes them; a test compares the two."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

Time = DateTime(timezone=True)
Name = Text


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


cluster = Table(
    "cluster",
    METADATA,
    Column("name", Name, primary_key=True),
    Column("context", Text),
    Column("first_port", Integer, nullable=False),
    Column("last_port", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    CheckConstraint("1 <= first_port AND first_port <= last_port AND last_port <= 65535", name="range"),
)

cluster_view = Table(
    "cluster_view",
    METADATA,
    Column("cluster", Name, ForeignKey("cluster.name", ondelete="CASCADE"), primary_key=True),
    Column("node_addresses", ARRAY(Text), nullable=False),
    Column("seen_at", Time),
    Column("problem", Text),
    Column("change_count", BigInteger, nullable=False),
)

team = Table(
    "team",
    METADATA,
    Column("name", Name, primary_key=True),
    Column("created_at", Time, nullable=False),
)

namespace = Table(
    "namespace",
    METADATA,
    Column("cluster", Name, ForeignKey("cluster.name"), primary_key=True),
    Column("name", Name, primary_key=True),
    Column("environment", Text),
)

team_namespace = Table(
    "team_namespace",
    METADATA,
    Column("team", Name, ForeignKey("team.name"), primary_key=True),
    Column("cluster", Name, primary_key=True),
    Column("namespace", Name, primary_key=True),
    ForeignKeyConstraint(["cluster", "namespace"], ["namespace.cluster", "namespace.name"]),
)

token = Table(
    "token",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("teams", ARRAY(Text), nullable=False),
    Column("groups", ARRAY(Text), nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
    UniqueConstraint("sha256"),
    _one_of("kind", "person", "service_account"),
)

exposure = Table(
    "exposure",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("cluster", Name, nullable=False),
    Column("namespace", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("team", Name, ForeignKey("team.name"), nullable=False),
    Column("intent", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("change_count", BigInteger, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("ended_at", Time),
    Column("end_reason", Text),
    Column("head_seq", Integer, nullable=False, server_default=text("0")),
    Column("head_hash", Text),
    ForeignKeyConstraint(["cluster", "namespace"], ["namespace.cluster", "namespace.name"]),
    CheckConstraint("(head_seq = 0) = (head_hash IS NULL)", name="head"),
    _one_of("intent", "present", "suspended", "absent"),
    Index(
        "exposure_name_key",
        "cluster",
        "namespace",
        "name",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("exposure_created_at_id_idx", "created_at", "id"),
    Index("exposure_team_created_at_id_idx", "team", "created_at", "id"),
    Index("exposure_team_cluster_idx", "team", "cluster", postgresql_where=text("ended_at IS NULL")),
)

exposure_sync = Table(
    "exposure_sync",
    METADATA,
    Column("exposure_id", Uuid, ForeignKey("exposure.id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("revision", Integer),
    Column("uid", Text),
    Column("create_tokens", ARRAY(Text), nullable=False),
    Column("create_sent_at", Time),
    Column("aim", Text),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Time),
    Column("reason", Text),
    Column("message", Text),
    Column("retryable", Boolean, nullable=False),
    Column("still_serving", Boolean, nullable=False),
    Column("ready_endpoints", Integer, nullable=False),
    Column("ingress", JSONB, nullable=False),
    Column("cluster_ip", Text),
    Column("sync_count", BigInteger, nullable=False),
    Column("changed_at", Time),
    Column("ready_changed_at", Time),
    _one_of("state", "none", "applying", "in_sync", "drifted", "failed", "removing", "removed", "unknown"),
)

revision = Table(
    "revision",
    METADATA,
    Column("exposure_id", Uuid, ForeignKey("exposure.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("spec", JSONB, nullable=False),
    Column("manifest", JSONB, nullable=False),
    Column("digest", Text, nullable=False),
    Column("allocation", JSONB, nullable=False),
    Column("decision", Text, nullable=False),
    Column("requested_by", JSONB, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("decided_at", Time),
    _one_of(
        "decision",
        "pending",
        "approved",
        "rejected",
        "withdrawn",
        "expired",
        "superseded",
        "invalidated",
        "live",
        "retired",
    ),
    Index("revision_live_key", "exposure_id", unique=True, postgresql_where=text("decision = 'live'")),
    Index("revision_pending_key", "exposure_id", unique=True, postgresql_where=text("decision = 'pending'")),
)

review = Table(
    "review",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("exposure_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("person", Text, nullable=False),
    Column("reviewer", JSONB, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("comment", Text),
    Column("created_at", Time, nullable=False),
    ForeignKeyConstraint(["exposure_id", "revision"], ["revision.exposure_id", "revision.number"]),
    UniqueConstraint("exposure_id", "revision", "person"),
    _one_of("verdict", "approve", "reject"),
)

port_claim = Table(
    "port_claim",
    METADATA,
    Column("cluster", Name, ForeignKey("cluster.name"), primary_key=True),
    Column("port", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("team", Name),
    Column("namespace", Name),
    Column("name", Name),
    Column("exposure_id", Uuid, ForeignKey("exposure.id")),
    Column("reason", Text),
    Column("until", Time),
    Column("changed_at", Time, nullable=False),
    Column("since", Time),
    Column("cools_until", Time),  # of a held number that its team took back while it cooled
    CheckConstraint("port BETWEEN 1 AND 65535", name="port"),
    CheckConstraint("(state IN ('free', 'foreign')) = (exposure_id IS NULL)", name="owner"),
    CheckConstraint(
        "(state = 'free') = (namespace IS NULL AND name IS NULL AND reason IS NULL AND team IS NULL)",
        name="free",
    ),
    CheckConstraint("state <> 'cooling' OR until IS NOT NULL", name="cooling"),
    _one_of("state", "free", "held", "bound", "cooling", "foreign"),
    Index("port_claim_exposure_id_idx", "exposure_id"),
    Index("port_claim_free_idx", "cluster", "port", postgresql_where=text("state = 'free'")),
    Index("port_claim_cooling_idx", "cluster", "port", "until", postgresql_where=text("state = 'cooling'")),
    Index(
        "port_claim_earlier_idx", "cluster", "namespace", "name", postgresql_where=text("state = 'cooling'")
    ),
)

port_history = Table(
    "port_history",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("cluster", Name, ForeignKey("cluster.name"), nullable=False),
    Column("port", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("team", Name),
    Column("namespace", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("exposure_id", Uuid),  # no key: the import would lock exposures after ports, crosswise
    Column("reason", Text, nullable=False),
    Column("began_at", Time, nullable=False),
    Column("ended_at", Time, nullable=False),
    Column("ending", Text, nullable=False),
    Column("thief_namespace", Name),
    Column("thief_name", Name),
    Column("cooling_until", Time),
    _one_of("state", "held", "bound", "cooling", "foreign"),
    _one_of("ending", "released", "dropped", "lost", "reassigned", "unused", "gone"),
    Index("port_history_cluster_port_id_idx", "cluster", "port", "id"),
)

reservation = Table(
    "reservation",
    METADATA,
    Column("cluster", Name, ForeignKey("cluster.name"), primary_key=True),
    Column("name", Name, primary_key=True),
    Column("first_port", Integer, nullable=False),
    Column("last_port", Integer, nullable=False),
    Column("team", Name, ForeignKey("team.name")),
    Column("reason", Text, nullable=False),
    Column("until", Time),
    Column("created_at", Time, nullable=False),
    CheckConstraint("1 <= first_port AND first_port <= last_port AND last_port <= 65535", name="range"),
)

quota = Table(
    "quota",
    METADATA,
    Column("team", Name, ForeignKey("team.name"), primary_key=True),
    Column("cluster", Name, ForeignKey("cluster.name"), primary_key=True),
    Column("exposures", Integer),
    Column("node_ports", Integer),
    Column("load_balancers", Integer),
    Column("longest_lifetime", BigInteger),
    CheckConstraint(
        "exposures >= 0 AND node_ports >= 0 AND load_balancers >= 0 AND longest_lifetime > 0", name="limits"
    ),
)

event = Table(
    "event",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("exposure_id", Uuid, ForeignKey("exposure.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("revision", Integer),
    Column("actor", JSONB, nullable=False),
    Column("request_id", Text),
    Column("data", JSONB, nullable=False),
    Column("at", Time, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("previous_hash", Text),
    Column("hash", Text, nullable=False),
    CheckConstraint("seq >= 1 AND (seq = 1) = (previous_hash IS NULL)", name="chain"),
    UniqueConstraint("exposure_id", "seq"),
)
