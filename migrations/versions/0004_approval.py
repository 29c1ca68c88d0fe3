"""The approval: policies, what they said of a revision, seats and reviews that can be taken back, lifetimes.

Requests that are open keep waiting: a revision without a verdict has one seat, an approver's, as before.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = (
    """
    -- squawk-ignore-file adding-required-field, constraint-missing-not-valid, ban-drop-constraint, ban-drop-column
    ALTER TABLE exposure
        ADD COLUMN suspension TEXT,
        ADD COLUMN suspended_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN applied_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN clock_started_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN reminded_until TIMESTAMP WITH TIME ZONE,
        ADD COLUMN next_deadline_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN violations JSONB,
        ADD COLUMN judged_at BIGINT NOT NULL DEFAULT 0::bigint
    """,
    """
    ALTER TABLE revision
        ADD COLUMN kind TEXT NOT NULL DEFAULT 'change',
        ADD COLUMN base INTEGER,
        ADD COLUMN editors TEXT[] NOT NULL DEFAULT '{}',
        ADD COLUMN delta JSONB NOT NULL DEFAULT '{}',
        ADD COLUMN verdict JSONB NOT NULL DEFAULT '{}',
        ADD COLUMN pending_until TIMESTAMP WITH TIME ZONE,
        ADD COLUMN break_glass JSONB,
        ADD CONSTRAINT revision_kind_check CHECK (kind IN ('change', 'renewal'))
    """,
    """
    ALTER TABLE review
        ADD COLUMN seats TEXT[] NOT NULL DEFAULT '{}',
        ADD COLUMN voided_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN void_reason TEXT,
        DROP CONSTRAINT review_exposure_id_revision_person_key,
        DROP CONSTRAINT review_verdict_check,
        ADD CONSTRAINT review_verdict_check CHECK (verdict IN ('approve', 'reject', 'comment'))
    """,
    "UPDATE exposure SET suspension = 'owner', suspended_at = created_at WHERE intent = 'suspended'",
    "UPDATE exposure SET next_deadline_at = created_at WHERE ended_at IS NULL",
    """
    ALTER TABLE exposure ADD CONSTRAINT exposure_suspension_check
        CHECK ((intent = 'suspended') = (suspension IS NOT NULL))
    """,
)

INDEXES = (
    """
    -- squawk-ignore require-concurrent-index-creation
    CREATE UNIQUE INDEX review_person_key ON review (exposure_id, revision, person)
        WHERE voided_at IS NULL AND verdict <> 'comment'
    """,
    """
    -- squawk-ignore require-concurrent-index-creation
    CREATE INDEX exposure_next_deadline_at_idx ON exposure (next_deadline_at) WHERE ended_at IS NULL
    """,
)

TABLES = (
    """
    CREATE TABLE policy (
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        document JSONB NOT NULL,
        state TEXT NOT NULL,
        created_by JSONB NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        reviewed_by JSONB,
        activated_at TIMESTAMP WITH TIME ZONE,
        retired_at TIMESTAMP WITH TIME ZONE,
        activation BIGINT,
        CONSTRAINT policy_pkey PRIMARY KEY (name, version),
        CONSTRAINT policy_state_check CHECK (state IN ('proposed', 'active', 'retired'))
    )
    """,
    "CREATE UNIQUE INDEX policy_active_key ON policy (name) WHERE state = 'active'",
    "CREATE SEQUENCE policy_activation_seq",
    """
    CREATE TABLE change_freeze (
        cluster TEXT NOT NULL,
        name TEXT NOT NULL,
        begins_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
        reason TEXT NOT NULL,
        created_by JSONB NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT change_freeze_pkey PRIMARY KEY (cluster, name),
        CONSTRAINT change_freeze_window_check CHECK (begins_at < ends_at),
        CONSTRAINT change_freeze_cluster_fkey FOREIGN KEY(cluster) REFERENCES cluster (name)
    )
    """,
    """
    CREATE TABLE audit_event (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        kind TEXT NOT NULL,
        actor JSONB NOT NULL,
        request_id TEXT,
        data JSONB NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT audit_event_pkey PRIMARY KEY (id)
    )
    """,
)

# Nobody who runs as the application can change what was said in a review, only void it; nor what was asked for,
# only what became of it.
GRANTS = (
    "REVOKE UPDATE ON revision FROM wharfinger_app",
    "GRANT UPDATE (decision, decided_at, allocation, break_glass) ON revision TO wharfinger_app",
    "GRANT UPDATE (voided_at, void_reason) ON review TO wharfinger_app",
    "GRANT SELECT, INSERT ON audit_event TO wharfinger_app",
    "GRANT SELECT, INSERT, UPDATE ON policy TO wharfinger_app",
    "GRANT USAGE ON SEQUENCE policy_activation_seq TO wharfinger_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON change_freeze TO wharfinger_app",
)

BACK = (
    "REVOKE UPDATE (decision, decided_at, allocation, break_glass) ON revision FROM wharfinger_app",
    "GRANT UPDATE ON revision TO wharfinger_app",
    "REVOKE UPDATE (voided_at, void_reason) ON review FROM wharfinger_app",
    "DROP TABLE audit_event",
    "DROP TABLE change_freeze",
    "DROP SEQUENCE policy_activation_seq",
    "DROP TABLE policy",
    "DROP INDEX exposure_next_deadline_at_idx",
    "DROP INDEX review_person_key",
    "DELETE FROM review WHERE verdict = 'comment' OR voided_at IS NOT NULL",
    """
    ALTER TABLE review
        DROP COLUMN seats,
        DROP COLUMN voided_at,
        DROP COLUMN void_reason,
        DROP CONSTRAINT review_verdict_check,
        ADD CONSTRAINT review_verdict_check CHECK (verdict IN ('approve', 'reject')),
        ADD CONSTRAINT review_exposure_id_revision_person_key UNIQUE (exposure_id, revision, person)
    """,
    """
    ALTER TABLE revision
        DROP CONSTRAINT revision_kind_check,
        DROP COLUMN kind,
        DROP COLUMN base,
        DROP COLUMN editors,
        DROP COLUMN delta,
        DROP COLUMN verdict,
        DROP COLUMN pending_until,
        DROP COLUMN break_glass
    """,
    """
    ALTER TABLE exposure
        DROP CONSTRAINT exposure_suspension_check,
        DROP COLUMN suspension,
        DROP COLUMN suspended_at,
        DROP COLUMN applied_at,
        DROP COLUMN clock_started_at,
        DROP COLUMN reminded_until,
        DROP COLUMN next_deadline_at,
        DROP COLUMN violations,
        DROP COLUMN judged_at
    """,
)


def upgrade() -> None:
    for statement in (*COLUMNS, *INDEXES, *TABLES, *GRANTS):
        op.execute(statement)


def downgrade() -> None:
    for statement in BACK:
        op.execute(statement)
