"""How long a failing exposure rests: doubling, capped, with jitter: no hot loop ever fills the apiserver.

A rejected create still writes the node port bitmap; one client that retried at once kept a server from
starting.
Source: k/k#130377.
"""

from datetime import timedelta

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
