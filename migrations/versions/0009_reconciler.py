"""What the worker has to find quickly, and what it remembers of a cluster as a whole.

Three partial indexes name the exposures for which something may be due, so that a look costs nothing where all
is as it should be. A ledger has an id, by which the mark in a cluster tells whose it is.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MADE = (
    "-- squawk-ignore require-concurrent-index-creation\n"
    "CREATE INDEX revision_approved_idx ON revision (exposure_id) WHERE decision = 'approved'",
    "-- squawk-ignore require-concurrent-index-creation\n"
    "CREATE INDEX exposure_intent_idx ON exposure (id) WHERE ended_at IS NULL AND intent <> 'present'",
    "-- squawk-ignore require-concurrent-index-creation\n"
    "CREATE INDEX exposure_sync_unsettled_idx ON exposure_sync (exposure_id) "
    "WHERE state NOT IN ('none', 'in_sync', 'removed') OR reason IS NOT NULL",
    """
    ALTER TABLE exposure_sync
        ADD COLUMN target_ports JSONB NOT NULL DEFAULT '{}',
        ADD COLUMN late_tokens TEXT[] NOT NULL DEFAULT '{}'
    """,
    """
    ALTER TABLE exposure
        ADD COLUMN forbidden_ports JSONB
    """,
    """
    ALTER TABLE cluster_view
        ADD COLUMN frozen TEXT,
        ADD COLUMN orphans INTEGER NOT NULL DEFAULT 0,
        ADD COLUMN strangers INTEGER NOT NULL DEFAULT 0,
        ADD COLUMN withheld INTEGER NOT NULL DEFAULT 0
    """,
    """
    CREATE TABLE ledger (
        one BOOLEAN NOT NULL DEFAULT true,
        id UUID NOT NULL,
        CONSTRAINT ledger_pkey PRIMARY KEY (one),
        CONSTRAINT ledger_one_check CHECK (one)
    )
    """,
    "INSERT INTO ledger (id) VALUES (gen_random_uuid())",
    """
    CREATE TABLE orphan (
        cluster TEXT NOT NULL,
        uid TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        exposure_id UUID NOT NULL,
        first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
        sightings INTEGER NOT NULL,
        CONSTRAINT orphan_pkey PRIMARY KEY (cluster, uid),
        CONSTRAINT orphan_cluster_fkey FOREIGN KEY (cluster) REFERENCES cluster (name) ON DELETE CASCADE,
        CONSTRAINT orphan_exposure_id_fkey FOREIGN KEY (exposure_id) REFERENCES exposure (id)
    )
    """,
    "GRANT SELECT ON ledger TO wharfinger_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON orphan TO wharfinger_app",
)

BACK = (
    "DROP TABLE orphan",
    "DROP TABLE ledger",
    """
    ALTER TABLE cluster_view
        DROP COLUMN withheld,
        DROP COLUMN strangers,
        DROP COLUMN orphans,
        DROP COLUMN frozen
    """,
    "ALTER TABLE exposure DROP COLUMN forbidden_ports",
    "ALTER TABLE exposure_sync DROP COLUMN late_tokens, DROP COLUMN target_ports",
    "DROP INDEX exposure_sync_unsettled_idx",
    "DROP INDEX exposure_intent_idx",
    "DROP INDEX revision_approved_idx",
)


def upgrade() -> None:
    """Make indexes, columns and tables."""
    for statement in MADE:
        op.execute(statement)


def downgrade() -> None:
    """Take them away."""
    for statement in BACK:
        op.execute(statement)
