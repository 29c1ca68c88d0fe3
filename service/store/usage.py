"""How full a cluster's pool is. Counted from the claims each time, never from a counter: it cannot drift."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.domain.ports import PoolUsage
from service.store.prepared import Prepared

USAGE = Prepared(
    text("""
    SELECT CASE WHEN state = 'cooling' AND until <= :now THEN 'free' ELSE state END AS state,
        CASE WHEN state IN ('held', 'bound') THEN team END AS team,
        count(*) AS numbers, min(until) FILTER (WHERE state = 'cooling' AND until > :now) AS next_free_at
    FROM port_claim JOIN cluster ON cluster.name = port_claim.cluster
    WHERE cluster = :cluster AND port BETWEEN first_port AND last_port
    GROUP BY 1, 2
""")
)


def pool_usage(session: Session, cluster: str, free_for_asker: int, now: datetime) -> PoolUsage:
    """Return how full a pool is: the only statement that looks at all of it, and only a refusal needs it.

    Args:
        free_for_asker: how many numbers the one who is refused could have had.
    """
    states: dict[str, int] = {}
    teams: dict[str, int] = {}
    times: list[datetime] = []
    for row in USAGE.rows(session, {"cluster": cluster, "now": now}):
        states[row.state] = states.get(row.state, 0) + row.numbers
        if row.team is not None:
            teams[row.team] = teams.get(row.team, 0) + row.numbers
        if row.next_free_at is not None:
            times.append(row.next_free_at)
    most_first = sorted(teams.items(), key=lambda item: (-item[1], item[0]))
    reserved = max(0, states.get("free", 0) - free_for_asker)
    return PoolUsage(states, dict(most_first), reserved, min(times, default=None))
