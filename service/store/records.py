"""Everything that belongs to an exposure, joined: one statement a table, whatever their number."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.domain.exposure import ClusterView, Exposure, ExposureRecord, Review, Revision, Sync
from service.domain.freeze import Freeze
from service.store import tables as t
from service.store.rows import claim_of, freeze_of, review_of, revision_of, sync_of, view_of


def joined(session: Session, exposures: Sequence[Exposure]) -> list[ExposureRecord]:
    """Return exposures with what belongs to them, in the same order."""
    ids = [exposure.id for exposure in exposures]
    if not ids:
        return []
    revisions: dict[UUID, list[Revision]] = defaultdict(list)
    for row in session.execute(
        select(t.revision).where(t.revision.c.exposure_id.in_(ids)).order_by(t.revision.c.number)
    ):
        revisions[row.exposure_id].append(revision_of(row))
    syncs: dict[UUID, Sync] = {
        row.exposure_id: sync_of(row)
        for row in session.execute(select(t.exposure_sync).where(t.exposure_sync.c.exposure_id.in_(ids)))
    }
    claims: dict[UUID, list[Any]] = defaultdict(list)
    for row in session.execute(
        select(t.port_claim).where(t.port_claim.c.exposure_id.in_(ids)).order_by(t.port_claim.c.port)
    ):
        claims[row.exposure_id].append(claim_of(row))
    reviews: dict[UUID, list[Review]] = defaultdict(list)
    for row in session.execute(
        select(t.review)
        .where(t.review.c.exposure_id.in_(ids))
        .order_by(t.review.c.created_at, t.review.c.voided_at.nulls_last(), t.review.c.id)
    ):
        reviews[row.exposure_id].append(review_of(row))
    clusters = {exposure.metadata.cluster for exposure in exposures}
    freezes: dict[str, list[Freeze]] = defaultdict(list)
    for row in session.execute(select(t.change_freeze).where(t.change_freeze.c.cluster.in_(clusters))):
        freezes[row.cluster].append(freeze_of(row))
    views = {
        row.cluster: view_of(row)
        for row in session.execute(select(t.cluster_view).where(t.cluster_view.c.cluster.in_(clusters)))
    }
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
