"""The rows of a pool's numbers: made when a cluster is added or its range grows, else taken out."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.domain.ports import Pool

GROW = text("""
    INSERT INTO port_claim (cluster, port, state, changed_at)
    SELECT :cluster, port, 'free', :now
    FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS number (port)
    ON CONFLICT ON CONSTRAINT port_claim_pkey DO NOTHING
""")
SHRINK = text("""
    WITH outside AS (
        SELECT port FROM port_claim
        WHERE cluster = :cluster AND state = 'free' AND port NOT BETWEEN :first AND :last
        ORDER BY port FOR UPDATE
    )
    DELETE FROM port_claim AS claim USING outside
    WHERE claim.cluster = :cluster AND claim.port = outside.port
""")


def fit(session: Session, cluster: str, pool: Pool, now: datetime) -> None:
    """Give each number of a pool a row. What somebody has outside of it stays as it is."""
    facts = {"cluster": cluster, "first": pool.first, "last": pool.last}
    session.execute(SHRINK, facts)
    session.execute(GROW, facts | {"now": now})
