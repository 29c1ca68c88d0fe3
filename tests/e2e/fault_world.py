"""A world that can break anywhere: every process can be killed, every connection cut, delayed or frozen.

It has a PostgreSQL of its own, two workers, and the control plane's two apiservers: the workers' one, and one
for those who change the cluster by hand. What dies is started again by itself, as in a cluster.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from sqlalchemy import make_url, text

from devcluster import ControlPlane
from devcluster.postgres import DATABASE, EmbeddedPostgres
from service.admin.migrate import migrate
from service.policies import DEV, shipped
from service.store.database import open_engine
from service.workflow.govern import install
from tests.e2e.gated import Gated
from tests.e2e.http_gate import HttpGate
from tests.e2e.parts import readiness, wait_until
from tests.e2e.postgres_gate import PostgresGate
from tests.e2e.wire import Wire
from tests.e2e.world import World, new_world
from tests.postgres import Database

LOOK_SECONDS = 0.02
READY_SECONDS = 90.0
WORKERS = ("worker", "worker-2")
COOLING_HOURS = "0.002"
"""Seven seconds: numbers change hands during a storm, and are not used up."""


@dataclass(frozen=True)
class Process:
    """One that can be killed; ``start`` does not wait until it is ready."""

    name: str
    kill: Callable[[], None]
    start: Callable[[], None]
    lives: Callable[[], bool]


class Nurse(threading.Thread):
    """Starts one process again whenever it does not run, also when it has ended by itself."""

    def __init__(self, process: Process) -> None:
        super().__init__(name=f"nurse of {process.name}", daemon=True)
        self.process = process
        self.started = 0
        self.started_at = time.monotonic()
        self._due = 0.0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._failure: Exception | None = None
        self.start()

    def run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with self._lock:
                if time.monotonic() < self._due or self.process.lives():
                    continue
                try:
                    self.process.start()
                except Exception as error:
                    self._failure = error
                    return
                self.started += 1
                self.started_at = time.monotonic()

    def kill(self, pause_seconds: float) -> None:
        """Kill -9 its process now, and let it be dead for so long."""
        with self._lock:
            self.process.kill()
            self._due = time.monotonic() + pause_seconds

    def check(self) -> None:
        """Fail when it could not start its process."""
        if self._failure is not None:
            raise AssertionError(f"{self.process.name} could not be started again") from self._failure

    def stop(self) -> None:
        """Let its process be as it is from now on."""
        self._over.set()
        self.join()


class FaultWorld:
    """A world behind gates and wires. By name: ``wires``, and ``processes`` for nurses."""

    def __init__(self, world: World, postgres: EmbeddedPostgres) -> None:
        self.world, self._postgres = world, postgres
        target = make_url(world.database.url)
        assert target.port
        database, cluster = target.port, world.control_plane.port
        self.wires = {
            "api-postgres": Wire(database),
            "worker-postgres": Wire(database),
            "worker-2-postgres": Wire(database),
            "worker-apiserver": Wire(cluster),
            "worker-2-apiserver": Wire(cluster),
        }
        self._direct_url = self._database_url("worker-2-postgres")
        self._direct_kubeconfig = self._kubeconfig("worker-2-apiserver")
        self.gated = Gated(
            world,
            PostgresGate(self._database_url("api-postgres")),
            PostgresGate(self._database_url("worker-postgres")),
            HttpGate(self._kubeconfig("worker-apiserver"), world.folder),
            {"COOLING_HOURS": COOLING_HOURS},
        )

    def start(self) -> None:
        """Start the api and the first worker, both at once; return when they are ready."""
        begun = datetime.now(UTC)
        self.gated.start_worker(wait=False)
        self.gated.start_api()
        self.wait_for_looks("worker", since=begun)

    def start_second(self, wait: bool = True) -> None:
        """Start the second worker: through wires alone, so TLS goes all the way."""
        url, kubeconfig, name = self._direct_url, self._direct_kubeconfig, "worker-2"
        self.world.start_worker(url, kubeconfig, wait=wait, name=name, COOLING_HOURS=COOLING_HOURS)

    def stop_second(self) -> None:
        """Kill the second worker if it runs."""
        for part in self.world.parts:
            if part.name == "worker-2":
                part.kill()

    def wait_for_looks(self, *names: str, since: datetime) -> None:
        """Return when a worker has looked at the cluster after a moment, and these live."""

        def has_looked() -> bool:
            with self.world.database.transaction() as session:
                seen = session.scalar(text("SELECT max(seen_at) FROM cluster_view"))
            return seen is not None and seen > since and all(map(self._lives, names))

        wait_until(has_looked, lambda: f"the cluster is looked at:\n{self.world.logs()}", READY_SECONDS)

    def processes(self) -> list[Process]:
        """Return everything that can be killed."""
        world, plane = self.world, self.world.control_plane

        def part(name: str, start: Callable[[], None]) -> Process:
            return Process(name, lambda: world.part(name).kill(), start, lambda: self._lives(name))

        def server(name: str) -> Process:
            return Process(
                name, lambda: plane.kill(name), lambda: plane.launch(name), lambda: plane.lives(name)
            )

        return [
            part("api", lambda: self.gated.start_api(wait=False)),
            part("worker", lambda: self.gated.start_worker(wait=False)),
            part("worker-2", lambda: self.start_second(wait=False)),
            Process("postgres", self._postgres.crash, self._postgres.restart, self._postgres.lives),
            *map(server, plane.pids),
        ]

    def calm(self) -> None:
        """Mend every wire; return when every part is ready. What nurses have to do is theirs."""
        for wire in self.wires.values():
            wire.mend()
        wait_until(self.answers, lambda: f"everything is up again:\n{self.world.logs()}", READY_SECONDS)
        self.wait_for_looks(*WORKERS, since=datetime.now(UTC))

    def close(self) -> None:
        """Take wires and gates away, once nothing goes through them any more."""
        self.gated.close()
        for wire in self.wires.values():
            wire.close()

    def answers(self) -> bool:
        """Return whether everything that serves requests is up."""
        plane = self.world.control_plane
        if not self._postgres.lives() or not plane.lives("etcd"):
            return False
        return plane.is_ready() and readiness(self.world.api.url) == 200

    def _lives(self, name: str) -> bool:
        return self.world.part(name).lives()

    def _database_url(self, wire: str) -> str:
        through = make_url(self.world.database.url).set(port=self.wires[wire].port)
        return through.render_as_string(hide_password=False)

    def _kubeconfig(self, wire: str) -> Path:
        """Write the worker's kubeconfig with the wire in the way; the certificate is for every port."""
        document = yaml.safe_load(self.world.control_plane.kubeconfig("worker").read_text())
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.wires[wire].port}"
        path = self.world.folder / f"{wire}.kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path


@contextmanager
def new_fault_world(control_plane: ControlPlane, folder: Path) -> Iterator[FaultWorld]:
    """Give a world with teams and people; its api and first worker run. PostgreSQL forgets nothing."""
    with EmbeddedPostgres(folder / "postgres") as postgres:
        migrate(postgres.owner_url, say=lambda line: None)
        engine = open_engine(postgres.app_url, pool_size=10)
        database = Database(DATABASE, engine, postgres.owner_url)
        with database.transaction() as session:
            install(session, shipped(DEV), datetime.now(UTC))
        with new_world(control_plane, database, folder) as world:
            world.fill()
            broken = FaultWorld(world, postgres)
            try:
                broken.start()
                yield broken
            finally:
                world.end_parts()
                broken.close()
        engine.dispose()
