"""Quotas of a team in a cluster: limits, and what counts against them. Pure.

What is *used* is approved or live, what is *held* belongs to a request that nobody has decided yet; the sum
of both is what a limit bounds. A change has its new node ports beside the live ones until it is live: both
count.
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

    def total(self) -> int:
        """Return what counts against a limit."""
        return self.used + self.held


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
    """One exposure that has not ended, and what it takes."""

    exposure_id: UUID
    namespace: str
    name: str
    exposures: Usage = Usage()
    node_ports: Usage = Usage()
    load_balancers: Usage = Usage()


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
    each: list[Usage] = [getattr(consumer, quota) for consumer in consumers]
    return Usage(sum(usage.used for usage in each), sum(usage.held for usage in each))


def growth(before: Consumer, after: Consumer, lifetime: int | None) -> Demand:
    """Return what an exposure takes more than before."""

    def more(now: Usage, then: Usage) -> int:
        return max(0, now.total() - then.total())

    return Demand(
        exposures=0,
        node_ports=more(after.node_ports, before.node_ports),
        load_balancers=more(after.load_balancers, before.load_balancers),
        lifetime=lifetime,
    )


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
        if limit is None or not asked_for or usage.total() + asked_for <= limit:
            continue
        beside = (
            "" if demand.exposures else "A change has what it needs beside what is live, until it is live. "
        )
        raise QuotaExceeded(
            f"{where} may have {limit} {name}: {usage.used} are used and {usage.held} held for requests, "
            f"{asked_for} more cannot be had. {beside}"
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
    """Return who has how much of a quota, the largest first; what is used apart from what is held."""
    shares = [
        (amount, state, consumer)
        for consumer in consumers
        for state in ("used", "held")
        if (amount := getattr(getattr(consumer, quota), state))
    ]
    shares.sort(key=lambda share: (-share[0], share[2].namespace, share[2].name, share[1]))
    return [
        {
            "id": str(consumer.exposure_id),
            "namespace": consumer.namespace,
            "name": consumer.name,
            "state": state,
            "amount": amount,
        }
        for amount, state, consumer in shares[:SHOWN]
    ]
