"""How things stand with each cluster, in numbers for those who watch: what the worker saw, and what waits."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.domain.standing import ExposureCount, Standing
from service.store.prepared import Prepared

STANDINGS = Prepared(
    text("""
    SELECT cluster.name, view.seen_at, view.problem IS NULL AND view.seen_at IS NOT NULL AS is_readable,
        coalesce(view.frozen IS NOT NULL, false) AS is_frozen,
        EXISTS (
            SELECT FROM lease WHERE lease.cluster = cluster.name AND until > clock_timestamp()
        ) AS is_kept,
        coalesce(view.orphans, 0) AS orphans, coalesce(view.strangers, 0) AS strangers,
        coalesce(view.withheld, 0) AS withheld
    FROM cluster LEFT JOIN cluster_view AS view ON view.cluster = cluster.name
    WHERE cluster.removed_at IS NULL ORDER BY cluster.name
""")
)
EXPOSURES = Prepared(
    text("""
    SELECT exposure.cluster, sync.state, coalesce(sync.reason, '') AS reason, count(*) AS exposures
    FROM exposure JOIN exposure_sync AS sync ON sync.exposure_id = exposure.id
    WHERE exposure.ended_at IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")
)


def standings(session: Session) -> list[Standing]:
    """Return every cluster, by name."""
    return [Standing(*row) for row in STANDINGS.rows(session, {})]


def exposure_counts(session: Session) -> list[ExposureCount]:
    """Return what there is, by cluster, state and reason."""
    return [ExposureCount(*row) for row in EXPOSURES.rows(session, {})]
