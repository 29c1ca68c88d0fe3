"""How long a failing exposure rests: doubling, capped, with jitter: no hot loop ever fills the apiserver.

A rejected create still writes the node port bitmap; one client that retried at once kept a server from
starting.
Source: k/k#130377.
"""

from datetime import timedelta

FIRST_SECONDS = 1.0
CAP_SECONDS = 300.0


def pause(attempts: int, jitter: float) -> timedelta:
    """Return how long to wait after that many attempts in a row.

    Args:
        attempts: from 1.
        jitter: from 0 (half of the full pause) to 1 (all of it).
    """
    full = min(FIRST_SECONDS * 2.0 ** min(attempts - 1, 30), CAP_SECONDS)
    return timedelta(seconds=full * (0.5 + jitter / 2))
