"""What the model of the approvals knows by itself, written a second time and in another way than the product.

The people and their claims, the transition table, when seats are filled, and what a change opens.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from service.domain.exposure import ExposureRecord
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.spec import Spec
from tests.integration.api_world import PEOPLE as FIRST
from tests.integration.approval_world import MORE_PEOPLE

ASKS = {"teams": frozenset({"team-a"}), "roles": frozenset({Role.REQUESTER})}
KNOWN: Mapping[str, Principal] = {**FIRST, **MORE_PEOPLE}
PEOPLE: Mapping[str, Principal] = {
    **KNOWN,
    "EVE": replace(KNOWN["eve"], person="EVE"),
    "eve-for-ann": replace(KNOWN["eve"], acted_for="ann"),
    "liz-for-max": replace(KNOWN["liz"], acted_for="max"),
    "liz-asks": replace(KNOWN["liz"], groups=frozenset(), **ASKS),
    "boss": Principal(
        PrincipalKind.PERSON,
        "boss",
        groups=frozenset({"platform"}),
        roles=frozenset({Role.ADMIN, Role.APPROVER}),
    ),
    "portal-for-eve": Principal(PrincipalKind.SERVICE_ACCOUNT, "portal", "eve", **ASKS),
}
OWNERS = (*("ann", "ada", "max") * 3, "liz-asks", "boss", "portal-for-eve", "bot", "ben", "aud")
REVIEWERS = (
    "eve",
    "EVE",
    "liz",
    "sam",
    "dan",
    "both",
    "ada-too",
    "eve-for-ann",
    "liz-for-max",
    "bot",
    "boss",
    "pat",
    "ann",
    "aud",
)

HOUSES: Sequence[Mapping[str, Any]] = (
    {"require": [{"group": "platform", "count": 2}]},
    {"require": [{"group": "platform", "count": 1}, {"group": "security", "count": 1}]},
    {"require": [{"count": 1}]},
    {"auto": True, "lifetime": {"max": "240h", "max_total": "300h"}},
    {"require": [{"group": "security", "count": 1}], "pending_ttl": "48h"},
)
"""What the platform may ask for; the first holds at the beginning."""

MOST_TOTAL = 300 * 3600
BANS = ("false", 'object.spec.type == "NodePort"', "size(object.spec.ports) > 1")
"""What it may deny."""

TABLE = frozenset(
    tuple(pair.split())
    for pair in (
        "pending approved",
        "pending rejected",
        "pending withdrawn",
        "approved withdrawn",
        "pending expired",
        "approved expired",
        "pending superseded",
        "approved superseded",
        "pending invalidated",
        "approved invalidated",
        "approved live",
        "live retired",
        "approved retired",
    )
)
"""design.md §4, copied from there and not from the product."""

OPEN = ("pending", "approved", "live")
TOLD = {"requested": "pending", **{word: word for pair in TABLE for word in pair if word != "pending"}}
"""Events that say where a revision is from then on."""


@dataclass(frozen=True)
class Knowledge:
    """What the model knows of a revision: who wrote it, and whose approvals it needs, None: nobody's."""

    authors: frozenset[str]
    seats: tuple[tuple[str | None, int], ...] | None


@dataclass(frozen=True)
class Said:
    """A verdict that was taken, and by whom."""

    who: Principal
    verdict: str
    digest: str


def name_of(person: str) -> str:
    """Return a person as persons are compared."""
    return person.lower()


def writers(who: Principal) -> frozenset[str]:
    """Return who wrote what this principal asks for."""
    return frozenset(name_of(each) for each in (who.person, who.acted_for) if each)


def sits(who: Principal, group: str | None) -> bool:
    """Return whether somebody's claims fit a seat of a group."""
    return group is None or group in who.groups


def may_review(who: Principal, known: Knowledge) -> bool:
    """Return whether somebody may say yes or no to a revision."""
    return (
        who.kind is PrincipalKind.PERSON
        and Role.APPROVER in who.roles
        and not writers(who) & known.authors
        and any(sits(who, group) for group, _ in known.seats or ())
    )


def is_full(places: Sequence[str | None], people: Collection[Principal]) -> bool:
    """Return whether each place can have a person of its own: all ways are tried."""
    if not places:
        return True
    return any(
        is_full(places[1:], [other for other in people if name_of(other.person) != name_of(who.person)])
        for who in people
        if sits(who, places[0])
    )


def is_approved(known: Knowledge, digest: str, said: Iterable[Said]) -> bool:
    """Return whether what was said fills every seat of a revision, by people who may sit there."""
    yes = [s.who for s in said if (s.verdict, s.digest) == ("approve", digest) and may_review(s.who, known)]
    return is_full([group for group, count in known.seats or () for _ in range(count)], yes)


def opens_nothing(base: Spec, wanted: Spec) -> bool:
    """Return whether everything that is reachable by a specification was so by its base."""
    ends = [spec.lifetime or float("inf") for spec in (base, wanted)]
    return (
        set(wanted.ports) <= set(base.ports)
        and base.selector.items() <= wanted.selector.items()
        and (base.type, base.not_before) == (wanted.type, wanted.not_before)
        and ends[1] <= ends[0]
    )


def is_path(words: Sequence[str]) -> bool:
    """Return whether a revision's decisions follow one another as the table says."""
    return words[:1] == ["pending"] and all(step in TABLE for step in pairwise(words))


def number_of(record: ExposureRecord, decision: str) -> int | None:
    """Return the number of the one revision that is so decided, None when none is."""
    found = [r.number for r in record.revisions if r.decision.value == decision]
    assert len(found) <= 1, (decision, found)
    return found[0] if found else None


def is_trusted(record: ExposureRecord, number: int | None) -> bool:
    """Return whether a base was let in by its quorum, and not only by break-glass."""
    revision = next((r for r in record.revisions if r.number == number), None)
    return revision is not None and not is_unreviewed(revision.break_glass)


def is_unreviewed(glass: Mapping[str, Any] | None) -> bool:
    """Return whether the glass was broken and nobody has looked since."""
    return glass is not None and glass["reviewed_at"] is None


def is_over(glass: Mapping[str, Any], now: datetime) -> bool:
    """Return whether the time of a break-glass is over."""
    return datetime.fromisoformat(glass["until"]) <= now
