"""Every boundary of one story: each commit and each write to the cluster, and a kill just before or after it.

One undisturbed play counts them. A boundary is known by what crosses it (which tables a commit writes, which
method goes to which Service) and by how often that came before: so it is found again whatever else happens
at the same time. Looks, renewals and polls write nothing of an exposure, and do not count.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.e2e.gated import Gated
from tests.e2e.gates import Gate, When
from tests.e2e.http_gate import Call

STORY = frozenset({"exposure", "exposure_sync", "revision", "review", "event"})
LEDGER = frozenset({"port_claim", "port_history"})
"""What commits are told apart by as well; alone it is the look at what strangers have."""

WRITE = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)")
VISIT = "commit to exposure"
"""The clock's."""
MARK = "PUT the ledger's mark"

ONCE = (VISIT, MARK)
"""How many there are depends on who looks when, so the first one stands for all of them."""

LOOK_SECONDS = 0.2

Crossing: TypeAlias = str | None
"""What crosses a gate, None: nothing that counts."""


@dataclass(frozen=True)
class Boundary:
    """The ``nth`` time, counted from 1, that this goes through this gate."""

    gate: str
    what: str
    nth: int

    def __str__(self) -> str:
        return f"{self.gate}: {self.what} ({self.nth})"


@dataclass(frozen=True)
class Kill:
    """A kill just before what crosses a boundary is delivered, or just after."""

    boundary: Boundary
    when: When

    def __str__(self) -> str:
        return f"{self.when} {self.boundary}"


@contextmanager
def counting(gated: Gated) -> Iterator[list[Boundary]]:
    """Give the list of all boundaries that are crossed meanwhile, in their order."""
    found: list[Boundary] = []
    counts: Counter[tuple[str, str]] = Counter()
    lock = threading.Lock()

    def watch(name: str) -> Callable[[Any], bool]:
        def note(message: Any) -> bool:
            what = _crossing(message)
            if what is not None:
                with lock:
                    counts[name, what] += 1
                    if what not in ONCE or counts[name, what] == 1:
                        found.append(Boundary(name, what, counts[name, what]))
            return False

        return note

    gates = _gates(gated)
    for name, gate in gates.items():
        gate.hold(watch(name), "before")
    yield found
    for gate in gates.values():
        gate.open()


class Killer(threading.Thread):
    """Waits until a boundary is reached, kills who stands there, and starts it again: then it has struck."""

    def __init__(self, gated: Gated, kill: Kill, turn: threading.Lock) -> None:
        super().__init__(name=f"killer {kill}", daemon=True)
        self.kill = kill
        self.struck = False
        self.failure: Exception | None = None
        self._gated, self._turn = gated, turn
        self._over = threading.Event()
        boundary, passed = kill.boundary, Counter[str]()

        def matches(message: Any) -> bool:
            what = _crossing(message)
            if what != boundary.what:
                return False
            passed[what] += 1
            return passed[what] == boundary.nth

        self._hold = _gates(gated)[boundary.gate].hold(matches, kill.when)
        self.start()

    def run(self) -> None:
        while not self._hold.is_reached(LOOK_SECONDS):
            if self._over.is_set():
                return
        try:
            with self._turn:  # two of them may want the same process
                self.struck = True
                self._strike()
        except Exception as error:
            self.failure = error

    def stop(self) -> None:
        """Return when it has done its work, or has given up to wait."""
        self._over.set()
        self.join()

    def _strike(self) -> None:
        is_api = self.kill.boundary.gate == "api"
        (self._gated.world.api if is_api else self._gated.world.worker).kill()
        self._hold.drop()
        if is_api:
            self._gated.start_api()
        else:
            self._gated.start_worker(wait=False)


@contextmanager
def killing(gated: Gated, kills: Sequence[Kill]) -> Iterator[list[Killer]]:
    """Kill at these boundaries meanwhile, at most one of each gate; at the end all gates are open."""
    turn = threading.Lock()
    killers = [Killer(gated, kill, turn) for kill in kills]
    try:
        yield killers
    finally:
        for killer in killers:
            killer.stop()
        for gate in _gates(gated).values():
            gate.open()


def _gates(gated: Gated) -> dict[str, Gate]:
    return {"api": gated.api_gate, "worker": gated.worker_gate, "cluster": gated.cluster_gate}


def _crossing(message: Any) -> Crossing:
    """Return what a commit's statements, or a call, do to an exposure, its Service or the ledger's mark."""
    if isinstance(message, Call):
        if message.is_mark():
            return MARK
        return f"{message.method} a Service" if message.is_write() else None
    written = set(WRITE.findall("; ".join(message))) & (STORY | LEDGER)
    return f"commit to {', '.join(sorted(written))}" if written & STORY else None
