"""``wharfinger team quota``: how much of a cluster a team may have; without a limit to set it shows it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import click

from service.admin.commands import Lifetime
from service.domain.errors import NotFound
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.quota import NAMES, QuotaStatus
from service.settings import read_settings
from service.store import quotas
from service.workflow.quota import set_quota, team_quota

T = TypeVar("T")
NONE = "none"
PLATFORM = Principal(PrincipalKind.PERSON, "wharfinger", roles=frozenset({Role.ADMIN}))
"""Who has the database's login may see every team."""
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


class OrNone(click.ParamType[T | str]):
    """A value of another type, or the word none, which lifts a limit."""

    def __init__(self, inner: click.ParamType[T]) -> None:
        self.inner = inner
        self.name = f"{inner.name}|{NONE}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T | str:
        """Return the value, or the word."""
        return NONE if value == NONE else self.inner.convert(value, param, ctx)


AMOUNT, MANY = OrNone(click.IntRange(min=0)), "N|none"
LIFETIME = OrNone(Lifetime())


@click.command()
@click.argument("team")
@click.option("--cluster", required=True, help="In which cluster.")
@click.option("--exposures", type=AMOUNT, metavar=MANY, help="How many exposures; none: no limit.")
@click.option(
    "--node-ports", type=AMOUNT, metavar=MANY, help="How many node ports, those of load balancers too."
)
@click.option("--load-balancers", type=AMOUNT, metavar=MANY, help="How many exposures of type LoadBalancer.")
@click.option("--longest-lifetime", type=LIFETIME, metavar="30d|none", help="How long one may last.")
def quota(team: str, cluster: str, **given: int | timedelta | str | None) -> None:
    """Set what a team may have in a cluster, and print what it has.

    A limit that is not named stays as it is. What a team has already is not taken away.
    """
    from service.wiring import admin_transactions

    changes = {name: _limit(value) for name, value in given.items() if value is not None}
    with admin_transactions(read_settings())() as session:
        if changes:
            set_quota(session, team, cluster, replace(quotas.get(session, team, cluster), **changes))
        found = team_quota(session, team, cluster, PLATFORM)
    if not found:
        raise NotFound(f"Team {team} has neither a namespace nor limits in cluster {cluster!r}.")
    click.echo("\n".join(_lines(found[0])))


def _limit(value: int | timedelta | str) -> int | None:
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    return None if isinstance(value, str) else value


def _lines(found: QuotaStatus) -> list[str]:
    """Return one line a limit: its name, what is used, what is held, the limit."""
    lines = ["\tused\theld\tlimit"]
    for name, words in NAMES.items():
        usage, limit = getattr(found, name), getattr(found.limits, name)
        lines.append(f"{words}\t{usage.used}\t{usage.held}\t{NONE if limit is None else limit}")
    return [*lines, f"longest lifetime\t\t\t{_duration(found.limits.longest_lifetime)}"]


def _duration(seconds: int | None) -> str:
    """Return a length of time as the option takes it."""
    if seconds is None:
        return NONE
    unit = next(unit for unit, length in UNITS.items() if seconds % length == 0)
    return f"{seconds // UNITS[unit]}{unit}"
