"""The ledger of node ports."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)

from service.store.tables.base import METADATA, Name, Time, one_of

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
    one_of("state", "free", "held", "bound", "cooling", "foreign"),
    Index("port_claim_exposure_id_idx", "exposure_id"),
    Index(
        "port_claim_open_idx",
        "cluster",
        "port",
        text("coalesce(until, '-infinity')"),
        postgresql_where=text("state IN ('free', 'cooling')"),
    ),
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
    one_of("state", "held", "bound", "cooling", "foreign"),
    one_of("ending", "released", "dropped", "lost", "reassigned", "unused", "gone", "abandoned", "adopted"),
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
