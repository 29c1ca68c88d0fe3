"""Reservations: rules over ranges of node ports."""

from datetime import datetime

from sqlalchemy import Boolean, delete, literal_column, or_, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.reservation import Reservation
from service.store import tables as t
from service.store.rows import reservation_of

rule = t.reservation


def put(session: Session, wanted: Reservation) -> tuple[Reservation, bool]:
    """Write a reservation, or change the one of that name; return it, and whether it is new."""
    row = {
        "cluster": wanted.cluster,
        "name": wanted.name,
        "first_port": wanted.first,
        "last_port": wanted.last,
        "team": wanted.team,
        "reason": wanted.reason,
        "until": wanted.until,
        "created_at": wanted.created_at,
    }
    statement = pg_insert(rule).values(row)
    changed = {
        name: statement.excluded[name] for name in ("first_port", "last_port", "team", "reason", "until")
    }
    is_new = literal_column("xmax = 0", Boolean).label("is_new")  # how to tell an upsert's insert
    written = session.execute(
        statement.on_conflict_do_update(constraint=rule.primary_key, set_=changed).returning(rule, is_new)
    ).one()
    return reservation_of(written), bool(written.is_new)


def remove(session: Session, cluster: str, name: str) -> bool:
    """Take a reservation out; return whether there was one."""
    statement = delete(rule).where(rule.c.cluster == cluster, rule.c.name == name).returning(rule.c.name)
    return session.scalar(statement) is not None


def get(session: Session, cluster: str, name: str) -> Reservation | None:
    """Return a reservation, None when there is none of that name."""
    row = session.execute(select(rule).where(rule.c.cluster == cluster, rule.c.name == name)).first()
    return reservation_of(row) if row else None


def page(session: Session, cluster: str, after: str, limit: int) -> list[Reservation]:
    """Return the reservations of a cluster by name, above a name, those that are over too."""
    query = select(rule).where(rule.c.cluster == cluster, rule.c.name > after).order_by(rule.c.name)
    return [reservation_of(row) for row in session.execute(query.limit(limit))]


def holding(session: Session, cluster: str, now: datetime) -> list[Reservation]:
    """Return the reservations of a cluster that hold now, by name."""
    query = (
        select(rule)
        .where(rule.c.cluster == cluster, or_(rule.c.until.is_(None), rule.c.until > now))
        .order_by(rule.c.name)
    )
    return [reservation_of(row) for row in session.execute(query)]
