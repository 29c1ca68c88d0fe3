"""What reads and writes exposures and their revisions."""

from functools import cache

from sqlalchemy import Executable, Integer, Text, bindparam, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from service.domain.spec import Document
from service.store import events
from service.store import tables as t
from service.store.prepared import Prepared
from service.store.records import is_among

COLUMNS = (
    "id",
    "cluster",
    "namespace",
    "name",
    "team",
    "intent",
    "generation",
    "change_count",
    "created_at",
    "next_deadline_at",
    "judged_at",
    "violations",
)
UNTOUCHED: Document = {
    "state": "none",
    "create_tokens": [],
    "attempts": 0,
    "retryable": True,
    "still_serving": False,
    "ready_endpoints": 0,
    "ingress": [],
    "sync_count": 0,
}
"""What the worker knows of a new exposure: the row of ``Sync()``."""


def _add() -> Executable:
    """Return what writes an exposure, its first event and its empty sync state; nothing if its name is taken.

    The head of its chain is written with it: moving it afterwards would write the row a second time. Nothing
    either when the cluster has been removed since: whoever removes it waits for this lock, or this waits for
    him and looks again.
    """
    values = [bindparam(column, type_=t.exposure.c[column].type) for column in COLUMNS]
    head = [bindparam("event_seq", type_=Integer), bindparam("event_hash", type_=Text)]
    place = select(*values, *head).where(
        t.cluster.c.name == bindparam("cluster"), t.cluster.c.removed_at.is_(None)
    )
    made = (
        pg_insert(t.exposure)
        .from_select(
            [*COLUMNS, "head_seq", "head_hash"],
            place.with_for_update(key_share=True, read=True, of=t.cluster),
        )
        .on_conflict_do_nothing(
            index_elements=["cluster", "namespace", "name"], index_where=t.exposure.c.ended_at.is_(None)
        )
        .returning(t.exposure.c.id)
        .cte("made")
    )
    untouched = [literal(value, t.exposure_sync.c[column].type) for column, value in UNTOUCHED.items()]
    said = [bindparam(f"event_{column}", type_=t.event.c[column].type) for column in events.WRITTEN]
    told = insert(t.event).from_select(["exposure_id", *events.WRITTEN], select(made.c.id, *said)).cte("told")
    return (
        insert(t.exposure_sync)
        .from_select(["exposure_id", *UNTOUCHED], select(made.c.id, *untouched))
        .returning(t.exposure_sync.c.exposure_id)
        .add_cte(told)
    )


REVISION_COLUMNS = (
    "exposure_id",
    "number",
    "spec",
    "manifest",
    "digest",
    "allocation",
    "decision",
    "requested_by",
    "request_id",
    "created_at",
    "kind",
    "base",
    "editors",
    "delta",
    "verdict",
    "pending_until",
)
ADD = Prepared(_add())
ADD_REVISION = Prepared(insert(t.revision).values({column: bindparam(column) for column in REVISION_COLUMNS}))


_READ = select(t.exposure).where(is_among(t.exposure.c.id)).order_by(t.exposure.c.id)
READ, LOCK = Prepared(_READ), Prepared(_READ.with_for_update(key_share=True))
LOCK_AT_ONCE = Prepared(_READ.with_for_update(nowait=True, key_share=True))
"""Fails where somebody else has a lock."""

LOCK_AHEAD = Prepared(_READ.with_for_update(skip_locked=True, key_share=True))
"""Leaves out what somebody else has locked."""


@cache
def changing(columns: tuple[str, ...], is_change: bool) -> Prepared:
    """Return what sets these columns of an exposure, and counts a change by people if it is one."""
    c = t.exposure.c
    values = {column: bindparam(f"to_{column}", type_=c[column].type) for column in columns}
    counted = {"change_count": c.change_count + 1} if is_change else {}
    return Prepared(
        update(t.exposure).where(c.id == bindparam("of", type_=c.id.type)).values(values | counted)
    )


@cache
def changing_revision(columns: tuple[str, ...]) -> Prepared:
    """Return what sets these columns of a revision."""
    c = t.revision.c
    values = {column: bindparam(f"to_{column}", type_=c[column].type) for column in columns}
    its = (
        c.exposure_id == bindparam("of", type_=c.exposure_id.type),
        c.number == bindparam("of_number", type_=c.number.type),
    )
    return Prepared(update(t.revision).where(*its).values(values))
