"""Each exposure's events become a chain: a number and two hashes on each event, the chain's head on the exposure.

The events that are there are chained in the order in which they were written. The code before this one writes
events outside of any chain, so it is stopped before this runs.
"""

import hashlib
from datetime import timezone

import rfc8785
from alembic import op
from sqlalchemy import text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = (
    """
    ALTER TABLE exposure
        ADD COLUMN head_seq INTEGER NOT NULL DEFAULT 0,
        ADD COLUMN head_hash TEXT
    """,
    """
    ALTER TABLE event
        ADD COLUMN seq INTEGER,
        ADD COLUMN previous_hash TEXT,
        ADD COLUMN hash TEXT
    """,
)

LAW = (
    """
    -- squawk-ignore-file adding-not-nullable-field, constraint-missing-not-valid, disallowed-unique-constraint
    ALTER TABLE event
        ALTER COLUMN seq SET NOT NULL,
        ALTER COLUMN hash SET NOT NULL,
        ADD CONSTRAINT event_exposure_id_seq_key UNIQUE (exposure_id, seq),
        ADD CONSTRAINT event_chain_check CHECK (seq >= 1 AND (seq = 1) = (previous_hash IS NULL))
    """,
    """
    ALTER TABLE exposure
        ADD CONSTRAINT exposure_head_check CHECK ((head_seq = 0) = (head_hash IS NULL))
    """,
    "-- squawk-ignore require-concurrent-index-deletion\n DROP INDEX event_exposure_id_id_idx",
)

BACK = (
    "CREATE INDEX event_exposure_id_id_idx ON event (exposure_id, id)",
    """
    ALTER TABLE event
        DROP CONSTRAINT event_chain_check,
        DROP CONSTRAINT event_exposure_id_seq_key,
        DROP COLUMN seq,
        DROP COLUMN previous_hash,
        DROP COLUMN hash
    """,
    """
    ALTER TABLE exposure
        DROP CONSTRAINT exposure_head_check,
        DROP COLUMN head_seq,
        DROP COLUMN head_hash
    """,
)

EVENTS = text("SELECT * FROM event WHERE exposure_id = :exposure_id ORDER BY id")
CHAIN = text("UPDATE event SET seq = :seq, previous_hash = :previous_hash, hash = :hash WHERE id = :id")
HEAD = text("UPDATE exposure SET head_seq = :seq, head_hash = :hash WHERE id = :exposure_id")


def chain_what_is_there() -> None:
    """Give every event its number and hashes, as docs/evidence.md defines them."""
    connection = op.get_bind()
    for exposure_id in connection.scalars(text("SELECT DISTINCT exposure_id FROM event")).all():
        previous_hash, links = None, []
        for seq, row in enumerate(connection.execute(EVENTS, {"exposure_id": exposure_id}), 1):
            at = row.at.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
            content = {
                "exposure_id": str(exposure_id),
                "seq": seq,
                "previous_hash": previous_hash,
                "kind": row.kind,
                "revision": row.revision,
                "actor": row.actor,
                "request_id": row.request_id,
                "data": row.data,
                "at": at,
            }
            found = "sha256:" + hashlib.sha256(rfc8785.dumps(content)).hexdigest()
            links.append({"id": row.id, "seq": seq, "previous_hash": previous_hash, "hash": found})
            previous_hash = found
        connection.execute(CHAIN, links)
        connection.execute(HEAD, {"exposure_id": exposure_id, "seq": len(links), "hash": previous_hash})


def upgrade() -> None:
    for statement in COLUMNS:
        op.execute(statement)
    # Written out as SQL there is nothing to read; a table that has events then refuses the next step.
    if not op.get_context().as_sql:
        chain_what_is_there()
    for statement in LAW:
        op.execute(statement)


def downgrade() -> None:
    for statement in BACK:
        op.execute(statement)
