"""What the choice of node ports depends on, in one statement: each request for a number asks for it."""

from datetime import datetime

from sqlalchemy import bindparam, literal_column, or_, select, true
from sqlalchemy.orm import Session

from service.domain.allocation import Before
from service.domain.claim import ClaimState
from service.domain.exposure import Allocation, Metadata
from service.domain.reservation import Reservation
from service.domain.spec import Spec
from service.store import tables as t
from service.store.prepared import Prepared
from service.store.rows import reservation_of

IDENTITY = ("cluster", "namespace", "name", "team")

_claim, _rule = t.port_claim, t.reservation
_before = (
    select(t.revision.c.spec, t.revision.c.allocation)
    .join_from(_claim, t.revision, t.revision.c.exposure_id == _claim.c.exposure_id)
    .where(
        *(_claim.c[column] == bindparam(f"its_{column}") for column in IDENTITY),
        # A parameter would not let the kept plan use the index over cooling rows: it was planned each time.
        _claim.c.state == literal_column(f"'{ClaimState.COOLING}'"),
    )
    .order_by(t.revision.c.created_at.desc(), t.revision.c.number.desc())
    .limit(1)
    .subquery("earlier")
)
_holds = (_rule.c.cluster == bindparam("its_cluster")) & or_(
    _rule.c.until.is_(None), _rule.c.until > bindparam("now")
)
KNOWN = Prepared(
    select(_rule, _before)
    .select_from(select(true()).subquery("always").outerjoin(_before, true()).outerjoin(_rule, _holds))
    .order_by(_rule.c.name)
)
"""A row for each reservation, one at least; what was before stands in each."""


def known(session: Session, metadata: Metadata, now: datetime) -> tuple[list[Reservation], Before | None]:
    """Return what holds and what was before.

    Returns:
        The reservations of the cluster that hold now, by name, and the last revision of who had this identity
        before, while a port of it is cooling.
    """
    identity = {f"its_{column}": getattr(metadata, column) for column in IDENTITY}
    rows = KNOWN.rows(session, identity | {"now": now})
    spec, allocation = rows[0].spec, rows[0].allocation
    before = None if spec is None else Before(Spec.from_document(spec), Allocation.from_document(allocation))
    return [reservation_of(row) for row in rows if row.name is not None], before
