"""The worker beside bare calls: approved to visible, drift to healed, a full pool, a sweep over ten thousand.

Each figure is a ratio to what the same thing costs without Wharfinger, in the same run and in turns, for a
machine's speed changes. The worker is a process as in production, PostgreSQL syncs, the kube-apiserver is
real (its etcd does not sync). Who sees a Service is a watch of our own.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text

from bench._goals import at_most
from bench._harbour import (
    NAMESPACE,
    SELECTOR,
    SERVICES,
    Document,
    Harbour,
    Seen,
    bare_service,
    harbour,
    opened,
)
from bench._pool import bare_pool, compare_pools, pool
from devcluster.control_plane import ControlPlane
from service.cluster.gateway import Kind
from service.cluster.real import KubernetesGateway
from service.domain.manifest import EXPOSURE_ID
from service.domain.ports import Pool
from service.reconciler.breaker import CALLS
from service.reconciler.cache import KEPT
from service.reconciler.crew import THREADS, Crew
from service.reconciler.cycle import Cycle
from service.reconciler.edge import Edge
from service.reconciler.leases import Lease
from service.store import identities
from service.wiring import build_judge, now

T = TypeVar("T")
ROUNDS = 120
POOLS = 3
MANY = 10_000


def main() -> None:
    """Measure, and print each figure with its goal."""
    in_a_harbour(singles)
    bare, ours = [bare_pool()], []
    for _ in range(POOLS):
        ours.append(in_a_harbour(pool))
        bare.append(bare_pool())
    compare_pools(ours, bare)
    in_a_harbour(many)


def in_a_harbour(measure: Callable[[Harbour, KubernetesGateway], T]) -> T:
    """Measure something with a control plane and a database of its own."""
    with (
        tempfile.TemporaryDirectory() as home,
        ControlPlane() as cluster,
        closing(opened(cluster)) as gateway,
        harbour(Path(home), cluster) as here,
    ):
        return measure(here, gateway)


def singles(here: Harbour, _: KubernetesGateway) -> None:
    """One Service at a time: made after its approval, put right after a hand's edit."""
    seen = Seen(here.admin)
    made, healed, bare_made, bare_put = [], [], [], []
    with here.worker():
        warm_up(here, seen)
        for number in range(ROUNDS):
            name = f"s-{number}"
            exposure = here.request(name)
            here.approve(exposure)
            begun = time.perf_counter()
            made.append(seen.wait(name, is_there) - begun)
            begun = time.perf_counter()
            here.admin.request("POST", SERVICES, bare_service(f"bare-{number}"))
            bare_made.append(seen.wait(f"bare-{number}", is_there) - begun)
        for number in range(ROUNDS):
            edited = put(here, edit(here, f"s-{number}", "by-hand"))
            begun = time.perf_counter()
            healed.append(seen.wait(f"s-{number}", partial(is_healed, edited)) - begun)
            changed = edit(here, f"bare-{number}", "edited")
            begun = time.perf_counter()
            put(here, changed)
            bare_put.append(seen.wait(f"bare-{number}", is_edited) - begun)
    compare("approved to visible, a bare create", made, bare_made, 3, 10)
    compare("drift to healed, a bare PUT", healed, bare_put, 4, 20)


def warm_up(here: Harbour, seen: Seen) -> None:
    """Let every path be taken once."""
    for number in range(10):
        here.approve(here.request(f"warm-{number}"))
        seen.wait(f"warm-{number}", is_there)
        edited = put(here, edit(here, f"warm-{number}", "by-hand"))
        seen.wait(f"warm-{number}", partial(is_healed, edited))


def edit(here: Harbour, name: str, app: str) -> Document:
    """Return a Service as it is, with another selector."""
    service = here.admin.request("GET", f"{SERVICES}/{name}")
    service["spec"]["selector"] = {"app": app}
    return service


def put(here: Harbour, service: Document) -> int:
    """Write a Service by hand; return the version that it has then."""
    stored = here.admin.request("PUT", f"{SERVICES}/{service['metadata']['name']}", service)
    return int(stored["metadata"]["resourceVersion"])


def is_healed(edited: int, service: Document) -> bool:
    """Return whether a Service is seen as it was approved, after its edit."""
    is_later = int(service["metadata"]["resourceVersion"]) > edited
    return bool(is_later and service["spec"]["selector"] == SELECTOR)


def is_there(_: Document) -> bool:
    """Return that it is."""
    return True


def is_edited(service: Document) -> bool:
    """Return whether a bare Service is seen as it was edited."""
    found: bool = service["spec"]["selector"] == {"app": "edited"}
    return found


def compare(what: str, ours: Sequence[float], bare: Sequence[float], most50: float, most99: float) -> None:
    """Print the medians and the 99th percentiles of both."""
    for percent, most in ((50, most50), (99, most99)):
        mine, theirs = (percentile(times, percent) * 1000 for times in (ours, bare))
        goal = at_most(f"{what}, p{percent}", mine / theirs, most)
        print(f"{what:36} p{percent} {mine:7.1f} ms {theirs:7.1f} ms {mine / theirs:6.2f} x, {goal}")


def percentile(times: Sequence[float], percent: int) -> float:
    """Return a percentile of some times."""
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


def many(here: Harbour, gateway: KubernetesGateway) -> None:
    """Ten thousand exposures in sync: what a sweep costs beside a list, and what the worker weighs."""
    seen = Seen(here.admin)
    template = here.request("template", type="ClusterIP")
    with here.worker():
        here.approve(template)
        seen.wait("template", is_there)
        time.sleep(1)
    fill(here, gateway)
    before = versions(gateway)
    with here.worker() as worker:
        here.wait_for_look()
        time.sleep(10)
        weight = memory(worker.pid)
    raws, sweeps = zip(*(swept(here, gateway) for _ in range(3)), strict=True)
    raw, sweep = statistics.median(raws), statistics.median(sweeps)
    written = sum(version != before[name] for name, version in versions(gateway).items())
    print(
        f"a sweep over {MANY} in sync {sweep:.2f} s, a raw list of their Services {raw:.2f} s: "
        f"{sweep / raw:.2f} x, {at_most('a sweep', sweep / raw, 3)}; "
        f"Services written: {written}, {at_most('Services written', written, 0)}"
    )
    print(f"the worker with {MANY}: {weight:.0f} MB, {at_most('the worker', weight, 350)}")


def fill(here: Harbour, gateway: KubernetesGateway) -> None:
    """Make so many of the template, in the database and in the cluster."""
    with here.owner() as connection:
        for statement in COPIES:
            connection.execute(text(statement), {"many": MANY})
        made = text("SELECT name, id::text FROM exposure WHERE name LIKE 'm-%'")
        ids: dict[str, str] = {row.name: row.id for row in connection.execute(made)}
    template = here.admin.request("GET", f"{SERVICES}/template")
    spec = {field: template["spec"][field] for field in ("type", "selector", "ports")}

    def make(name: str) -> tuple[str, str]:
        metadata = template["metadata"]
        annotations = metadata["annotations"] | {EXPOSURE_ID: ids[name]}
        marked = {"labels": metadata["labels"], "annotations": annotations}
        service = {"metadata": {"namespace": NAMESPACE, "name": name, **marked}, "spec": spec}
        return ids[name], gateway.create(service)["metadata"]["uid"]

    with ThreadPoolExecutor(CALLS) as threads:
        known, uids = zip(*threads.map(make, ids), strict=True)
    with here.owner() as connection:
        connection.execute(text(KNOWN), {"ids": list(known), "uids": list(uids)})


COPIES = (
    """INSERT INTO exposure SELECT (jsonb_populate_record(e, jsonb_build_object(
         'id', gen_random_uuid(), 'name', 'm-' || number))).*
       FROM exposure AS e, generate_series(1, :many) AS number WHERE e.name = 'template'""",
    """INSERT INTO exposure_sync SELECT (jsonb_populate_record(s, jsonb_build_object('exposure_id', e.id))).*
       FROM exposure_sync AS s, exposure AS e WHERE e.name LIKE 'm-%'""",
    """INSERT INTO revision SELECT (jsonb_populate_record(r, jsonb_build_object('exposure_id', e.id,
         'manifest', jsonb_set(r.manifest, '{metadata,name}', to_jsonb(e.name))))).*
       FROM revision AS r, exposure AS e WHERE e.name LIKE 'm-%'""",
)
KNOWN = """UPDATE exposure_sync AS s SET uid = made.uid
    FROM unnest(CAST(:ids AS uuid[]), CAST(:uids AS text[])) AS made (id, uid)
    WHERE s.exposure_id = made.id"""


def versions(gateway: KubernetesGateway) -> dict[str, str]:
    """Return each Service's version: a write would change it."""
    listed = gateway.list(Kind.SERVICES).items
    return {s["metadata"]["name"]: s["metadata"]["resourceVersion"] for s in listed}


def swept(here: Harbour, gateway: KubernetesGateway) -> tuple[float, float]:
    """Return how long a raw list of the Services takes, and a sweep of a worker that has just listed."""
    begun = time.perf_counter()
    gateway.list(Kind.SERVICES)
    raw = time.perf_counter() - begun
    with ThreadPoolExecutor(THREADS) as threads:
        lease = Lease("dev", "bench", time.monotonic)
        lease.renewed(time.monotonic() + 3600)
        edge = Edge(here.transaction, now, time.monotonic, os.urandom, timedelta(hours=24), build_judge())
        cluster = identities.Cluster("dev", None, Pool.parse(here.cluster.node_port_range))
        cycle = Cycle(cluster, lease, gateway, edge, Crew(threads, lambda: None))
        for kind in Kind:
            cycle.cache.relisted(kind, gateway.list(kind, KEPT.get(kind)))
        begun = time.perf_counter()
        handed_out = cycle.run()
        took = time.perf_counter() - begun
    if handed_out:
        raise SystemExit(f"A sweep over what is in sync found something to do for {handed_out} exposures.")
    return raw, took


def memory(pid: int) -> float:
    """Return how much memory the largest of a process and its children has, in MB, at its peak."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    peaks = [_peak(pid), *map(memory, map(int, children))]
    return max(peaks)


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()
