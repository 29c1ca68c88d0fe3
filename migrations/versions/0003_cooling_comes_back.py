"""A hold on a cooling number remembers until when it cooled, so that the rest of that time can come back.

The code before this one neither reads nor writes the column: it may run beside it, and gives such a number free.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE port_claim ADD COLUMN cools_until TIMESTAMP WITH TIME ZONE")


def downgrade() -> None:
    op.execute("ALTER TABLE port_claim DROP COLUMN cools_until")
