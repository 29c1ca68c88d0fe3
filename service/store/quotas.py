"""Quotas: limits in a row that is locked first, and what a team has, counted after the lock.

It is counted from exposures and claims each time, never kept in a counter: so it cannot drift. A number that
a foreign Service has taken counts too, while a revision asks for it: it is taken back when it is free.
"""

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.errors import Busy
from service.domain.quota import Consumer, Limits, Usage
from service.store import tables as t
from service.store.prepared import Prepared

ATTEMPTS = 4

LOCK = Prepared(
    text("""
    WITH limited AS (
        SELECT * FROM quota
        WHERE team = :team AND cluster = :cluster
            AND num_nonnulls(exposures, node_ports, load_balancers, longest_lifetime) > 0
        FOR UPDATE
    ), unlimited AS (
        SELECT * FROM quota
        WHERE team = :team AND cluster = :cluster
            AND num_nonnulls(exposures, node_ports, load_balancers, longest_lifetime) = 0
        FOR SHARE
    )
    SELECT * FROM limited UNION ALL SELECT * FROM unlimited
""")
)
"""Requests of a team with limits go one by one; without limits there is nothing to count, so they only keep
the limits from changing under them."""

CONSUMERS = text("""
    WITH mine AS MATERIALIZED (
        SELECT id, namespace, name FROM exposure
        WHERE team = :team AND cluster = :cluster AND ended_at IS NULL
    ), undone AS MATERIALIZED (
        SELECT exposure_id, decision <> 'pending' AS used, spec ->> 'type' = 'LoadBalancer' AS balances,
            allocation
        FROM revision
        WHERE exposure_id IN (SELECT id FROM mine) AND decision IN ('pending', 'approved', 'live')
    ), number AS (
        SELECT exposure_id, port, state = 'bound' AS used
        FROM port_claim WHERE exposure_id IN (SELECT id FROM mine) AND state IN ('held', 'bound')
        UNION ALL
        SELECT exposure_id, CAST(port AS integer), used
        FROM undone, jsonb_path_query(allocation, '$.**.number') AS port
    ), numbers AS (
        SELECT exposure_id, count(*) FILTER (WHERE used) AS used, count(*) FILTER (WHERE NOT used) AS held
        FROM (SELECT exposure_id, port, bool_or(used) AS used FROM number GROUP BY exposure_id, port) AS each
        GROUP BY exposure_id
    ), revisions AS (
        SELECT exposure_id, bool_or(used) AS used, bool_or(balances) AS balances,
            bool_or(balances AND used) AS balances_used
        FROM undone GROUP BY exposure_id
    )
    SELECT id, namespace, name, coalesce(revisions.used, false) AS approved,
        coalesce(balances, false) AS balances, coalesce(balances_used, false) AS balances_used,
        coalesce(numbers.used, 0) AS ports_used, coalesce(numbers.held, 0) AS ports_held
    FROM mine LEFT JOIN revisions ON revisions.exposure_id = id LEFT JOIN numbers ON numbers.exposure_id = id
""")


def lock(session: Session, team: str, cluster: str) -> Limits:
    """Lock a team's quota in a cluster until the transaction ends; return its limits.

    Raises:
        Busy: the limits are being changed all the time.
    """
    whose = {"team": team, "cluster": cluster}
    for _ in range(ATTEMPTS):
        row = LOCK.first(session, whose)
        if row is not None:
            return _limits_of(row)
        # No row yet, or its limits were changed while we waited: the next look has the new ones.
        session.execute(pg_insert(t.quota).values(whose).on_conflict_do_nothing())
    raise Busy(f"The quota of team {team} in cluster {cluster} is being changed. Try again in a second.")


def ask(session: Session, team: str, cluster: str) -> Callable[[], Limits]:
    """Lock a team's quota with the next statement; return what returns its limits, as ``lock`` does."""
    rows = LOCK.ask(session, {"team": team, "cluster": cluster})

    def limits() -> Limits:
        found = rows()
        return _limits_of(found[0]) if found else lock(session, team, cluster)

    return limits


def consumers(session: Session, team: str, cluster: str) -> list[Consumer]:
    """Return what each exposure of a team in a cluster takes; to be called after the lock."""
    return [
        Consumer(
            exposure_id=row.id,
            namespace=row.namespace,
            name=row.name,
            exposures=Usage(1, 0) if row.approved else Usage(0, 1),
            node_ports=Usage(row.ports_used, row.ports_held),
            load_balancers=Usage(int(row.balances_used), int(row.balances and not row.balances_used)),
        )
        for row in session.execute(CONSUMERS, {"team": team, "cluster": cluster})
    ]


def put(session: Session, team: str, cluster: str, limits: Limits) -> None:
    """Write the limits of a team in a cluster; waits for its requests that are under way."""
    statement = pg_insert(t.quota).values(team=team, cluster=cluster, **asdict(limits))
    session.execute(statement.on_conflict_do_update(constraint=t.quota.primary_key, set_=asdict(limits)))


def get(session: Session, team: str, cluster: str) -> Limits:
    """Return the limits of a team in a cluster; nobody has set any: none."""
    query = select(t.quota).where(t.quota.c.team == team, t.quota.c.cluster == cluster)
    row = session.execute(query).first()
    return _limits_of(row) if row else Limits()


def clusters_of(session: Session, team: str) -> list[str]:
    """Return where a team has a namespace or limits, by name."""
    given, limited = t.team_namespace.c, t.quota.c
    query = (
        select(given.cluster)
        .where(given.team == team)
        .union(select(limited.cluster).where(limited.team == team))
    )
    return sorted(session.scalars(query))


def _limits_of(row: Any) -> Limits:
    return Limits(**{field.name: getattr(row, field.name) for field in fields(Limits)})
