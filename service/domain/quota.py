"""Quotas of a team in a cluster: limits, and what counts against them. Pure.

What is *used* is approved or live, what is *held* belongs to a request that nobody has decided yet; the sum
of both is what a limit bounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from service.domain.errors import QuotaExceeded

SHOWN = 20
"""So many exposures of a team are listed in a refusal, the largest first."""

NAMES: Mapping[str, str] = {
    "exposures": "exposures",
    "node_ports": "node ports",
    "load_balancers": "load balancers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a team may have in a cluster; None: no limit. The lifetime is in seconds."""

    exposures: int | None = None
    node_ports: int | None = None
    load_balancers: int | None = None
    longest_lifetime: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """An amount, by what it is for."""

    used: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaStatus:
    """Limits and usage of a team in a cluster."""

    team: str
    cluster: str
    limits: Limits
    exposures: Usage = Usage()
    node_ports: Usage = Usage()
    load_balancers: Usage = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One exposure that has not ended, and what it takes; ``approved``: it counts as used, else as held."""

    exposure_id: UUID
    namespace: str
    name: str
    approved: bool
    exposures: int = 1
    node_ports: int = 0
    load_balancers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a request takes more; the lifetime in seconds, None: without an end."""

    exposures: int = 1
    node_ports: int = 0
    load_balancers: int = 0
    lifetime: int | None = None


def status(team: str, cluster: str, limits: Limits, consumers: Sequence[Consumer]) -> QuotaStatus:
    """Return what a team has of its limits."""
    usages = {quota: _usage(quota, consumers) for quota in NAMES}
    return QuotaStatus(team=team, cluster=cluster, limits=limits, **usages)


def _usage(quota: str, consumers: Sequence[Consumer]) -> Usage:
    used = sum(getattr(consumer, quota) for consumer in consumers if consumer.approved)
    return Usage(used, sum(getattr(consumer, quota) for consumer in consumers) - used)


def check(current: QuotaStatus, demand: Demand, consumers: Sequence[Consumer]) -> None:
    """Refuse a request that would take a team over one of its limits.

    Raises:
        QuotaExceeded: with the limit, what is used and held, by whom, and what was asked for.
    """
    where = f"Team {current.team} in cluster {current.cluster}"
    facts = {"team": current.team, "cluster": current.cluster}
    longest = current.limits.longest_lifetime
    if longest is not None and (demand.lifetime is None or demand.lifetime > longest):
        asked = "without an end" if demand.lifetime is None else f"for {demand.lifetime} s"
        raise QuotaExceeded(
            f"{where} may expose for at most {longest} s, and this was asked for {asked}. "
            "Ask for a shorter lifetime, or ask the platform for a longer one.",
            facts | {"quota": "longest_lifetime", "limit": longest, "asked": demand.lifetime},
        )
    for quota, name in NAMES.items():
        limit, asked_for = getattr(current.limits, quota), getattr(demand, quota)
        usage: Usage = getattr(current, quota)
        if limit is None or not asked_for or usage.used + usage.held + asked_for <= limit:
            continue
        raise QuotaExceeded(
            f"{where} may have {limit} {name}: {usage.used} are used and {usage.held} held for requests, "
            f"{asked_for} more cannot be had. "
            "Delete an exposure that is not needed, or ask the platform for more.",
            {
                **facts,
                "quota": quota,
                "limit": limit,
                "used": usage.used,
                "held": usage.held,
                "asked": asked_for,
                "exposures": _shares(quota, consumers),
            },
        )


def _shares(quota: str, consumers: Sequence[Consumer]) -> list[dict[str, object]]:
    """Return who has how much of a quota, the largest first."""
    takers = [consumer for consumer in consumers if getattr(consumer, quota)]
    takers.sort(key=lambda taker: (-getattr(taker, quota), taker.namespace, taker.name))
    return [
        {
            "id": str(taker.exposure_id),
            "namespace": taker.namespace,
            "name": taker.name,
            "state": "used" if taker.approved else "held",
            "amount": getattr(taker, quota),
        }
        for taker in takers[:SHOWN]
    ]
