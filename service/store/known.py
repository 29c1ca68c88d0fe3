"""What the choice of node ports depends on, in one statement: each request for a number asks for it."""

from datetime import datetime

from sqlalchemy import bindparam, func, literal_column, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import Session

from service.domain.allocation import Before
from service.domain.claim import ClaimState
from service.domain.exposure import Allocation, Decision, Metadata
from service.domain.reservation import Reservation
from service.domain.spec import Spec
from service.store import tables as t
from service.store.prepared import Prepared
from service.store.rows import reservation_of

IDENTITY = ("cluster", "namespace", "name", "team")

_claim, _rule, _revision = t.port_claim, t.reservation, t.revision
_numbers = func.jsonb_path_query_array(_revision.c.allocation, literal_column("'$.**.number'"), type_=JSONB)
_was_live = _revision.c.decision.in_(
    [literal_column(f"'{decision}'") for decision in (Decision.LIVE, Decision.RETIRED)]
)
_had = (
    select(_revision.c.spec, _revision.c.allocation, _revision.c.created_at, _revision.c.number)
    .where(_revision.c.exposure_id == _claim.c.exposure_id, _numbers.contains(func.to_jsonb(_claim.c.port)))
    .order_by(_was_live.desc(), _revision.c.number.desc())
    .limit(1)
    .lateral("had")
)
"""What had a cooling number: the newest revision with it that was live, else one that was on its way.

One that was refused may have wanted the number for another port. Each cooling number looks at the few
revisions of its own exposure, by their primary key.
"""

_earlier = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(_claim.c.port, _had.c.spec, _had.c.allocation),
                _had.c.created_at.desc(),
                _had.c.number.desc(),
                _claim.c.port,
            )
        ).label("earlier")
    )
    .select_from(_claim.join(_had, true()))
    .where(
        *(_claim.c[column] == bindparam(f"its_{column}") for column in IDENTITY),
        # A parameter would not let the kept plan use the index over cooling rows: it was planned each time.
        _claim.c.state == literal_column(f"'{ClaimState.COOLING}'"),
    )
    .subquery("earlier")
)
_holds = (_rule.c.cluster == bindparam("its_cluster")) & or_(
    _rule.c.until.is_(None), _rule.c.until > bindparam("now")
)
KNOWN = Prepared(
    select(_rule, _earlier.c.earlier).select_from(_earlier.outerjoin(_rule, _holds)).order_by(_rule.c.name)
)
"""A row for each reservation, one at least; what still cools stands in each."""


def known(session: Session, metadata: Metadata, now: datetime) -> tuple[list[Reservation], list[Before]]:
    """Return what holds and what was before.

    Returns:
        The reservations of the cluster that hold now, by name; and for each number that cools for this
        identity what had it, the newest first, with no other number.
    """
    identity = {f"its_{column}": getattr(metadata, column) for column in IDENTITY}
    rows = KNOWN.rows(session, identity | {"now": now})
    befores = [
        Before(Spec.from_document(spec), Allocation.from_document(allocation)).only(port)
        for port, spec, allocation in rows[0].earlier or ()
    ]
    return [reservation_of(row) for row in rows if row.name is not None], befores
