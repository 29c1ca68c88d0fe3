"""Who keeps which cluster: shares that differ by one at most, whatever comes and goes, and then peace."""

from collections import Counter
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from service.domain.share import Balance, balance


def names(count: int, letter: str = "c") -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


def test_a_worker_alone_takes_everything() -> None:
    assert balance("a", ["a"], names(3), {}) == Balance(take=("c0", "c1", "c2"))


def test_without_clusters_there_is_nothing_to_do() -> None:
    assert balance("a", ["a", "b"], [], {}) == Balance()


def test_a_worker_that_is_not_in_the_list_yet_counts_itself() -> None:
    assert balance("b", ["a"], names(2), {"c0": "a"}) == Balance(take=("c1",))


def test_who_has_more_than_the_share_hands_back_what_is_too_much() -> None:
    holders = dict.fromkeys(names(7), "a")
    assert balance("a", ["a", "b", "c"], names(7), holders) == Balance(hand_back=("c3", "c4", "c5", "c6"))
    assert balance("b", ["a", "b", "c"], names(7), holders) == Balance()


def test_who_has_the_larger_share_already_keeps_it() -> None:
    holders = {"c0": "b", "c1": "b", "c2": "a"}
    assert balance("a", ["a", "b"], names(3), holders) == Balance()
    assert balance("b", ["a", "b"], names(3), holders) == Balance()


def test_the_larger_share_goes_on_when_somebody_has_less_than_the_least() -> None:
    holders = {"c0": "a", "c1": "a", "c2": "a", "c3": "b", "c4": "b", "c5": "b", "c6": "c"}
    assert balance("a", ["a", "b", "c"], names(7), holders) == Balance()
    assert balance("b", ["a", "b", "c"], names(7), holders) == Balance(hand_back=("c5",))
    assert balance("c", ["a", "b", "c"], names(7), holders) == Balance()


def test_two_that_see_the_same_never_reach_for_the_same() -> None:
    taken = [balance(me, ["a", "b", "c"], names(7), {}).take for me in "abc"]
    assert taken == [("c0", "c1", "c2"), ("c3", "c4"), ("c5", "c6")]


def test_what_somebody_dead_still_holds_is_neither_free_nor_anybodys_share() -> None:
    holders = {"c0": "dead", "c1": "dead", "c2": "a"}
    assert balance("a", ["a"], names(3), holders) == Balance()


class Harbour:
    """Workers that look one after another, each at rows that may be older than what they change."""

    def __init__(self, clusters: int) -> None:
        self.clusters = names(clusters)
        self.workers: list[str] = []
        self.holders: dict[str, str] = {}

    def act(self, me: str, seen: Mapping[str, str], workers: list[str]) -> bool:
        """Do what follows from what was seen; the rows decide as the database does."""
        wanted = balance(me, workers, self.clusters, seen)
        for cluster in wanted.hand_back:
            if self.holders.get(cluster) == me:
                del self.holders[cluster]
        for cluster in wanted.take:
            self.holders.setdefault(cluster, me)
        return wanted != Balance()

    def round(self, at_once: bool) -> bool:
        """Let each look once, all at the same rows or each at those of now; return whether anybody acted."""
        seen = dict(self.holders) if at_once else self.holders
        acted = [self.act(me, dict(seen), self.workers) for me in self.workers]
        return any(acted)

    def goes(self, worker: str) -> None:
        self.workers.remove(worker)
        self.holders = {cluster: holder for cluster, holder in self.holders.items() if holder != worker}


COMINGS_AND_GOINGS = st.lists(
    st.tuples(st.sampled_from("abcdefg"), st.integers(0, 2)), min_size=1, max_size=12
)


@given(st.integers(0, 12), COMINGS_AND_GOINGS, st.booleans())
def test_whoever_comes_and_goes_shares_differ_by_one_after_two_rounds_and_stay(
    clusters: int, steps: list[tuple[str, int]], at_once: bool
) -> None:
    harbour = Harbour(clusters)
    for worker, rounds in steps:
        if worker in harbour.workers:
            harbour.goes(worker)
        else:
            harbour.workers.append(worker)
        for _ in range(rounds):
            harbour.round(at_once)
    harbour.round(at_once)
    harbour.round(at_once)
    assert not harbour.round(at_once)
    if harbour.workers:
        held = Counter(harbour.holders.values())
        shares = [held[worker] for worker in harbour.workers]
        assert sum(shares) == clusters
        assert max(shares) - min(shares) <= 1
