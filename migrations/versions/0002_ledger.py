"""The ledger: a row for each number of a pool, what became of every tenure, reservations and quotas.

A free number is a row too, so it can be locked and skipped: docs/decisions/0006. The code before this one
takes a free row for somebody's, so it is stopped before this runs.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Everything here is done in one short transaction: the table has a row for each claim of today, a few thousand.
CLAIMS = (
    """
    -- squawk-ignore-file ban-drop-not-null, ban-drop-constraint, constraint-missing-not-valid
    ALTER TABLE port_claim
        ALTER COLUMN namespace DROP NOT NULL,
        ALTER COLUMN name DROP NOT NULL,
        ALTER COLUMN reason DROP NOT NULL,
        ADD COLUMN since TIMESTAMP WITH TIME ZONE,
        DROP CONSTRAINT port_claim_state_check,
        DROP CONSTRAINT port_claim_owner_check
    """,
    """
    ALTER TABLE port_claim
        ADD CONSTRAINT port_claim_state_check
            CHECK (state IN ('free', 'held', 'bound', 'cooling', 'foreign')),
        ADD CONSTRAINT port_claim_owner_check
            CHECK ((state IN ('free', 'foreign')) = (exposure_id IS NULL)),
        ADD CONSTRAINT port_claim_free_check
            CHECK ((state = 'free') = (namespace IS NULL AND name IS NULL AND reason IS NULL AND team IS NULL))
    """,
    "UPDATE port_claim SET since = changed_at",
    """
    INSERT INTO port_claim (cluster, port, state, changed_at)
    SELECT cluster.name, number.port, 'free', cluster.created_at
    FROM cluster CROSS JOIN LATERAL generate_series(first_port, last_port) AS number (port)
    ON CONFLICT ON CONSTRAINT port_claim_pkey DO NOTHING
    """,
)

INDEXES = (
    """
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX port_claim_free_idx ON port_claim (cluster, port) WHERE state = 'free'
    """,
    """
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX port_claim_cooling_idx ON port_claim (cluster, port, until) WHERE state = 'cooling'
    """,
    """
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX port_claim_earlier_idx ON port_claim (cluster, namespace, name) WHERE state = 'cooling'
    """,
    """
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX exposure_team_cluster_idx ON exposure (team, cluster) WHERE ended_at IS NULL
    """,
)

TABLES = (
    """
    CREATE TABLE port_history (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        cluster TEXT NOT NULL,
        port INTEGER NOT NULL,
        state TEXT NOT NULL,
        team TEXT,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        exposure_id UUID,
        reason TEXT NOT NULL,
        began_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ending TEXT NOT NULL,
        thief_namespace TEXT,
        thief_name TEXT,
        cooling_until TIMESTAMP WITH TIME ZONE,
        CONSTRAINT port_history_pkey PRIMARY KEY (id),
        CONSTRAINT port_history_state_check CHECK (state IN ('held', 'bound', 'cooling', 'foreign')),
        CONSTRAINT port_history_ending_check CHECK (ending IN ('released', 'dropped', 'lost', 'reassigned', 'unused', 'gone')),
        CONSTRAINT port_history_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name)
    )
    """,
    "CREATE INDEX port_history_cluster_port_id_idx ON port_history (cluster, port, id)",
    """
    CREATE TABLE reservation (
        cluster TEXT NOT NULL,
        name TEXT NOT NULL,
        first_port INTEGER NOT NULL,
        last_port INTEGER NOT NULL,
        team TEXT,
        reason TEXT NOT NULL,
        until TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT reservation_pkey PRIMARY KEY (cluster, name),
        CONSTRAINT reservation_range_check CHECK (1 <= first_port AND first_port <= last_port AND last_port <= 65535),
        CONSTRAINT reservation_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name),
        CONSTRAINT reservation_team_fkey FOREIGN KEY(team) REFERENCES team (name)
    )
    """,
    """
    CREATE TABLE quota (
        team TEXT NOT NULL,
        cluster TEXT NOT NULL,
        exposures INTEGER,
        node_ports INTEGER,
        load_balancers INTEGER,
        longest_lifetime BIGINT,
        CONSTRAINT quota_pkey PRIMARY KEY (team, cluster),
        CONSTRAINT quota_limits_check CHECK (exposures >= 0 AND node_ports >= 0 AND load_balancers >= 0 AND longest_lifetime > 0),
        CONSTRAINT quota_team_fkey FOREIGN KEY(team) REFERENCES team (name),
        CONSTRAINT quota_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name)
    )
    """,
)

# A row of the history is never changed and never taken out, like an event.
GRANTS = (
    "GRANT SELECT, INSERT ON port_history TO wharfinger_app",
    "GRANT SELECT, INSERT, UPDATE ON quota TO wharfinger_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON reservation TO wharfinger_app",
)

BACK = (
    "DROP TABLE quota",
    "DROP TABLE reservation",
    "DROP TABLE port_history",
    "DROP INDEX exposure_team_cluster_idx",
    "DROP INDEX port_claim_earlier_idx",
    "DROP INDEX port_claim_cooling_idx",
    "DROP INDEX port_claim_free_idx",
    "DELETE FROM port_claim WHERE state = 'free'",
    """
    ALTER TABLE port_claim
        DROP CONSTRAINT port_claim_free_check,
        DROP CONSTRAINT port_claim_state_check,
        DROP CONSTRAINT port_claim_owner_check,
        DROP COLUMN since,
        ALTER COLUMN namespace SET NOT NULL,
        ALTER COLUMN name SET NOT NULL,
        ALTER COLUMN reason SET NOT NULL,
        ADD CONSTRAINT port_claim_state_check CHECK (state IN ('held', 'bound', 'cooling', 'foreign')),
        ADD CONSTRAINT port_claim_owner_check CHECK ((state = 'foreign') = (exposure_id IS NULL))
    """,
)


def upgrade() -> None:
    for statement in (*CLAIMS, *INDEXES, *TABLES, *GRANTS):
        op.execute(statement)


def downgrade() -> None:
    for statement in BACK:
        op.execute(statement)
