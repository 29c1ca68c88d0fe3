"""How many clusters each worker is to keep: shares that differ by one at most. Pure.

Every worker decides for itself, from the same rows. Who keeps most already gets the larger share, so that as
little as possible changes hands; among equals the token decides, so that all come to the same end. While two
of them have seen different rows the database arbitrates, and the next look puts it right.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Balance:
    """What one worker is to do: take these clusters, as far as nobody else has, and hand those back."""

    take: tuple[str, ...] = ()
    hand_back: tuple[str, ...] = ()


def balance(
    me: str, workers: Collection[str], clusters: Collection[str], holders: Mapping[str, str]
) -> Balance:
    """Return what brings a worker to its share.

    Args:
        workers: those that are alive, by their tokens; the one that asks counts as alive.
        clusters: all there are.
        holders: cluster → who holds it; what nobody holds is not in it.
    """
    held = Counter(holders.values())
    order = sorted({*workers, me}, key=lambda worker: (-held[worker], worker))
    least, left = divmod(len(clusters), len(order))
    lacking = {worker: least + (place < left) - held[worker] for place, worker in enumerate(order)}
    if lacking[me] < 0:
        mine = sorted(cluster for cluster, holder in holders.items() if holder == me)
        return Balance(hand_back=tuple(mine[lacking[me] :]))
    # Who stands before takes before: so two that see the same rows never reach for the same cluster.
    before = sum(max(0, lacking[worker]) for worker in order[: order.index(me)])
    free = sorted(set(clusters) - holders.keys())
    return Balance(take=tuple(free[before : before + lacking[me]]))
