"""Who this database is, and how far it has come: what the mark in each cluster is compared with."""

from collections.abc import Callable, Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from service.domain.ledger_mark import Known, LedgerMark
from service.store import tables as t
from service.store.prepared import Prepared
from service.store.records import is_among


class Newest(NamedTuple):
    """Id and hash of the newest event of some exposures; 0 and nothing when they have none."""

    event_id: int = 0
    event_hash: str = ""


NEWEST = Prepared(
    select(t.event.c.id, t.event.c.hash)
    .join_from(
        t.exposure,
        t.event,
        (t.event.c.exposure_id == t.exposure.c.id) & (t.event.c.seq == t.exposure.c.head_seq),
    )
    .where(is_among(t.exposure.c.id))
    .order_by(t.event.c.id.desc())
    .limit(1)
)


KNOWN = Prepared(
    text("""
    SELECT id AS ledger, (SELECT coalesce(max(id), 0) FROM event) AS newest_event,
        (SELECT hash FROM event WHERE id = CAST(:marked AS bigint)) AS hash_of_marked
    FROM ledger
""")
)


def known(session: Session, mark: LedgerMark | None) -> Known:
    """Return what this ledger knows of itself, and of the event that a mark names."""
    row = KNOWN.first(session, {"marked": 0 if mark is None else mark.event_id})
    return Known(row.ledger, row.newest_event, row.hash_of_marked)


def ask_newest(session: Session, exposures: Collection[UUID]) -> Callable[[], Newest]:
    """Ask for the newest event of some exposures; return what returns it."""
    asked = NEWEST.ask(session, {"ids": list(exposures)})
    return lambda: next((Newest(row.id, row.hash) for row in asked()), Newest())


def take_acceptance(session: Session, cluster: str) -> bool:
    """Return whether an operator has accepted this ledger for a cluster; it counts once."""
    c = t.cluster
    accepted = update(c).where(c.c.name == cluster, c.c.accept_ledger).values(accept_ledger=False)
    return session.execute(accepted.returning(c.c.name)).first() is not None


def record_frozen(session: Session, cluster: str, why: str | None) -> None:
    """Write why nothing may be written into a cluster, or that it may; readers see a difference."""
    view = t.cluster_view
    session.execute(
        update(view)
        .where(view.c.cluster == cluster, view.c.frozen.is_distinct_from(why))
        .values(frozen=why, change_count=view.c.change_count + 1)
    )
