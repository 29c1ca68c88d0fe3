"""${message}."""

<% body = (upgrades or "") + (downgrades or "") %>\
% if "sa." in body:
import sqlalchemy as sa
% endif
% if "op." in body:
from alembic import op

% endif
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
