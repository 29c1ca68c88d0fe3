"""POST /v1/exposures through the whole stack, beside one bare INSERT: what a request costs in INSERTs.

One process, a few threads, real PostgreSQL with fsync; no socket and no gunicorn, so the figure is the code's
own. Both are measured in turns in the same run, because a machine's speed changes; the ratio can be compared.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

from flask import Flask
from sqlalchemy import Engine, text

from devcluster.postgres import EmbeddedPostgres
from service.admin.migrate import migrate
from service.api.app import create_app
from service.api.context import Edge
from service.domain.identifiers import uuid7
from service.domain.ports import Pool
from service.domain.principal import Principal, PrincipalKind, Role
from service.policies import DEV, shipped
from service.store import identities
from service.store.database import Transactions, open_engine, transactions
from service.wiring import build_judge, now
from service.workflow.govern import install
from service.workflow.identify import hash_of

THREADS, ROUNDS, SECONDS = 4, 5, 1.0
TOKEN = "wft_bench"
CLUSTERS, PER_CLUSTER = 8, 2000
"""A cluster of the default range has 2768 node ports: the next one takes over before they are gone."""


def main() -> None:
    """Measure, and print requests and INSERTs a second with their ratio."""
    with prepared() as (engine, app):
        turns = [(rate(insert_into(engine)), rate(post_to(app))) for _ in range(ROUNDS)]
    inserts, posts = (statistics.median(column) for column in zip(*turns, strict=True))
    print(f"{THREADS} threads, medians of {ROUNDS} turns of {SECONDS:.0f} s each")
    print(f"bare INSERT          {inserts:8.0f} /s")
    print(f"POST /v1/exposures   {posts:8.0f} /s")
    print(f"one POST costs       {inserts / posts:8.1f} INSERTs")


@contextmanager
def prepared() -> Iterator[tuple[Engine, Flask]]:
    """Start PostgreSQL; yield an engine and the app at it, with a team that may ask."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres") as server:
        migrate(server.owner_url)
        owner = open_engine(server.owner_url)
        with owner.begin() as connection:
            connection.execute(
                text("CREATE TABLE bench (id BIGINT GENERATED ALWAYS AS IDENTITY, body JSONB)")
            )
            connection.execute(text("GRANT INSERT ON bench TO wharfinger_app"))
        owner.dispose()
        engine = open_engine(server.app_url, pool_size=THREADS)
        opener = transactions(engine)
        fill(opener)
        yield engine, create_app(Edge(opener, now, os.urandom, dict, build_judge()))
        engine.dispose()


def fill(opener: Transactions) -> None:
    """Write the clusters, a team with a namespace in each, and a token."""
    who = Principal(
        PrincipalKind.PERSON, "bench", teams=frozenset({"bench"}), roles=frozenset({Role.REQUESTER})
    )
    with opener() as session:
        install(session, shipped(DEV), now())
        identities.add_team(session, "bench", now())
        for cluster in map(cluster_of, range(0, CLUSTERS * PER_CLUSTER, PER_CLUSTER)):
            identities.put_cluster(session, identities.Cluster(cluster, None, Pool()), now())
            identities.add_namespace(session, cluster, "bench", "development")
            identities.give_namespace(session, "bench", cluster, "bench")
        over = now() + timedelta(hours=1)
        identities.add_token(session, uuid7(now(), os.urandom(10)), hash_of(TOKEN), who, over, now())


def insert_into(engine: Engine) -> Callable[[int], None]:
    """Return what writes one row in one transaction."""
    statement = text("INSERT INTO bench (body) VALUES (CAST(:body AS jsonb))")

    def insert(number: int) -> None:
        with engine.begin() as connection:
            connection.execute(statement, {"body": json.dumps(body(number))})

    return insert


def post_to(app: Flask) -> Callable[[int], None]:
    """Return what asks for one exposure, its node port chosen by the ledger."""
    client = app.test_client()

    def post(number: int) -> None:
        sent = {"Authorization": f"Bearer {TOKEN}"}
        answer = client.post("/v1/exposures", json=body(number), headers=sent)
        if answer.status_code != 201:
            raise RuntimeError(f"POST {number} was answered with {answer.status}: {answer.text}")

    return post


def cluster_of(number: int) -> str:
    """Return the cluster that a request is for."""
    return f"bench-{number // PER_CLUSTER % CLUSTERS}"


def body(number: int) -> dict[str, object]:
    """Return a request for one node port."""
    return {
        "metadata": {
            "cluster": cluster_of(number),
            "namespace": "bench",
            "name": f"b-{number}",
            "team": "bench",
        },
        "spec": {
            "type": "NodePort",
            "selector": {"app": "bench"},
            "ports": [{"name": "http", "port": 80}],
            "justification": "measured",
        },
    }


NUMBERS = count()


def rate(act: Callable[[int], None]) -> float:
    """Return how many acts all threads finish in a second."""
    end = time.perf_counter() + SECONDS

    def repeat(_: int) -> int:
        done = 0
        while time.perf_counter() < end:
            act(next(NUMBERS))
            done += 1
        return done

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        done = sum(pool.map(repeat, range(THREADS)))
    return done / (time.perf_counter() - began)
