"""Durable POSTs of node port requests a second, beside pgbench sending the same and the kube-apiserver.

The whole stack: clients in processes of their own, gunicorn as in production, PostgreSQL with fsync. pgbench
sends what one such POST sends, statement by statement; the kube-apiserver makes NodePort Services by itself,
on an etcd without fsync. All on the same processors, in turns, because a machine's speed changes.
"""

import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

from bench import _cpu, _pgbench
from bench._capture import Capture, capture
from bench._goals import at_least
from bench._http import NUMBER, Load, rate
from devcluster.control_plane import ControlPlane
from devcluster.ports import free_ports
from devcluster.postgres import EmbeddedPostgres
from devcluster.processes import Child
from service.admin.migrate import migrate
from service.api.app import create_app
from service.api.context import Edge
from service.domain.identifiers import uuid7
from service.domain.ports import DEFAULT_FIRST, DEFAULT_LAST, Pool
from service.domain.principal import Principal, PrincipalKind, Role
from service.policies import DEV, shipped
from service.store import identities
from service.store.database import open_engine, transactions
from service.wiring import build_judge, now
from service.workflow.govern import install
from service.workflow.identify import hash_of

CLIENTS, ROUNDS, SECONDS, READY_SECONDS = 16, 3, 5.0, 30.0
GOAL, LEAST = 0.35, 2.0
POOL = Pool(1024, 65535)
"""Large, so that it does not run out; what choosing costs does not depend on it (make bench BENCH=ledger)."""
TOKEN = "wft_bench"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
SPEC = {"type": "NodePort", "selector": {"app": "bench"}, "ports": [{"name": "http", "port": 80}]}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"b-{NUMBER}"}, "spec": SPEC}
SERVICES = "/api/v1/namespaces/bench/services"


@dataclass(frozen=True, slots=True)
class Turn:
    """One round's figures: acts a second, and milliseconds of processor time that each POST took."""

    posts: float
    acts: float
    services: float
    api_ms: float
    database_ms: float
    database_alone_ms: float


def main() -> None:
    """Measure in turns; print the medians, their ratios, and where a POST's time goes."""
    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home) / "postgres") as server:
        migrate(server.owner_url)
        fill(server.app_url)
        sent = captured(server.app_url)
        scripts = Path(home) / "scripts"
        scripts.mkdir()
        postmaster = _cpu.postmaster(Path(home))
        with serving(server.app_url, Path(home) / "api.log") as (port, api), ControlPlane() as cluster:
            cluster.add_namespace("bench")
            numbers = count(1)

            def turn(seconds: float) -> Turn:
                before = _cpu.seconds([api]), _cpu.seconds([postmaster])
                posts = rate(post(port, next(numbers), seconds))
                used = _cpu.seconds([api]) - before[0], _cpu.seconds([postmaster]) - before[1]
                begun = _cpu.seconds([postmaster])
                found = _pgbench.run(server.app_url, scripts, [(script(sent), 1)], CLIENTS, seconds)
                alone = _cpu.seconds([postmaster]) - begun
                measured = seconds - _pgbench.WARM_UP_SECONDS
                acts = len(found.milliseconds) / measured
                services = rate(create(cluster, next(numbers), seconds))
                cluster.client("admin").request("DELETE", SERVICES)
                ms = 1000 / seconds
                return Turn(
                    posts, acts, services, used[0] * ms / posts, used[1] * ms / posts, alone * ms / acts
                )

            turn(2 * SECONDS / 5)  # plans, bytecode and connections are made
            turns = [turn(SECONDS) for _ in range(ROUNDS)]
    report(turns, sent)


def report(turns: list[Turn], sent: Capture) -> None:
    """Print the medians of all rounds."""

    def median(name: str) -> float:
        found: list[float] = [getattr(turn, name) for turn in turns]
        return statistics.median(found)

    posts, acts, services = median("posts"), median("acts"), median("services")
    of_pgbench = statistics.median(turn.posts / turn.acts for turn in turns)
    of_apiserver = statistics.median(turn.posts / turn.services for turn in turns)
    print(
        f"{CLIENTS} clients, medians of {ROUNDS} turns of {SECONDS:.0f} s each, {os.cpu_count()} processors"
    )
    print(f"POST /v1/exposures, durable        {posts:7.0f} /s")
    goal = at_least("POSTs of pgbench's acts", of_pgbench, GOAL)
    print(f"pgbench, the same statements       {acts:7.0f} /s   POST: {of_pgbench:5.2f} of it, {goal}")
    least = at_least("POSTs of a kube-apiserver's Services", of_apiserver, LEAST)
    print(f"kube-apiserver, NodePort Services  {services:7.0f} /s   POST: {of_apiserver:5.2f} x, {least}")
    print(f"A POST sends {len(sent.statements)} statements in {sent.round_trips} round trips.")
    print(
        f"Processor time of a POST: api {median('api_ms'):.2f} ms, database {median('database_ms'):.2f} ms "
        f"({median('database_alone_ms'):.2f} ms under pgbench); the rest of 1/rate is clients and waiting."
    )


def fill(url: str) -> None:
    """Write a cluster for the api and one for pgbench, a team with a namespace in each, and a token."""
    engine = open_engine(url)
    who = Principal(
        PrincipalKind.PERSON, "bench", teams=frozenset({"bench"}), roles=frozenset({Role.REQUESTER})
    )
    with transactions(engine)() as session:
        install(session, shipped(DEV), now())
        identities.add_team(session, "bench", now())
        for cluster in ("by-api", "by-pgbench"):
            identities.put_cluster(session, identities.Cluster(cluster, None, POOL), now())
            identities.add_namespace(session, cluster, "bench", "development")
            identities.give_namespace(session, "bench", cluster, "bench")
        over = now() + timedelta(hours=1)
        identities.add_token(session, uuid7(now(), os.urandom(10)), hash_of(TOKEN), who, over, now())
    engine.dispose()


def captured(url: str) -> Capture:
    """Return what one POST sends to PostgreSQL, authentication included."""
    engine = open_engine(url)
    client = create_app(Edge(transactions(engine), now, os.urandom, dict, build_judge())).test_client()
    numbers = count(1)

    def act() -> None:
        sent = request("by-pgbench").replace(NUMBER, f"captured-{next(numbers)}")
        answer = client.post("/v1/exposures", data=sent, headers=HEADERS)
        if answer.status_code != 201:
            raise SystemExit(f"POST was answered with {answer.status}: {answer.text}")

    return capture(engine, act)


def script(sent: Capture) -> str:
    """Return a POST's statements for pgbench: each time another exposure, and another place in the pool."""
    text = "\n".join(sent.statements)
    exposure = re.search(r"VALUES \(('[0-9a-f]{32}'::uuid)", text)
    name = re.search(r"'b-captured-\d+'", text)
    ends = re.findall(r"'{[\d,]+}'::int\d\[\]", text)
    if not (exposure and name and len(ends) == 2):
        raise SystemExit(
            "A POST does not write an exposure and choose from ranges as it did: look at script()."
        )
    static, dynamic = POOL.static_band(), POOL.dynamic_band()
    firsts = f"ARRAY[{static[0]} + :s, {static[0]}, {dynamic[0]} + :d, {dynamic[0]}]"
    lasts = f"ARRAY[{static[-1]}, {static[0]} - 1 + :s, {dynamic[-1]}, {dynamic[0]} - 1 + :d]"
    number = "lpad(CAST(:n AS text), 12, '0')"
    turns = f"\\set s random(1, {len(static) - 1})\n\\set d random(1, {len(dynamic) - 1})\n"
    return (
        turns
        + "\\set n random(1, 999999999999)\n"
        + sent.script(
            {
                exposure[1]: f"CAST('00000000-0000-4000-8000-' || {number} AS uuid)",
                name[0]: f"('b-' || {number})",
                ends[0]: firsts,
                ends[1]: lasts,
            }
        )
    )


@contextmanager
def serving(url: str, log: Path) -> Iterator[tuple[int, int]]:
    """Start the api as production does; yield its port and its process."""
    port = free_ports(1, apart_from=f"{DEFAULT_FIRST}-{DEFAULT_LAST}")[0]
    settings = {"WHARFINGER_DATABASE_URL": url, "WHARFINGER_BIND": f"127.0.0.1:{port}"}
    child = Child("api", [sys.executable, "-m", "service", "api"], log, {**os.environ, **settings})
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready(port):
            if child.exit_code() is not None or time.monotonic() > deadline:
                raise SystemExit(f"The api is not ready:\n{child.tail()}")
            time.sleep(0.1)
        yield port, child.pid
    finally:
        child.stop()


def is_ready(port: int) -> bool:
    """Return whether the api can answer requests."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def request(cluster: str) -> str:
    """Return the body of a request for one node port, the ledger's choice."""
    metadata = {"cluster": cluster, "namespace": "bench", "name": f"b-{NUMBER}", "team": "bench"}
    return json.dumps({"metadata": metadata, "spec": SPEC | {"justification": "measured"}})


def post(port: int, turn: int, seconds: float) -> Load:
    """Return the load of requests."""
    first = turn * CLIENTS * 1_000_000
    return Load(
        "127.0.0.1", port, "POST", "/v1/exposures", HEADERS, request("by-api"), CLIENTS, seconds, first
    )


def create(cluster: ControlPlane, turn: int, seconds: float) -> Load:
    """Return the load of Services."""
    first, body = turn * CLIENTS * 1_000_000, json.dumps(SERVICE)
    key = str(cluster.kubeconfig("admin"))
    headers = {"Content-Type": "application/json"}
    return Load("127.0.0.1", cluster.port, "POST", SERVICES, headers, body, CLIENTS, seconds, first, key)
