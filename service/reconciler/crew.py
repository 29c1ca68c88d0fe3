"""The threads that act on one cluster: so many at a time and no more, and one action a key.

Backpressure: whoever hands out work asks how much ``room`` there is and keeps the rest. A thread that hangs
in a call (4 s at most) holds one key up, and nobody else's.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor

from service.domain.plan import Ref

THREADS = 64
"""So many keys are worked on at a time: most of them wait for the apiserver, or for the ledger."""


class Crew:
    """One cluster's threads; ``freed`` is told when there is room again."""

    def __init__(self, threads: Executor, freed: Callable[[], object]) -> None:
        self._threads, self._freed = threads, freed
        self._lock = threading.Lock()
        self._busy: set[Ref] = set()

    def room(self) -> int:
        """Return how many keys may be handed out now: none while half of the threads have something to do.

        So they are handed out in lots, since each lot costs one look.
        """
        free = THREADS - self.size()
        return free if free >= THREADS // 2 else 0

    def size(self) -> int:
        """Return for how many keys something is being done."""
        with self._lock:
            return len(self._busy)

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
