"""Whose Service is down while its exposure goes on: a look finds who has been resumed among these alone.

Every row counts as such until this release says otherwise, so whom the code before it pauses is found too.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE exposure_sync ADD COLUMN paused BOOLEAN NOT NULL DEFAULT true")
    op.execute("""
        UPDATE exposure_sync SET paused = false FROM exposure
        WHERE exposure.id = exposure_id AND state = 'removed' AND ended_at IS NOT NULL
    """)
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX exposure_sync_paused_idx ON exposure_sync (exposure_id) "
        "WHERE paused AND state = 'removed'"
    )


def downgrade() -> None:
    op.execute("DROP INDEX exposure_sync_paused_idx")
    op.execute("ALTER TABLE exposure_sync DROP COLUMN paused")
