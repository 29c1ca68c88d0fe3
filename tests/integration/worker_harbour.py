"""Workers as in production, each with a pool and a listener, on several FakeClusters."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from service.cluster.gateway import Gateway
from service.reconciler.edge import Edge
from service.reconciler.leases import Leases
from service.reconciler.loop import Worker
from service.store import identities
from service.store.database import Listener, open_engine, transactions
from tests.integration.api_world import POOL, named
from tests.integration.reconciler_world import COOLING, ReconcilerWorld, Story
from tests.judges import a_judge
from tests.postgres import Database

DEADLINE_SECONDS = 20.0
SOON_SECONDS = 2.0
LONG_POLL = 30.0

T = TypeVar("T")


def eventually(look: Callable[[], T], seconds: float = DEADLINE_SECONDS) -> T:
    """Return what ``look`` finds as soon as it is true.

    Raises:
        AssertionError: it was not in time; the last finding is told.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {found!r}"
        threading.Event().wait(0.02)
    return found


class PacedClock:
    """The time, some times faster: pauses and other waits of the worker pass in a test's time."""

    def __init__(self, pace: float = 1) -> None:
        self._pace, self._began, self._begun = pace, datetime.now(UTC), time.monotonic()

    def __call__(self) -> datetime:
        return self._began + timedelta(seconds=(time.monotonic() - self._begun) * self._pace)

    def monotonic(self) -> float:
        return time.monotonic() * self._pace


class Harbour:
    """Some clusters, and workers that are stopped at the end."""

    def __init__(self, database: Database, stack: ExitStack, clock: PacedClock) -> None:
        self.database, self._stack, self.clock = database, stack, clock
        self.world = ReconcilerWorld(database, clock)
        self._seed = 100
        self.opened: Counter[str | None] = Counter()
        self.stamps: Counter[str | None] = Counter()
        self.gateways: dict[str | None, Callable[[], Gateway]] = {None: lambda: self.world.cluster}
        self._beside = create_engine(database.url, poolclass=NullPool)

    def open(self, context: str | None, in_cluster: bool) -> Gateway:
        self.opened[context] += 1
        return self.gateways[context]()

    def stamp(self, context: str | None, in_cluster: bool) -> object:
        return context, self.stamps[context]

    def engine(self) -> Engine:
        """Return a pool of a worker's own."""
        engine = open_engine(self.database.url, 8)

        @event.listens_for(engine, "connect")
        def name_it(connection: Any, _: object) -> None:
            connection.execute("SET application_name = 'worker'")
            connection.commit()

        self._stack.callback(engine.dispose)
        return engine

    def edge(self, engine: Engine, seed: int) -> Edge:
        """Return the edge of a worker of its own."""
        return Edge(
            transactions(engine), self.clock, self.clock.monotonic, Random(seed).randbytes, COOLING, a_judge()
        )

    def start(self, poll_seconds: float = LONG_POLL) -> "Running":
        """Start a worker in a thread, with a pool and a listener as in production."""
        engine = self.engine()
        self._seed += 1
        edge = self.edge(engine, self._seed)
        listener = Listener(engine)
        leases = Leases(edge.transaction, time.monotonic, f"worker-{self._seed}")
        worker = Worker(edge, self, leases, listener, poll_seconds)
        running = Running(worker)
        self._stack.callback(listener.close)
        self._stack.callback(running.stop)
        return running

    def add_cluster(self, name: str, context: str | None) -> None:
        """Add a cluster, as a command of the platform does: nobody is woken."""
        with self.world.transaction() as session:
            identities.put_cluster(session, identities.Cluster(name, context, POOL), self.clock())
            identities.add_namespace(session, name, "team-a", "development")
            identities.give_namespace(session, "team-a", name, "team-a")

    def approved(self, cluster: str = "dev", name: str = "hello") -> Story:
        """Return an approved exposure of a cluster; its approval woke the workers."""
        body = named(name)
        body["metadata"]["cluster"] = cluster
        return Story(self.world.api, body).approve()

    def cut(self, query: str) -> int:
        """Let the database end the workers' connections that last asked this; return how many."""
        statement = text(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'worker' AND query LIKE :query"
        )
        with self._beside.connect() as connection:
            return int(connection.scalar(statement, {"query": query}) or 0)

    def view_is_there(self) -> bool:
        """Return whether a worker has looked at the first cluster and written down what it saw."""
        with self.world.transaction() as session:
            return bool(session.scalar(text("SELECT count(*) FROM cluster_view WHERE cluster = 'dev'")))

    def listeners(self) -> int:
        """Return how many connections listen."""
        statement = text(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        with self.world.transaction() as session:
            return int(session.scalar(statement) or 0)


class Running:
    """A worker at work."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._thread = threading.Thread(target=worker.run, name="worker")
        self._thread.start()

    def stop(self) -> float:
        """Stop it; return how many seconds that took."""
        begun = time.monotonic()
        self._worker.stop()
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive(), "it does not stop"
        return time.monotonic() - begun


def is_live(story: Story) -> Callable[[], bool]:
    return lambda: story.condition("Applied") == ("True", "InSync")


def settled(harbour: Harbour) -> None:
    """Wait until the first look is over and the listener listens: from then on only word or the poll acts."""
    eventually(lambda: harbour.listeners() == 1)
    eventually(harbour.view_is_there)
