"""Everything that belongs to exposures: a statement a table, whatever their number, in one round trip."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from service.domain.exposure import ClusterView, Exposure, ExposureRecord
from service.store import tables as t
from service.store.prepared import Prepared
from service.store.rows import claim_of, freeze_of, review_of, revision_of, sync_of, view_of

IDS = bindparam("ids", type_=ARRAY(Uuid))


def is_among(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a column is one of the parameter ``ids``."""
    return column == any_(IDS)


def _belonging(table: Table, *order: Any) -> Prepared:
    return Prepared(select(table).where(is_among(table.c.exposure_id)).order_by(*order))


def _about_clusters(table: Table) -> Prepared:
    theirs: Select[Any] = select(t.exposure.c.cluster).where(is_among(t.exposure.c.id))
    return Prepared(select(table).where(table.c.cluster.in_(theirs)))


REVISIONS = _belonging(t.revision, t.revision.c.number)
SYNCS = _belonging(t.exposure_sync)
CLAIMS = _belonging(t.port_claim, t.port_claim.c.port)
REVIEWS = _belonging(t.review, t.review.c.created_at, t.review.c.voided_at.nulls_last(), t.review.c.id)
FREEZES = _about_clusters(t.change_freeze)
VIEWS = _about_clusters(t.cluster_view)


class Belongings:
    """What belongs to some exposures: asked for now, and sent with what is asked after it."""

    def __init__(self, session: Session, ids: Collection[UUID]) -> None:
        facts = {"ids": list(ids)}
        self._revisions, self._syncs = REVISIONS.ask(session, facts), SYNCS.ask(session, facts)
        self._claims, self._reviews = CLAIMS.ask(session, facts), REVIEWS.ask(session, facts)
        self._freezes, self._views = FREEZES.ask(session, facts), VIEWS.ask(session, facts)

    def joined(self, exposures: Iterable[Exposure]) -> list[ExposureRecord]:
        """Return exposures that were among them with what belongs to each, in the same order."""
        revisions = _by("exposure_id", self._revisions(), revision_of)
        claims = _by("exposure_id", self._claims(), claim_of)
        reviews = _by("exposure_id", self._reviews(), review_of)
        freezes = _by("cluster", self._freezes(), freeze_of)
        syncs = {row.exposure_id: sync_of(row) for row in self._syncs()}
        views = {row.cluster: view_of(row) for row in self._views()}
        return [
            ExposureRecord(
                exposure=exposure,
                revisions=tuple(revisions[exposure.id]),
                sync=syncs[exposure.id],
                claims=tuple(claims[exposure.id]),
                view=views.get(exposure.metadata.cluster, ClusterView()),
                reviews=tuple(reviews[exposure.id]),
                freezes=tuple(freezes[exposure.metadata.cluster]),
            )
            for exposure in exposures
        ]


def joined(session: Session, exposures: Sequence[Exposure]) -> list[ExposureRecord]:
    """Return exposures with what belongs to them, in the same order."""
    if not exposures:
        return []
    return Belongings(session, [exposure.id for exposure in exposures]).joined(exposures)


def _by(column: str, rows: Iterable[Any], value_of: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """Return rows as values, by the value of a column."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        found[getattr(row, column)].append(value_of(row))
    return found
