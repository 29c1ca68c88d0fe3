"""Drift that is kept for people, how often it was put right in a row, and who wants it put right.

The code before this one reads and writes none of these columns: it may run beside it.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE exposure_sync
            ADD COLUMN heals INTEGER NOT NULL DEFAULT 0,
            ADD COLUMN heals_since TIMESTAMP WITH TIME ZONE,
            ADD COLUMN healed_at TIMESTAMP WITH TIME ZONE,
            ADD COLUMN drift JSONB
    """)
    op.execute("ALTER TABLE exposure ADD COLUMN revert_asked_at TIMESTAMP WITH TIME ZONE")


def downgrade() -> None:
    op.execute("ALTER TABLE exposure DROP COLUMN revert_asked_at")
    op.execute("""
        ALTER TABLE exposure_sync
            DROP COLUMN heals, DROP COLUMN heals_since, DROP COLUMN healed_at, DROP COLUMN drift
    """)
