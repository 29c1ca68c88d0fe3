"""Change freezes."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Boolean, delete, literal_column, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.freeze import Freeze
from service.domain.spec import Document
from service.store import tables as t
from service.store.rows import freeze_of

freeze = t.change_freeze


def put(session: Session, wanted: Freeze, by: Document, now: datetime) -> bool:
    """Write a freeze, or change the one of that name; return whether it is new."""
    statement = pg_insert(freeze).values(**asdict(wanted), created_by=by, created_at=now)
    changed = {name: statement.excluded[name] for name in ("begins_at", "ends_at", "reason", "created_by")}
    is_new = literal_column("xmax = 0", Boolean)  # how to tell an upsert's insert
    upsert = statement.on_conflict_do_update(constraint=freeze.primary_key, set_=changed)
    return bool(session.execute(upsert.returning(is_new)).scalar_one())


def remove(session: Session, cluster: str, name: str) -> bool:
    """Take a freeze out; return whether there was one."""
    statement = delete(freeze).where(freeze.c.cluster == cluster, freeze.c.name == name)
    return session.scalar(statement.returning(freeze.c.name)) is not None


def of_cluster(session: Session, cluster: str) -> list[Freeze]:
    """Return the freezes of a cluster, the first to begin first."""
    query = select(freeze).where(freeze.c.cluster == cluster).order_by(freeze.c.begins_at, freeze.c.name)
    return [freeze_of(row) for row in session.execute(query)]
