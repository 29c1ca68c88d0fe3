"""The threads that act on one cluster: so many at a time and no more, and one action a key.

Backpressure: whoever hands out work asks how much ``room`` there is and keeps the rest. A thread that hangs
in a call (4 s at most) holds one key up, and nobody else's.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor

from service.domain.plan import Ref

THREADS = 8
"""More did not make the apiserver faster (docs/kubernetes.md, Rates); each may hold a connection to it."""

MOST = 4 * THREADS
"""Keys that are being worked on or wait for a thread: handed out in lots, since each lot costs one look."""


class Crew:
    """One cluster's threads; ``freed`` is told when there is room again."""

    def __init__(self, threads: Executor, freed: Callable[[], object]) -> None:
        self._threads, self._freed = threads, freed
        self._lock = threading.Lock()
        self._busy: set[Ref] = set()

    def room(self) -> int:
        """Return how many keys may be handed out now: none while the threads have half of the most to do."""
        with self._lock:
            free = MOST - len(self._busy)
        return free if free >= MOST // 2 else 0

    def busy(self) -> frozenset[Ref]:
        """Return the keys for which something is being done."""
        with self._lock:
            return frozenset(self._busy)

    def put(self, ref: Ref, task: Callable[[], object]) -> None:
        """Let a thread do something for a key that is not busy. The task raises nothing."""
        with self._lock:
            self._busy.add(ref)
        self._threads.submit(self._run, ref, task)

    def close(self) -> None:
        """Return when everything that was begun is over."""
        self._threads.shutdown()

    def _run(self, ref: Ref, task: Callable[[], object]) -> None:
        try:
            task()
        finally:
            with self._lock:
                self._busy.discard(ref)
            if self.room():
                self._freed()
