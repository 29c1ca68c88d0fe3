"""The commands of the platform on the database: thin shells around workflow functions.

What a program reads (a token, a list) goes to stdout, what a person reads beside it to stderr.
"""

import os
import re
from datetime import timedelta
from typing import Any

import click

from service.domain.principal import Principal, PrincipalKind, Role
from service.settings import read_settings
from service.workflow import administer
from service.workflow.administer import NamespaceGift

LONGEST = timedelta(days=366)
UNITS = {"d": "days", "h": "hours", "m": "minutes"}


class Lifetime(click.ParamType[timedelta]):
    """A length of time such as 90d, 12h or 30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return it."""
        match = re.fullmatch("([1-9][0-9]{0,5})([dhm])", value)
        if match is None:
            self.fail(f"{value!r} is no duration such as 90d, 12h or 30m", param, ctx)
        length = timedelta(**{UNITS[match[2]]: int(match[1])})
        if length > LONGEST:
            self.fail(f"a token is good for {LONGEST.days} days at most", param, ctx)
        return length


class NamespaceOption(click.ParamType[NamespaceGift]):
    """CLUSTER/NAMESPACE=ENVIRONMENT; without an environment it counts as production."""

    name = "cluster/namespace=environment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NamespaceGift:
        """Return it."""
        match = re.fullmatch("([^/=]+)/([^/=]+)(?:=([^/=]+))?", value)
        if match is None:
            self.fail(f"{value!r} is not written CLUSTER/NAMESPACE=ENVIRONMENT", param, ctx)
        return NamespaceGift(*match.groups())


@click.command()
@click.option(
    "--to", "target", default="head", show_default=True, help="A revision; base takes everything away."
)
def migrate(target: str) -> None:
    """Bring the schema to the newest migration, as the database's owner.

    The owner's URL stands in WHARFINGER_MIGRATION_DATABASE_URL. Run it in one job, before api and worker.
    """
    from service.admin.migrate import migrate as run
    from service.admin.shipped import install_policies

    url = read_settings().migration_database_url
    if url is None:
        raise click.UsageError("Set WHARFINGER_MIGRATION_DATABASE_URL to the URL of the database's owner.")
    run(url, target)
    click.echo(f"The schema is at {target}.", err=True)
    if target == "head" and (count := install_policies(url)):
        click.echo(f"{count} policies hold now, as they ship with this release: GET /v1/policies.", err=True)


@click.group()
def token() -> None:
    """Bearer tokens of the API."""


@token.command("create")
@click.option("--person", help="The person it is for.")
@click.option("--service-account", help="The program it is for, instead of a person.")
@click.option("--team", "teams", multiple=True, help="A team it acts for. Repeatable.")
@click.option("--group", "groups", multiple=True, help="A group it belongs to. Repeatable.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="What it may do. Repeatable.",
)
@click.option("--expires", type=Lifetime(), default="90d", show_default=True, help="How long it is good for.")
def create_token(
    person: str | None,
    service_account: str | None,
    teams: tuple[str, ...],
    groups: tuple[str, ...],
    roles: tuple[str, ...],
    expires: timedelta,
) -> None:
    """Print a new token. It is shown this once: the database keeps its hash alone."""
    from service.wiring import admin_transactions, now

    if (person is None) == (service_account is None):
        raise click.UsageError("Name either --person or --service-account.")
    kind = PrincipalKind.PERSON if person is not None else PrincipalKind.SERVICE_ACCOUNT
    who = person if person is not None else service_account
    assert who is not None
    principal = Principal(
        kind=kind,
        person=who,
        teams=frozenset(teams),
        groups=frozenset(groups),
        roles=frozenset(map(Role, roles)),
    )
    made_at = now()
    with admin_transactions(read_settings())() as session:
        text = administer.create_token(session, principal, made_at + expires, made_at, os.urandom(42))
    click.echo(text)
    click.echo(f"For {who}, until {made_at + expires:%Y-%m-%d %H:%M} UTC. It is not shown again.", err=True)


@click.group()
def team() -> None:
    """Teams and their namespaces."""


@team.command("add")
@click.argument("name")
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    type=NamespaceOption(),
    help="A namespace it may use. Repeatable.",
)
def add_team(name: str, namespaces: tuple[NamespaceGift, ...]) -> None:
    """Add a team, or give it more namespaces.

    The environment is the namespace's: a second team that names another one is refused.
    """
    from service.wiring import admin_transactions, now

    with admin_transactions(read_settings())() as session:
        administer.add_team(session, name, namespaces, now())
    listed = ", ".join(f"{gift.cluster}/{gift.namespace}" for gift in namespaces) or "no more namespaces"
    click.echo(f"Team {name}: {listed}.", err=True)


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Where the api answers."
)
@click.option("--demo", is_flag=True, help="Play the story: request, approve, reach, refuse, delete.")
@click.option("--once", is_flag=True, help="With --demo: all three types, then stop; exit 1 if a step fails.")
def dev(port: int, demo: bool, once: bool) -> None:
    """Start everything on this machine: PostgreSQL, a control plane, api, worker, two teams with a workload.

    Tokens and addresses are written to .dev/env, to be sourced by a shell. For development alone.
    """
    from service.admin.dev import run

    raise SystemExit(run(port=port, demo=demo or once, once=once))
