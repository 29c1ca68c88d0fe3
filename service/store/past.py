"""Past requests, for who wants to know how other rules would have judged them."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.domain.exposure import ExposureRecord, Revision
from service.store import exposures
from service.store import tables as t


def requests(session: Session, most: int) -> list[tuple[ExposureRecord, Revision]]:
    """Return the newest revisions with their exposures, the newest first."""
    revision = t.revision.c
    query = select(revision.exposure_id, revision.number).order_by(revision.created_at.desc()).limit(most)
    wanted = session.execute(query).all()
    records = exposures.of_ids(session, [row.exposure_id for row in wanted])
    return [
        (
            records[row.exposure_id],
            next(r for r in records[row.exposure_id].revisions if r.number == row.number),
        )
        for row in wanted
    ]
