"""How long a failing exposure rests: doubling, capped, with jitter: no hot loop ever fills the apiserver.

A rejected create still writes the node port bitmap; one client that retried at once kept a server from
starting.
Source: k/k#130377.
"""

from datetime import datetime, timedelta

from service.domain.drift import MOST_HEALS, QUIET, Heals
from service.domain.exposure import Sync
from service.domain.plan import FIGHT
from service.domain.spec import Document

FIRST_SECONDS = 1.0
CAP_SECONDS = 300.0


def pause(
    attempts: int, jitter: float, first_seconds: float = FIRST_SECONDS, cap_seconds: float = CAP_SECONDS
) -> timedelta:
    """Return how long to wait after that many attempts in a row.

    Args:
        attempts: from 1.
        jitter: from 0 (half of the full pause) to 1 (all of it).
        first_seconds, cap_seconds: the full pause after one attempt, and after any number.
    """
    full = min(first_seconds * 2.0 ** min(attempts - 1, 30), cap_seconds)
    return timedelta(seconds=full * (0.5 + jitter / 2))


def healed(known: Sync, aim: str, blame: str, now: datetime, jitter: float) -> Document:
    """Return what is written down of one more heal; in a fight also why, and when it is put right again.

    Args:
        aim: what the rest is about.
        blame: who undoes it, in words.
    """
    heals = Heals(known.heals, known.heals_since, known.healed_at).and_one(now, known.reason == FIGHT)
    counted = {"heals": heals.count, "heals_since": heals.since, "healed_at": heals.last}
    if not heals.is_fight():
        return counted
    again = now + pause(heals.count - MOST_HEALS, jitter)
    message = (
        f"Put right {heals.count} times since {heals.since:%Y-%m-%dT%H:%M:%SZ}, and undone each time by "
        f"{blame}. It is put right again from {again:%Y-%m-%dT%H:%M:%SZ} on, ever more rarely. Find out what "
        "writes this Service and end that, or change the exposure. It is over when "
        f"{QUIET.total_seconds():.0f} s pass without it."
    )
    return {**counted, "aim": aim, "next_attempt_at": again, "reason": FIGHT, "message": message}


NO_HEALS: Document = {"heals": 0, "heals_since": None, "healed_at": None}
