"""One index over the numbers that may be had or will be: a look at a full range is one look, not two."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX port_claim_open_idx ON port_claim (cluster, port, coalesce(until, '-infinity')) "
        "WHERE state IN ('free', 'cooling')"
    )
    op.execute("-- squawk-ignore require-concurrent-index-deletion\n DROP INDEX port_claim_cooling_idx")
    op.execute("-- squawk-ignore require-concurrent-index-deletion\n DROP INDEX port_claim_free_idx")


def downgrade() -> None:
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX port_claim_free_idx ON port_claim (cluster, port) WHERE state = 'free'"
    )
    op.execute(
        "-- squawk-ignore require-concurrent-index-creation\n"
        "CREATE INDEX port_claim_cooling_idx ON port_claim (cluster, port, until) WHERE state = 'cooling'"
    )
    op.execute("-- squawk-ignore require-concurrent-index-deletion\n DROP INDEX port_claim_open_idx")
