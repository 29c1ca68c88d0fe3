"""The worker: a keeper for each cluster that it has the lease of, woken by database and cluster.

A wake-up says only that there is something to look at; what is to be done comes from looking. So a lost or a
doubled one does no harm, and any number of them costs one look.

Leases are renewed here, in a thread that waits for nothing but the database. A keeper that has to go ends in
its own time; its lease is handed back after that.
"""

import logging
import threading
from collections.abc import Callable, Collection

from service.domain.errors import WharfingerError
from service.reconciler.edge import Edge
from service.reconciler.keeper import Access, Keeper
from service.reconciler.leases import Leases, Round
from service.store.leases import HANDED_BACK

log = logging.getLogger(__name__)

Wakeups = Callable[[float], Collection[str]]
"""Waits up to so many seconds; returns the clusters that were woken meanwhile."""

LISTEN_SECONDS = 0.5
"""How long one wait for word lasts, so that a stop is noticed in time."""

AGAIN_SECONDS = 0.5
"""How soon a renewal that failed is tried again."""

LEAVING_SECONDS = 0.05
"""How long a wait lasts while a keeper is ending, so that its lease is handed back soon."""


class Worker:
    """Keeps its share of the ledger's clusters true until it is stopped."""

    def __init__(
        self, edge: Edge, access: Access, leases: Leases, wakeups: Wakeups, poll_seconds: float
    ) -> None:
        self._edge, self._access, self._leases = edge, access, leases
        self._wakeups = wakeups
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._keepers: dict[str, Keeper] = {}
        self._leaving: set[str] = set()
        self._known: frozenset[str] = frozenset()

    def stop(self) -> None:
        """Ask it to end: what is being done is finished, nothing new is begun. Safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until ``stop``; return when every thread has ended and every lease is handed back."""
        try:
            self._listen()
        finally:  # no thread goes on without anybody who listens
            for keeper in self._keepers.values():
                keeper.stop()
            for keeper in self._keepers.values():
                keeper.join()
            try:
                self._leases.leave()
            except WharfingerError as error:
                log.warning("leases cannot be handed back", extra={"answer": str(error)})

    def _listen(self) -> None:
        next_round = self._edge.monotonic()
        while not self._stopping.is_set():
            if self._edge.monotonic() >= next_round:
                next_round = self._edge.monotonic() + self._renew()
            self._hand_back()
            longest = LEAVING_SECONDS if self._leaving else min(self._poll_seconds, LISTEN_SECONDS)
            left = max(0.0, next_round - self._edge.monotonic())
            for cluster in self._wakeups(min(longest, left)):
                if cluster == HANDED_BACK or cluster not in self._known:
                    next_round = self._edge.monotonic()
                elif cluster in self._keepers:
                    self._keepers[cluster].wake()

    def _renew(self) -> float:
        """Renew the leases, and let each have its keeper; return after how many seconds to do it again."""
        try:
            found = self._leases.renew()
        except WharfingerError as error:
            log.warning("leases cannot be renewed", extra={"answer": str(error)})
            return AGAIN_SECONDS
        except Exception:
            log.exception("leases cannot be renewed")
            return AGAIN_SECONDS
        self._known = found.known
        self._let_go(found)
        for name, (cluster, lease) in found.held.items():
            keeper = self._keepers.get(name)
            if cluster is None or name in self._leaving:
                continue
            if keeper is None:
                self._keepers[name] = Keeper(cluster, lease, self._edge, self._access, self._poll_seconds)
                self._keepers[name].start()
            elif keeper.lease is lease:
                keeper.changed(cluster)
        return found.next_in

    def _let_go(self, found: Round) -> None:
        """Stop the keepers of what was lost, and of what others are to have, one hand-back after another."""
        if not self._leaving:
            self._leaving |= found.hand_back
        for name, keeper in self._keepers.items():
            if name in self._leaving or keeper.lease.is_over():
                keeper.stop()

    def _hand_back(self) -> None:
        """Forget the keepers that have ended; hand back what is not kept any more."""
        self._keepers = {name: keeper for name, keeper in self._keepers.items() if not keeper.is_over()}
        ready = self._leaving - self._keepers.keys()
        if not ready:
            return
        try:
            self._leases.hand_back(ready)
        except WharfingerError as error:
            log.warning("leases cannot be handed back", extra={"answer": str(error)})
        self._leaving -= ready
