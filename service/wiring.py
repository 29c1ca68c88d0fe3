"""Builds everything once, from settings: the only module that knows all rooms.

The real gateway is imported where it is built: the api never loads ``kubernetes`` (about 3 s and 130 MB).
"""

import gc
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from service.admin.schema_state import schema_state
from service.settings import Settings
from service.store.database import Listener, Session, Transactions, open_engine, transactions
from service.store.identities import Cluster
from service.telemetry import configure_logs
from service.workflow.judge import Judge
from service.workflow.signing import Signer

if TYPE_CHECKING:
    from flask import Flask  # neither a command nor the worker loads it

    from service.cluster.gateway import Gateway


YOUNG_OBJECTS = 20_000
"""So many objects more than before make the collector look at the youngest; Python's own number is 700."""


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def engine_of(settings: Settings, pool_size: int = 2) -> Engine:
    """Return the engine of the restricted login.

    Raises:
        SystemExit: no database is named.
    """
    if settings.database_url is None:
        raise SystemExit(
            "No database is named. Set WHARFINGER_DATABASE_URL=postgresql://USER:PASSWORD@HOST:PORT/DATABASE "
            "(for a try on this machine: wharfinger dev)."
        )
    return open_engine(settings.database_url, pool_size)


def build_judge() -> Judge:
    """Return who asks the policies, in CEL."""
    from service.expressions.evaluator import CelEvaluator

    return Judge(CelEvaluator())


def build_api(settings: Settings) -> "Flask":
    """Return the app, which has not connected to anything yet.

    Raises:
        SystemExit: no database is named.
        Unavailable: the key that evidence is to be signed with is none.
    """
    from service.api.app import create_app
    from service.api.context import Edge

    configure_logs(settings.log_format, "api")
    engine = engine_of(settings, pool_size=settings.threads + 1)

    def ready() -> Mapping[str, str | None]:
        return {"database": schema_state(engine)}

    edge = Edge(transactions(engine), now, os.urandom, ready, build_judge(), signer_of(settings))
    app = create_app(edge)
    _calm_collector()
    return app


def _calm_collector() -> None:
    """Look for garbage less often, and never in what is built by now: that stays.

    It cost a tenth of each request, and a twelfth of what the worker takes for a Service.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def signer_of(settings: Settings) -> Signer | None:
    """Return what signs evidence, None: no key is set.

    Raises:
        Unavailable: the key that is set is none.
    """
    return None if settings.signing_key is None else Signer.of_pem(settings.signing_key)


def run_worker(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; return the exit code."""
    from service.cluster.credentials import Credentials
    from service.deadlines import loop
    from service.reconciler.edge import Edge
    from service.reconciler.leases import Leases
    from service.reconciler.loop import Worker

    configure_logs(settings.log_format, "worker")
    engine = engine_of(settings, pool_size=16)
    if problem := schema_state(engine):
        raise SystemExit(f"The worker cannot start: {problem}")
    judge = build_judge()
    edge = Edge(
        transactions(engine),
        now,
        time.monotonic,
        os.urandom,
        timedelta(hours=settings.cooling_hours),
        judge,
        settings.namespace,
    )
    clock = loop.Clock(loop.Edge(edge.transaction, now, judge), settings.poll_seconds)
    listener = Listener(engine)
    renewing = engine_of(settings, pool_size=1)  # a connection of its own: a renewal waits for no keeper
    leases = Leases(transactions(renewing), time.monotonic, os.urandom(16).hex())
    worker = Worker(edge, Credentials(settings.kubeconfig), leases, listener, settings.poll_seconds)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: worker.stop())
    clock.start()
    _calm_collector()
    try:
        worker.run()
    finally:
        clock.stop()
    listener.close()
    renewing.dispose()
    engine.dispose()
    return 0


def admin_transactions(settings: Settings) -> Transactions:
    """Return transactions for a command of the platform; none leaves a connection behind."""
    engine = engine_of(settings)
    opened = transactions(engine)

    @contextmanager
    def transaction() -> Iterator[Session]:
        try:
            with opened() as session:
                yield session
        finally:
            engine.dispose()

    return transaction


@contextmanager
def cluster_gateway(settings: Settings, cluster: Cluster) -> Iterator["Gateway"]:
    """Give a command of the platform the gateway to a cluster.

    Raises:
        ClusterAway: the kubeconfig, the context or the credentials are not there.
    """
    from service.cluster.credentials import Credentials

    gateway = Credentials(settings.kubeconfig).open(cluster.context, cluster.in_cluster)
    try:
        yield gateway
    finally:
        gateway.close()


def run_api(settings: Settings) -> None:
    """Answer HTTP until SIGTERM or SIGINT; never returns.

    Few threads a process, since each round trip queues for the GIL. Nothing is connected before the fork.

    Raises:
        SystemExit: no database is named; the end, with its exit code.
        Unavailable: the key that evidence is to be signed with is none.
    """
    from service.server import Server

    Server(
        build_api(settings),
        {
            "worker_class": "gthread",
            "workers": settings.processes,
            "threads": settings.threads,
            "bind": settings.bind,
            "preload_app": True,
            "control_socket_disable": True,
            "forwarder_headers": "",  # SCRIPT_NAME and the like are nobody's to send
            "graceful_timeout": 25,
            "timeout": 60,
        },
        partial(configure_logs, settings.log_format, "api"),
    ).run()
