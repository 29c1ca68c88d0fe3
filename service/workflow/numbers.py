"""What those who watch Wharfinger count: its pools, its clusters and its exposures, all at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from service.domain.standing import ExposureCount, Standing
from service.store.standing import exposure_counts, standings
from service.workflow.port_map import PortCount, port_counts


@dataclass(frozen=True, slots=True)
class Numbers:
    """Every count."""

    ports: Sequence[PortCount]
    exposures: Sequence[ExposureCount]
    clusters: Sequence[Standing]


def count(session: Session, now: datetime) -> Numbers:
    """Return what there is now."""
    return Numbers(tuple(port_counts(session, now)), exposure_counts(session), standings(session))
