"""Teams, clusters and who may ask: the tables of ``store/identities``; and who keeps which cluster."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.store.tables.base import METADATA, Name, Time, one_of

cluster = Table(
    "cluster",
    METADATA,
    Column("name", Name, primary_key=True),
    Column("context", Text),
    Column("first_port", Integer, nullable=False),
    Column("last_port", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    CheckConstraint("1 <= first_port AND first_port <= last_port AND last_port <= 65535", name="range"),
    Column("in_cluster", Boolean, nullable=False, server_default=text("false")),
    Column("mode", Text, nullable=False, server_default="sync"),
    Column("drift", Text, nullable=False, server_default="heal"),
    Column("owner_id", Text, nullable=False, server_default="wharfinger"),
    Column("labels", JSONB, nullable=False, server_default="{}"),
    Column("removal_share", Double, nullable=False, server_default=text("0.2")),
    Column("brake_released_at", Time),
    Column("accept_ledger", Boolean, nullable=False, server_default=text("false")),
    Column("removed_at", Time),
    CheckConstraint("context IS NULL OR NOT in_cluster", name="access"),
    one_of("mode", "dry-run", "upsert-only", "sync"),
    one_of("drift", "heal", "report"),
    CheckConstraint("owner_id ~ '^[a-z0-9-]{1,63}$'", name="owner_id"),
    CheckConstraint("0 <= removal_share AND removal_share <= 1", name="removal_share"),
)


worker = Table(
    "worker",
    METADATA,
    Column("token", Text, primary_key=True),
    Column("seen_at", Time, nullable=False),
)


lease = Table(
    "lease",
    METADATA,
    Column("cluster", Name, ForeignKey("cluster.name", ondelete="CASCADE"), primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Time, nullable=False),
    Column("taken_at", Time, nullable=False),
)


cluster_view = Table(
    "cluster_view",
    METADATA,
    Column("cluster", Name, ForeignKey("cluster.name", ondelete="CASCADE"), primary_key=True),
    Column("node_addresses", ARRAY(Text), nullable=False),
    Column("seen_at", Time),
    Column("problem", Text),
    Column("change_count", BigInteger, nullable=False),
    Column("frozen", Text),
    Column("orphans", Integer, nullable=False, server_default=text("0")),
    Column("strangers", Integer, nullable=False, server_default=text("0")),
    Column("withheld", Integer, nullable=False, server_default=text("0")),
)


this_ledger = Table(
    "ledger",
    METADATA,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    Column("id", Uuid, nullable=False),
    CheckConstraint("one", name="one"),
)


orphan = Table(
    "orphan",
    METADATA,
    Column("cluster", Name, ForeignKey("cluster.name", ondelete="CASCADE"), primary_key=True),
    Column("uid", Text, primary_key=True),
    Column("namespace", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("exposure_id", Uuid, ForeignKey("exposure.id"), nullable=False),
    Column("first_seen_at", Time, nullable=False),
    Column("sightings", Integer, nullable=False),
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
    one_of("kind", "person", "service_account"),
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
