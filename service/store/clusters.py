"""A cluster that is taken out of the ledger, and what an operator says to its worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, select, text, update
from sqlalchemy.orm import Session

from service.domain.history import Ending
from service.store import tables as t
from service.store.port_history import FREE, ending

EMPTY = {"team": None, "namespace": None, "name": None, "exposure_id": None, "reason": None}
IN_USE = text("""
    SELECT exposure.id AS exposure_id, claim.port, claim.state AS claim, exposure.team,
        exposure.namespace, exposure.name
    FROM exposure LEFT JOIN port_claim AS claim
        ON claim.exposure_id = exposure.id AND claim.state IN ('held', 'bound')
    WHERE exposure.cluster = :cluster AND exposure.ended_at IS NULL
    ORDER BY claim.port NULLS LAST, exposure.namespace, exposure.name
""")


@dataclass(frozen=True, slots=True)
class Use:
    """What an exposure that has not ended has of a cluster: one of its node ports, None: it has none."""

    exposure_id: UUID
    port: int | None
    claim: str | None
    team: str
    namespace: str
    name: str


def lock(session: Session, name: str) -> bool:
    """Let nobody ask for anything in a cluster until the transaction ends; return whether it is there.

    Waits for the requests that are under way: from then on the next look sees what they made.
    """
    cluster = t.cluster.c
    row = select(cluster.name).where(cluster.name == name, cluster.removed_at.is_(None)).with_for_update()
    return session.execute(row).first() is not None


def keep(session: Session, name: str) -> bool:
    """Let nobody take a cluster out until the transaction ends; return whether it is there.

    Waits for whoever takes it out just now, and looks again.
    """
    cluster = t.cluster.c
    row = select(cluster.name).where(cluster.name == name, cluster.removed_at.is_(None))
    return session.execute(row.with_for_update(key_share=True, read=True)).first() is not None


def uses(session: Session, name: str) -> Sequence[Use]:
    """Return what is in use in a cluster, by port; what has none comes last."""
    return [Use(**row._mapping) for row in session.execute(IN_USE, {"cluster": name})]


def remove(session: Session, name: str, now: datetime) -> None:
    """Take a cluster out: its numbers leave the ledger, with a line in the past of those that somebody has.

    Its row stays, for what has ended there names it.
    """
    claim = t.port_claim.c
    values = {**EMPTY, "state": FREE, "until": None, "since": None, "cools_until": None, "changed_at": now}
    taken = and_(claim.cluster == name, claim.state != FREE)
    session.execute(ending(taken, Ending.ABANDONED, now, values))
    session.execute(delete(t.port_claim).where(claim.cluster == name))
    _set(session, name, removed_at=now, brake_released_at=None, accept_ledger=False)


def release_brake(session: Session, name: str, now: datetime) -> bool:
    """Let removals that stopped go on; return whether there is such a cluster."""
    return _set(session, name, brake_released_at=now)


def accept_ledger(session: Session, name: str) -> bool:
    """Let the worker write in a cluster although it saw another ledger; return whether it is there."""
    return _set(session, name, accept_ledger=True)


def _set(session: Session, name: str, **values: object) -> bool:
    cluster = t.cluster
    statement = update(cluster).where(cluster.c.name == name, cluster.c.removed_at.is_(None)).values(values)
    return session.execute(statement.returning(cluster.c.name)).first() is not None
