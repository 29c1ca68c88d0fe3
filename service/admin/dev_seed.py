"""What ``wharfinger dev`` puts into the ledger: a cluster, two teams, a token for each kind of caller."""

import os
import shlex
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from service.admin.dev_cluster import NAMESPACES
from service.domain.ports import Pool
from service.domain.principal import Principal, PrincipalKind, Role
from service.policies import DEV, shipped
from service.store.database import open_engine, transactions
from service.store.identities import Cluster
from service.wiring import now
from service.workflow.administer import NamespaceGift, add_team, create_token, put_cluster
from service.workflow.govern import install

CLUSTER = "dev"
TOKEN_LIFETIME = timedelta(days=7)

PEOPLE: Mapping[str, tuple[str, str | None, str | None, tuple[Role, ...]]] = {
    "REQUESTER": ("ada", "team-a", None, (Role.REQUESTER,)),
    "OTHER_REQUESTER": ("ben", "team-b", None, (Role.REQUESTER,)),
    "APPROVER": ("grace", None, "platform", (Role.APPROVER,)),
    "SECOND_APPROVER": ("linus", None, "platform", (Role.APPROVER,)),
    "ADMIN": ("olga", None, "platform", (Role.ADMIN,)),
}
"""Name in .dev/env: person, team, group, roles."""


def seed(url: str) -> dict[str, str]:
    """Write cluster, teams and tokens; what is there stays. Return the tokens by their names in .dev/env."""
    engine = open_engine(url)
    made_at = now()
    with transactions(engine)() as session:
        install(session, shipped(DEV), made_at)
        put_cluster(session, Cluster(CLUSTER, None, Pool()), made_at)
        for team in NAMESPACES:
            add_team(session, team, [NamespaceGift(CLUSTER, team, "development")], made_at)
        tokens = {
            name: create_token(session, _principal(name), made_at + TOKEN_LIFETIME, made_at, os.urandom(42))
            for name in PEOPLE
        }
    engine.dispose()
    return tokens


def _principal(name: str) -> Principal:
    person, team, group, roles = PEOPLE[name]
    return Principal(
        kind=PrincipalKind.PERSON,
        person=person,
        teams=frozenset({team} if team else ()),
        groups=frozenset({group} if group else ()),
        roles=frozenset(roles),
    )


def write_env(path: Path, values: Mapping[str, str]) -> None:
    """Write a file that a shell can source; it holds tokens."""
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
    write_secret(path, "".join(lines))


def write_secret(path: Path, text: str) -> None:
    """Write a file that is its owner's alone, from its first moment on."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
