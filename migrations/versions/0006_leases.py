"""Leases: which worker may act on which cluster, and until when; and clusters that come, change and go.

The code before this one knows neither workers nor leases, so it is stopped before the new one starts.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CLUSTERS = (
    """
    -- squawk-ignore-file constraint-missing-not-valid, ban-drop-constraint
    ALTER TABLE cluster
        ADD COLUMN in_cluster BOOLEAN NOT NULL DEFAULT false,
        ADD COLUMN mode TEXT NOT NULL DEFAULT 'sync',
        ADD COLUMN drift TEXT NOT NULL DEFAULT 'heal',
        ADD COLUMN owner_id TEXT NOT NULL DEFAULT 'wharfinger',
        ADD COLUMN labels JSONB NOT NULL DEFAULT '{}',
        ADD COLUMN removal_share DOUBLE PRECISION NOT NULL DEFAULT 0.2,
        ADD COLUMN brake_released_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN accept_ledger BOOLEAN NOT NULL DEFAULT false,
        ADD COLUMN removed_at TIMESTAMP WITH TIME ZONE,
        ADD CONSTRAINT cluster_access_check CHECK (context IS NULL OR NOT in_cluster),
        ADD CONSTRAINT cluster_mode_check CHECK (mode IN ('dry-run', 'upsert-only', 'sync')),
        ADD CONSTRAINT cluster_drift_check CHECK (drift IN ('heal', 'report')),
        ADD CONSTRAINT cluster_owner_id_check CHECK (owner_id ~ '^[a-z0-9-]{1,63}$'),
        ADD CONSTRAINT cluster_removal_share_check CHECK (0 <= removal_share AND removal_share <= 1)
    """,
)

TABLES = (
    """
    CREATE TABLE worker (
        token TEXT NOT NULL,
        seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT worker_pkey PRIMARY KEY (token)
    )
    """,
    """
    CREATE TABLE lease (
        cluster TEXT NOT NULL,
        holder TEXT NOT NULL,
        until TIMESTAMP WITH TIME ZONE NOT NULL,
        taken_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT lease_pkey PRIMARY KEY (cluster),
        CONSTRAINT lease_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name) ON DELETE CASCADE
    )
    """,
)

ENDINGS = (
    """
    ALTER TABLE port_history
        DROP CONSTRAINT port_history_ending_check,
        ADD CONSTRAINT port_history_ending_check
            CHECK (ending IN ('released', 'dropped', 'lost', 'reassigned', 'unused', 'gone', 'abandoned'))
    """,
)

GRANTS = ("GRANT SELECT, INSERT, UPDATE, DELETE ON worker, lease TO wharfinger_app",)

BACK = (
    "UPDATE port_history SET ending = 'gone' WHERE ending = 'abandoned'",
    """
    ALTER TABLE port_history
        DROP CONSTRAINT port_history_ending_check,
        ADD CONSTRAINT port_history_ending_check
            CHECK (ending IN ('released', 'dropped', 'lost', 'reassigned', 'unused', 'gone'))
    """,
    "DROP TABLE lease",
    "DROP TABLE worker",
    """
    ALTER TABLE cluster
        DROP CONSTRAINT cluster_access_check,
        DROP CONSTRAINT cluster_mode_check,
        DROP CONSTRAINT cluster_drift_check,
        DROP CONSTRAINT cluster_owner_id_check,
        DROP CONSTRAINT cluster_removal_share_check,
        DROP COLUMN in_cluster,
        DROP COLUMN mode,
        DROP COLUMN drift,
        DROP COLUMN owner_id,
        DROP COLUMN labels,
        DROP COLUMN removal_share,
        DROP COLUMN brake_released_at,
        DROP COLUMN accept_ledger,
        DROP COLUMN removed_at
    """,
)


def upgrade() -> None:
    for statement in (*CLUSTERS, *TABLES, *ENDINGS, *GRANTS):
        op.execute(statement)


def downgrade() -> None:
    for statement in BACK:
        op.execute(statement)
