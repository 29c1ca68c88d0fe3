"""Adoptions: requests to take over a Service that somebody else made, and which uid an exposure is to adopt.

The way down forgets adoptions; a number that came by one is told of as one whose Service had gone.
"""

from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = (
    """
    -- squawk-ignore-file constraint-missing-not-valid, ban-drop-constraint
    CREATE TABLE adoption (
        id UUID NOT NULL,
        cluster TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        team TEXT NOT NULL,
        requested_by JSONB NOT NULL,
        request_id TEXT NOT NULL,
        lifetime BIGINT,
        justification TEXT NOT NULL,
        state TEXT NOT NULL,
        faults JSONB NOT NULL,
        uid TEXT,
        service JSONB,
        exposure_id UUID,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT adoption_pkey PRIMARY KEY (id),
        CONSTRAINT adoption_team_fkey FOREIGN KEY(team) REFERENCES team (name),
        CONSTRAINT adoption_exposure_id_fkey FOREIGN KEY(exposure_id) REFERENCES exposure (id),
        CONSTRAINT adoption_cluster_fkey FOREIGN KEY(cluster, namespace) REFERENCES namespace (cluster, name),
        CONSTRAINT adoption_state_check
            CHECK (state IN ('waiting', 'refused', 'requested', 'adopted', 'ended')),
        CONSTRAINT adoption_faults_check CHECK ((state = 'refused') = (faults <> '[]')),
        CONSTRAINT adoption_copy_check CHECK (
            (state IN ('waiting', 'refused')) = (exposure_id IS NULL)
            AND (exposure_id IS NULL) = (uid IS NULL) AND (exposure_id IS NULL) = (service IS NULL)
        )
    )
    """,
    """
    CREATE UNIQUE INDEX adoption_open_key ON adoption (cluster, namespace, name)
        WHERE state IN ('waiting', 'requested')
    """,
    "CREATE INDEX adoption_cluster_created_at_id_idx ON adoption (cluster, created_at, id)",
    "CREATE UNIQUE INDEX adoption_exposure_id_key ON adoption (exposure_id)",
)

CHANGES = (
    "ALTER TABLE exposure_sync ADD COLUMN adopts_uid TEXT",
    """
    ALTER TABLE port_history
        DROP CONSTRAINT port_history_ending_check,
        ADD CONSTRAINT port_history_ending_check
            CHECK (ending IN (
                'released', 'dropped', 'lost', 'reassigned', 'unused', 'gone', 'abandoned', 'adopted'
            ))
    """,
)

# Who asked for what stays as it was written; only what came of it moves.
GRANTS = (
    "GRANT SELECT, INSERT ON adoption TO wharfinger_app",
    "GRANT UPDATE (state, faults, uid, service, exposure_id, updated_at) ON adoption TO wharfinger_app",
)

BACK = (
    "UPDATE port_history SET ending = 'gone' WHERE ending = 'adopted'",
    """
    ALTER TABLE port_history
        DROP CONSTRAINT port_history_ending_check,
        ADD CONSTRAINT port_history_ending_check
            CHECK (ending IN ('released', 'dropped', 'lost', 'reassigned', 'unused', 'gone', 'abandoned'))
    """,
    "ALTER TABLE exposure_sync DROP COLUMN adopts_uid",
    "DROP TABLE adoption",
)


def upgrade() -> None:
    for statement in (*TABLES, *CHANGES, *GRANTS):
        op.execute(statement)


def downgrade() -> None:
    for statement in BACK:
        op.execute(statement)
