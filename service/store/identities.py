"""Tokens, teams, namespaces and clusters: who may ask, and for where."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from service.domain.cluster import Mode, OnDrift
from service.domain.exposure import ClusterView
from service.domain.ports import Pool
from service.domain.principal import Principal, PrincipalKind, Role
from service.store import pool
from service.store import tables as t
from service.store.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as configured; ``context`` is one of the worker's kubeconfig, None: its current one.

    ``in_cluster``: with the credentials of the worker's own Pod instead. ``owner_id``: which installation's
    marks are ours. ``removal_share``: above which share of our Services, more than 0 and 1 at most, removals
    that nobody decided stop and ask; ``brake_released_at``: when a person last let them go on.
    ``accept_ledger``: the worker may write there although it saw another ledger before.
    """

    name: str
    context: str | None
    pool: Pool
    in_cluster: bool = False
    mode: Mode = Mode.SYNC
    drift: OnDrift = OnDrift.HEAL
    owner_id: str = "wharfinger"
    labels: Mapping[str, str] = field(default_factory=dict)
    removal_share: float = 0.2
    brake_released_at: datetime | None = None
    accept_ledger: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a team wants something: what there is of it, and whether the namespace is the team's.

    ``shared``: other teams have the namespace too. ``epoch`` is the policies' at that time.
    """

    cluster: Cluster | None
    team_is_known: bool
    is_given: bool
    environment: str | None = None
    shared: bool = False
    epoch: int = 0
    view: ClusterView = field(default_factory=ClusterView)


TOKEN = Prepared(
    select(t.token.c.kind, t.token.c.person, t.token.c.teams, t.token.c.groups, t.token.c.roles).where(
        t.token.c.sha256 == bindparam("sha256"), t.token.c.expires_at > bindparam("now")
    )
)
PLACE = Prepared(
    text("""
    SELECT cluster.*,
        EXISTS (SELECT FROM team WHERE name = :team) AS team_is_known,
        EXISTS (
            SELECT FROM team_namespace
            WHERE team = :team AND team_namespace.cluster = :cluster AND namespace = :namespace
        ) AS is_given,
        (
            SELECT environment FROM namespace WHERE namespace.cluster = :cluster AND name = :namespace
        ) AS environment,
        (
            SELECT count(*) > 1 FROM team_namespace
            WHERE team_namespace.cluster = :cluster AND namespace = :namespace
        ) AS shared,
        (SELECT coalesce(max(activation), 0) FROM policy) AS epoch,
        view.node_addresses, view.seen_at, view.problem, view.change_count
    FROM (VALUES (1)) AS always
        LEFT JOIN cluster ON cluster.name = :cluster AND cluster.removed_at IS NULL
        LEFT JOIN cluster_view AS view ON view.cluster = cluster.name
""")
)
"""One row, whatever there is: each request asks for all of it, so it is one statement."""


SEEN_WITHIN = timedelta(days=90)
APPROVERS = text("""
    SELECT wanted.name, array_agg(DISTINCT token.person ORDER BY token.person) AS people
    FROM unnest(CAST(:groups AS text[])) AS wanted (name) JOIN token ON wanted.name = ANY (token.groups)
    WHERE token.kind = 'person' AND 'approver' = ANY (token.roles) AND token.expires_at > :since
    GROUP BY wanted.name
""")
KNOWN_GROUPS = text("""
    SELECT wanted.name FROM unnest(CAST(:groups AS text[])) AS wanted (name)
    WHERE EXISTS (SELECT FROM token WHERE wanted.name = ANY (token.groups))
""")


def add_token(
    session: Session, token_id: UUID, sha256: str, principal: Principal, expires_at: datetime, now: datetime
) -> None:
    """Write a token by its hash; the token itself is nowhere."""
    session.execute(
        insert(t.token).values(
            id=token_id,
            sha256=sha256,
            kind=principal.kind.value,
            person=principal.person,
            teams=sorted(principal.teams),
            groups=sorted(principal.groups),
            roles=sorted(role.value for role in principal.roles),
            created_at=now,
            expires_at=expires_at,
        )
    )


def principal_of(session: Session, sha256: str, now: datetime) -> Principal | None:
    """Return whose token has this hash, None when it is unknown or over."""
    row = TOKEN.first(session, {"sha256": sha256, "now": now}, is_alone=True)
    if row is None:
        return None
    return Principal(
        kind=PrincipalKind(row.kind),
        person=row.person,
        teams=frozenset(row.teams),
        groups=frozenset(row.groups),
        roles=frozenset(Role(role) for role in row.roles),
    )


def approvers(session: Session, groups: frozenset[str], now: datetime) -> dict[str, list[str]]:
    """Return who could review for each of these groups: approvers with a token of the last 90 days."""
    if not groups:
        return {}
    facts = {"groups": sorted(groups), "since": now - SEEN_WITHIN}
    return {row.name: row.people for row in session.execute(APPROVERS, facts)}


def unknown_groups(session: Session, groups: frozenset[str]) -> frozenset[str]:
    """Return those groups that no token ever had."""
    if not groups:
        return groups
    return groups - frozenset(session.scalars(KNOWN_GROUPS, {"groups": sorted(groups)}))


def unknown_teams(session: Session, teams: frozenset[str]) -> frozenset[str]:
    """Return those of ``teams`` that nobody has added."""
    known = session.scalars(select(t.team.c.name).where(t.team.c.name.in_(teams)))
    return teams - frozenset(known)


def add_team(session: Session, team: str, now: datetime) -> None:
    """Write a team unless it is there."""
    session.execute(pg_insert(t.team).values(name=team, created_at=now).on_conflict_do_nothing())


def add_namespace(session: Session, cluster: str, namespace: str, environment: str | None) -> str | None:
    """Write a namespace unless it is there; return the environment that it has now.

    An unset environment is set by the first team that names one: a set one stays.
    """
    row = {"cluster": cluster, "name": namespace, "environment": environment}
    statement = pg_insert(t.namespace).values(row)
    kept: str | None = session.scalar(
        statement.on_conflict_do_update(
            constraint=t.namespace.primary_key,
            set_={"environment": func.coalesce(t.namespace.c.environment, statement.excluded.environment)},
        ).returning(t.namespace.c.environment)
    )
    return kept


def give_namespace(session: Session, team: str, cluster: str, namespace: str) -> None:
    """Let a team expose workloads of a namespace."""
    row = {"team": team, "cluster": cluster, "namespace": namespace}
    session.execute(pg_insert(t.team_namespace).values(row).on_conflict_do_nothing())


def place(session: Session, team: str, cluster: str, namespace: str) -> Place:
    """Return what there is of a place, and what the worker last saw of its cluster."""
    row = PLACE.first(session, {"team": team, "cluster": cluster, "namespace": namespace})
    found = None
    if row.name is not None:
        found = cluster_of(row)
    view = ClusterView()
    if row.change_count is not None:
        view = ClusterView(tuple(row.node_addresses), row.seen_at, row.problem, row.change_count)
    return Place(found, row.team_is_known, row.is_given, row.environment, row.shared, row.epoch, view)


def put_cluster(
    session: Session, cluster: Cluster, now: datetime, named: Collection[str] | None = None
) -> Cluster:
    """Write a cluster, or change the one that has its name; one that was removed is there again.

    Each number of its range has a row in the ledger from now on; what somebody has outside of it stays.

    Args:
        named: which columns to change when it is there; None: all.

    Returns:
        The cluster as it is now.
    """
    row = {
        "name": cluster.name,
        "context": cluster.context,
        "first_port": cluster.pool.first,
        "last_port": cluster.pool.last,
        "in_cluster": cluster.in_cluster,
        "mode": cluster.mode.value,
        "drift": cluster.drift.value,
        "owner_id": cluster.owner_id,
        "labels": dict(cluster.labels),
        "removal_share": cluster.removal_share,
        "created_at": now,
    }
    statement = pg_insert(t.cluster).values(row)
    changed: dict[str, Any] = {
        name: statement.excluded[name]
        for name in row
        if name not in ("name", "created_at") and (named is None or name in named)
    }
    there = session.execute(
        statement.on_conflict_do_update(
            constraint=t.cluster.primary_key, set_=changed | {"removed_at": None}
        ).returning(t.cluster)
    ).one()
    found = cluster_of(there)
    pool.fit(session, found.name, found.pool, now)
    return found


def cluster(session: Session, name: str) -> Cluster | None:
    """Return a cluster, None when there is none of that name."""
    return next((found for found in clusters(session) if found.name == name), None)


def clusters(session: Session) -> list[Cluster]:
    """Return every cluster by name, but those that were removed."""
    query = select(t.cluster).where(t.cluster.c.removed_at.is_(None)).order_by(t.cluster.c.name)
    return [cluster_of(row) for row in session.execute(query)]


def cluster_of(row: Row[Any]) -> Cluster:
    """Return the value of a row of ``cluster``."""
    return Cluster(
        row.name,
        row.context,
        Pool(row.first_port, row.last_port),
        in_cluster=row.in_cluster,
        mode=Mode(row.mode),
        drift=OnDrift(row.drift),
        owner_id=row.owner_id,
        labels=row.labels,
        removal_share=row.removal_share,
        brake_released_at=row.brake_released_at,
        accept_ledger=row.accept_ledger,
    )
