"""How fast a whole pool of node ports is filled, by the worker and by a bare loop, and at what cost."""

import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

from bench import _cpu
from bench._goals import at_least
from bench._harbour import NAMESPACE, Harbour, Seen, bare_service, opened
from devcluster.control_plane import ControlPlane
from service.cluster.real import KubernetesGateway
from service.reconciler.breaker import CALLS

POOL_SIZE = 2768


class Filling(NamedTuple):
    """How a pool was filled: Services a second, and the processor time that each one took, in ms."""

    rate: float
    costs: Mapping[str, float]

    def table(self) -> str:
        """Return the costs, dearest first."""
        dearest = sorted(self.costs.items(), key=lambda cost: -cost[1])
        return ", ".join(f"{name} {milliseconds:.2f} ms" for name, milliseconds in dearest)


def bare_pool() -> Filling:
    """Fill a whole pool by a bare loop; the watch that sees it shares its process, as it does with us."""
    with ControlPlane() as cluster, closing(opened(cluster)) as gateway:
        cluster.add_namespace(NAMESPACE)
        seen = Seen(cluster.client("admin"))
        spent = Spent("loop and watch", servers(cluster))
        with ThreadPoolExecutor(CALLS) as threads:
            list(threads.map(lambda n: gateway.create(bare_service(f"loop-{n}")), range(POOL_SIZE)))
        return Filling(rate(wait_for(POOL_SIZE, seen)), spent.each(POOL_SIZE))


def servers(cluster: ControlPlane) -> dict[str, int]:
    """Return the processes of a control plane that answer."""
    return {name: cluster.pids[name] for name in ("kube-apiserver", "etcd")}


class Spent:
    """The processor time that this process and some others take from now on."""

    def __init__(self, this: str, others: Mapping[str, int]) -> None:
        self._this, self._others = this, others
        self._before = self._now()

    def each(self, count: int) -> dict[str, float]:
        """Return what each of so many Services took of each, in ms."""
        now = self._now()
        return {name: (now[name] - before) * 1000 / count for name, before in self._before.items()}

    def _now(self) -> dict[str, float]:
        others = {name: _cpu.seconds([pid]) for name, pid in self._others.items()}
        return others | {self._this: time.process_time()}


def pool(here: Harbour, _: KubernetesGateway) -> Filling:
    """Let the worker make every node port of a pool at once."""
    seen = Seen(here.admin)
    for number in range(POOL_SIZE):
        here.approve(here.request(f"p-{number}"))
    with here.worker() as worker:
        made = wait_for(10, seen).count()
        ours = {"worker": worker.pid, "postgres": _cpu.postmaster(here.home)}
        spent = Spent("watch", servers(here.cluster) | ours)
        return Filling(rate(wait_for(POOL_SIZE, seen)), spent.each(POOL_SIZE - made))


def compare_pools(ours: Sequence[Filling], bare: Sequence[Filling]) -> None:
    """Print how fast each pool is filled, beside the bare loops of as many calls before and after it."""
    ratios = [
        filling.rate / statistics.mean((before.rate, after.rate))
        for filling, before, after in zip(ours, bare, bare[1:], strict=False)
    ]
    print(
        f"a full pool of {POOL_SIZE}, a bare loop of {CALLS} threads before and after: "
        f"{in_turn(ratios, '.2f')}; median {statistics.median(ratios):.2f}, "
        f"{at_least('a full pool', statistics.median(ratios), 0.7)}"
    )
    for name, fillings in (("the worker", ours), ("a bare loop", bare)):
        print(f"  {name}: {in_turn([filling.rate for filling in fillings], '.0f')} Services a second")
        print(f"    processor time for one, at its median: {middle(fillings).table()}")


def in_turn(figures: Sequence[float], form: str) -> str:
    """Return figures in the order in which they were measured."""
    return ", ".join(format(figure, form) for figure in figures)


def middle(fillings: Sequence[Filling]) -> Filling:
    """Return the one whose rate is the median."""
    return sorted(fillings, key=lambda filling: filling.rate)[len(fillings) // 2]


def wait_for(count: int, seen: Seen) -> Seen:
    """Return when so many Services are there."""
    deadline = time.monotonic() + 300
    while seen.count() < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"Only {seen.count()} of {count} Services were made.")
        time.sleep(0.05)  # how often: when each one came is what the watch noted
    return seen


def rate(seen: Seen) -> float:
    """Return how many Services a second were seen to come."""
    times = seen.times()
    return (len(times) - 1) / (times[-1] - times[0])
