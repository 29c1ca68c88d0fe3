"""The past of node ports: a row when a tenure ends, written by the statement that ends it. Rows only come.

So no tenure ends without its row, and no row tells of one that did not end.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Null, ScalarSelect, case, func, insert, literal, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from service.domain.claim import ClaimState
from service.domain.history import Ending, Tenure
from service.domain.spec import Document
from service.store import tables as t
from service.store.rows import tenure_of

FREE = "free"
OWNED = ("team", "namespace", "name", "exposure_id", "reason")

COLUMNS = (
    "cluster",
    "port",
    "state",
    *OWNED,
    "began_at",
    "ended_at",
    "ending",
    "thief_namespace",
    "thief_name",
    "cooling_until",
)


def given_back(now: datetime) -> Document:
    """Return the columns of a hold that ends: what the row was when it still cooled, else a free number's.

    Who had it before the hold is read where it was written down when it began to cool, under the same time.
    """
    claim = t.port_claim.c
    cools = claim.cools_until > now

    def before(name: str, told: str | None = None) -> ColumnElement[Any]:
        return case((cools, func.coalesce(_former(told or name), claim[name])), else_=None)

    return {
        "state": case((cools, ClaimState.COOLING.value), else_=FREE),
        **{name: before(name) for name in OWNED},
        "until": case((cools, claim.cools_until), else_=None),
        "since": before("since", "began_at"),
        "changed_at": case((cools, func.coalesce(_former("ended_at"), now)), else_=now),
        "cools_until": None,
    }


def _former(name: str) -> ScalarSelect[Any]:
    """Return what the past says of the tenure after which a held number cooled; NULL: nothing."""
    claim, history = t.port_claim, t.port_history
    return (
        select(history.c[name])
        .where(
            history.c.cluster == claim.c.cluster,
            history.c.port == claim.c.port,
            history.c.cooling_until == claim.c.cools_until,
        )
        .order_by(history.c.id.desc())
        .limit(1)
        .correlate(claim)
        .scalar_subquery()
    )


def ending(
    condition: Any,
    how: Ending,
    now: datetime,
    values: Mapping[str, Any],
    thief: tuple[str, str] | None = None,
    cooling_until: datetime | None = None,
) -> ReturningUpdate[Any]:
    """Return the statement that ends the tenures of some claims and gives their rows these values.

    The rows are locked ascending, as everybody does who waits for several: none waits crosswise.

    Args:
        condition: which rows of ``port_claim``.
        thief: namespace and name of the foreign Service that took them.
        cooling_until: how long they cool from now on.

    Returns:
        The numbers.
    """
    claim = t.port_claim
    ended = select(claim).where(condition).order_by(claim.c.port).with_for_update().cte("ended")
    return (
        update(claim)
        .where(claim.c.cluster == ended.c.cluster, claim.c.port == ended.c.port)
        .values(**values)
        .add_cte(_kept(ended, how, now, thief, cooling_until))
        .returning(claim.c.port)
    )


def _kept(
    ended: CTE, how: Ending, now: datetime, thief: tuple[str, str] | None, cooling_until: datetime | None
) -> CTE:
    c = ended.c
    began_at = case((c.state == "cooling", c.changed_at), else_=func.coalesce(c.since, c.changed_at))
    thief_columns = [literal(part) for part in thief] if thief else [Null(), Null()]
    told = select(
        c.cluster,
        c.port,
        c.state,
        *(c[name] for name in OWNED),
        began_at,
        literal(now),
        literal(how.value),
        *thief_columns,
        literal(cooling_until) if cooling_until else Null(),
    )
    return insert(t.port_history).from_select(list(COLUMNS), told).cte("kept")


def of_port(session: Session, cluster: str, port: int, limit: int, before: int | None = None) -> list[Tenure]:
    """Return who had a number, newest first; ``before``: only tenures with a smaller id."""
    history = t.port_history
    query = (
        select(history)
        .where(history.c.cluster == cluster, history.c.port == port)
        .order_by(history.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(history.c.id < before)
    return [tenure_of(row) for row in session.execute(query)]
