"""Reservations: rules over ranges of node ports, for one team or for the platform. Pure.

A rule is no claim: a foreign Service may sit on a reserved number without ending the reservation, and who
had a number before the rule keeps it. It only says who may be given a number from now on. Where rules
overlap, a number is for those whom all of them let.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from service.domain.ports import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One rule: the numbers from ``first`` to ``last``, both inclusive. ``team`` None: for the platform."""

    cluster: str
    name: str
    first: int
    last: int
    team: str | None
    reason: str
    until: datetime | None
    created_at: datetime

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def is_over(self, now: datetime) -> bool:
        """Return whether its end has come."""
        return self.until is not None and self.until <= now


@dataclass(frozen=True, slots=True)
class Asker:
    """For which team numbers are wanted; ``platform``: the platform itself asks, so its numbers are open."""

    team: str
    platform: bool = False


def blocking(rules: Iterable[Reservation], port: int, asker: Asker, now: datetime) -> Reservation | None:
    """Return a rule that keeps a number from somebody, None: no rule does."""
    for rule in rules:
        theirs = rule.team == asker.team or (rule.team is None and asker.platform)
        if port in rule and not theirs and not rule.is_over(now):
            return rule
    return None


def choosable(pool: Pool, rules: Sequence[Reservation], team: str, now: datetime, turn: int) -> list[range]:
    """Return the numbers that may be chosen for a team, in order of preference.

    First those that are reserved for it, then the static band, then the dynamic one. Each of the three begins
    at another number for another ``turn``, so that clients who choose at once do not meet at its head.

    Args:
        pool, rules, team, now: whose numbers, and for whom.
        turn: any whole number; a random one spreads best.
    """
    holding = [rule for rule in rules if not rule.is_over(now)]
    own = [range(rule.first, rule.last + 1) for rule in holding if rule.team == team]
    others = [range(rule.first, rule.last + 1) for rule in holding if rule.team != team]
    whole = range(pool.first, pool.last + 1)
    reserved = without(_joined(numbers for rule in own if (numbers := _common(rule, whole))), others)
    bands = (without([band], [*own, *others]) for band in (pool.static_band(), pool.dynamic_band()))
    return [numbers for part in (reserved, *bands) for numbers in _turned(part, turn)]


def without(ranges: Iterable[range], taken: Iterable[range]) -> list[range]:
    """Return what is left of ranges, in their order, when others are taken out."""
    left = [numbers for numbers in ranges if numbers]
    for hole in filter(len, taken):
        left = [
            rest
            for numbers in left
            for rest in (
                range(numbers.start, min(numbers.stop, hole.start)),
                range(max(numbers.start, hole.stop), numbers.stop),
            )
            if rest
        ]
    return left


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def _joined(ranges: Iterable[range]) -> list[range]:
    """Return ascending ranges that do not overlap."""
    joined: list[range] = []
    for numbers in sorted(ranges, key=lambda each: each.start):
        if joined and numbers.start <= joined[-1].stop:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, numbers.stop))
        else:
            joined.append(numbers)
    return joined


def _turned(ranges: Sequence[range], turn: int) -> list[range]:
    """Return the same numbers, beginning further on."""
    size = sum(map(len, ranges))
    if not size:
        return []
    skip, before = turn % size, 0
    for index, numbers in enumerate(ranges):
        if skip < before + len(numbers):
            cut = numbers.start + skip - before
            head, tail = range(cut, numbers.stop), range(numbers.start, cut)
            turned = [head, *ranges[index + 1 :], *ranges[:index], tail]
            return [part for part in turned if part]
        before += len(numbers)
    raise AssertionError("the turn stays below the size")
