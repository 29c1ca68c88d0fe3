"""Why it is where it is, for who may see it, with the people who could let it go on."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.explanation import explain, groups_of
from service.domain.exposure import ExposureRecord
from service.domain.principal import Principal
from service.domain.spec import Document
from service.store import identities
from service.workflow.read import exposure


def explanation(session: Session, exposure_id: UUID, principal: Principal, now: datetime) -> Document:
    """Return every gate of what ``spec`` shows.

    Raises:
        NotFound: no such exposure for this caller.
    """
    return explained(session, exposure(session, exposure_id, principal), now)


def explained(session: Session, record: ExposureRecord, now: datetime) -> Document:
    """Return every gate of a record, with the people who were seen in the groups that are missing."""
    return explain(record, identities.approvers(session, groups_of(record.shown()), now), now)
