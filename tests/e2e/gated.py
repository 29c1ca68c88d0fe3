"""A world whose processes reach database and cluster through gates, and a request that may get no answer."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import urllib3

from tests.e2e.http_gate import HttpGate
from tests.e2e.postgres_gate import PostgresGate
from tests.e2e.world import Answer, World


@dataclass(frozen=True)
class Gated:
    """The world, and a gate for each thing that a process talks to."""

    world: World
    api_gate: PostgresGate
    worker_gate: PostgresGate
    cluster_gate: HttpGate
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the worker, where they are not as usual."""

    @classmethod
    def of(cls, world: World) -> "Gated":
        """Put gates around a world."""
        url, kubeconfig = world.database.url, world.control_plane.kubeconfig("worker")
        return cls(world, PostgresGate(url), PostgresGate(url), HttpGate(kubeconfig, world.folder))

    def restore(self) -> None:
        """Open the gates, and start what does not run."""
        for gate in self._gates:
            gate.open()
        living = {part.name for part in self.world.parts if part.lives()}
        for name, start in (("api", self.start_api), ("worker", self.start_worker)):
            if name not in living:
                start()

    def close(self) -> None:
        """Take the gates away, once nothing goes through them any more."""
        for gate in self._gates:
            gate.close()

    @property
    def _gates(self) -> tuple[PostgresGate, PostgresGate, HttpGate]:
        return self.api_gate, self.worker_gate, self.cluster_gate

    def start_api(self, wait: bool = True) -> None:
        """Start the api behind its gate."""
        self.world.start_api(self.api_gate.url, wait)

    def start_worker(self, wait: bool = True) -> None:
        """Start the worker behind its two gates."""
        self.world.start_worker(self.worker_gate.url, self.cluster_gate.kubeconfig, wait, **self.settings)


class Attempt(threading.Thread):
    """A request that is under way, whose answer may never come."""

    def __init__(self, send: Callable[[], Answer]) -> None:
        super().__init__(daemon=True)
        self._send = send
        self.answer: Answer | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._send()
        except urllib3.exceptions.HTTPError:
            return

    def check_unanswered(self) -> None:
        """Check that it ended without an answer."""
        self.join(10)
        assert not self.is_alive()
        assert self.answer is None, f"a dead process has answered: {self.answer}"

    def answered(self) -> Answer:
        """Return the answer that came."""
        self.join(10)
        assert self.answer is not None, "no answer came"
        return self.answer
