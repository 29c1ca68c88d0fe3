"""What the platform sets up: clusters, teams with their namespaces, tokens."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from service.domain.errors import EnvironmentTaken, Fault, Invalid
from service.domain.identifiers import NAME, NAME_IN_WORDS, uuid7
from service.domain.principal import Principal
from service.store import identities
from service.store.identities import Cluster
from service.workflow.identify import TOKEN_PREFIX, hash_of

OWNER_ID = re.compile("[a-z0-9-]{1,63}")
LABEL = re.compile("[A-Za-z0-9._/-]{1,63}")
TEXT = "1-253 printable characters, no space first or last"


@dataclass(frozen=True, slots=True)
class NamespaceGift:
    """A namespace that a team may use, and its environment; None: unset, which counts as production."""

    cluster: str
    namespace: str
    environment: str | None


def put_cluster(
    session: Session, cluster: Cluster, now: datetime, named: Collection[str] | None = None
) -> Cluster:
    """Add a cluster, or change the one of that name; one that was removed comes back as it was.

    Args:
        named: which columns to change when there is one of that name; None: all.

    Returns:
        The cluster as it is now.

    Raises:
        Invalid: its name is none, or its context, owner id, removal share or a label cannot be one.
    """
    _check([("cluster", cluster.name)])
    faults = []
    if cluster.context is not None and not _is_text(cluster.context):
        fault = f"{cluster.context!r} is no context: {TEXT}. Leave it out for the current one."
        faults.append(Fault("#/context", fault))
    if cluster.context is not None and cluster.in_cluster:
        faults.append(Fault("#/context", "It is reached by a context or in-cluster, not by both."))
    if not OWNER_ID.fullmatch(cluster.owner_id):
        faults.append(Fault("#/owner_id", f"{cluster.owner_id!r} is no owner id: 1-63 of a-z, 0-9, '-'."))
    if not 0 < cluster.removal_share <= 1:  # not a number is no share either
        fault = f"{cluster.removal_share:g} is no share: more than 0, 1 at most. With 1 nothing stops."
        faults.append(Fault("#/removal_share", fault))
    for key, value in cluster.labels.items():
        if not LABEL.fullmatch(key) or not (value == "" or LABEL.fullmatch(value)):
            fault = f"{key!r}={value!r} is no label: 1-63 of letters, digits, '.', '_', '/' and '-'."
            faults.append(Fault("#/labels", fault))
    if faults:
        raise Invalid(faults)
    return identities.put_cluster(session, cluster, now, named)


def add_team(session: Session, team: str, gifts: Sequence[NamespaceGift], now: datetime) -> None:
    """Add a team, or give one that is there more namespaces.

    Raises:
        Invalid: a name is none, or a cluster is unknown.
        EnvironmentTaken: a namespace has another environment already.
    """
    named = [("team", team), *(("namespace", gift.namespace) for gift in gifts)]
    named += [("environment", gift.environment) for gift in gifts if gift.environment is not None]
    _check(named)
    known = {cluster.name for cluster in identities.clusters(session)}
    unknown = sorted({gift.cluster for gift in gifts} - known)
    if unknown:
        have = ", ".join(sorted(known)) or "none yet: wharfinger cluster add"
        raise Invalid([Fault("#/cluster", f"There is no cluster {name!r} ({have}).") for name in unknown])
    identities.add_team(session, team, now)
    for gift in gifts:
        environment = identities.add_namespace(session, gift.cluster, gift.namespace, gift.environment)
        if environment is not None and gift.environment is not None and environment != gift.environment:
            raise EnvironmentTaken(f"{gift.cluster}/{gift.namespace}", environment, gift.environment)
        identities.give_namespace(session, team, gift.cluster, gift.namespace)


def create_token(
    session: Session, principal: Principal, expires_at: datetime, now: datetime, entropy: bytes
) -> str:
    """Return a new token; only its hash is kept, so nobody can show it again.

    Args:
        entropy: 42 random bytes: 10 for the row's id, 32 for the token.

    Raises:
        Invalid: a name is none, a team is unknown, or there is no role.
    """
    faults = []
    if not _is_text(principal.person):
        faults.append(Fault("#/person", f"{principal.person!r} names nobody: {TEXT}."))
    for group in sorted(group for group in principal.groups if not _is_text(group)):
        faults.append(Fault("#/group", f"{group!r} names no group: {TEXT}."))
    if not principal.roles:
        faults.append(Fault("#/role", "A token without a role could do nothing."))
    named = frozenset(team for team in principal.teams if NAME.fullmatch(team))
    for team in sorted((principal.teams - named) | identities.unknown_teams(session, named)):
        faults.append(Fault("#/team", f"There is no team {team!r}. Add it first: wharfinger team add {team}"))
    if faults:
        raise Invalid(faults)
    token = TOKEN_PREFIX + entropy[10:42].hex()
    token_id = uuid7(now, entropy[:10])
    identities.add_token(session, token_id, hash_of(token), principal, expires_at, now)
    return token


def _is_text(text: str) -> bool:
    return 1 <= len(text) <= 253 and text.isprintable() and text == text.strip()


def _check(named: Sequence[tuple[str, str]]) -> None:
    faults = [
        Fault(f"#/{what}", f"{name!r} is no {what} name: {NAME_IN_WORDS}.")
        for what, name in named
        if not NAME.fullmatch(name)
    ]
    if faults:
        raise Invalid(faults)
