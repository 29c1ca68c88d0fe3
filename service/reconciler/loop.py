"""The worker: a keeper for each cluster, woken by database and cluster, and by the clock when no word comes.

A wake-up says only that there is something to look at; what is to be done comes from looking. So a lost or a
doubled one does no harm, and any number of them costs one look.
"""

import logging
import threading
from collections.abc import Callable, Collection

from service.domain.errors import WharfingerError
from service.reconciler.edge import Edge
from service.reconciler.keeper import Keeper, OpenGateway
from service.store import identities

log = logging.getLogger(__name__)

Wakeups = Callable[[float], Collection[str]]
"""Waits up to so many seconds; returns the clusters that were woken meanwhile."""

CLUSTERS_SECONDS = 5.0
"""How often the list of clusters is read, besides at every wake-up for a cluster that is not known yet."""

LISTEN_SECONDS = 0.5
"""How long one wait for word lasts, so that a stop is noticed and a new cluster is found in time."""


class Worker:
    """Keeps every cluster of the ledger true until it is stopped."""

    def __init__(self, edge: Edge, open_gateway: OpenGateway, wakeups: Wakeups, poll_seconds: float) -> None:
        self._edge = edge
        self._open_gateway = open_gateway
        self._wakeups = wakeups
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._keepers: dict[str, Keeper] = {}

    def stop(self) -> None:
        """Ask it to end: what is being done is finished, nothing new is begun. Safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until ``stop``; return when every thread has ended."""
        try:
            self._listen()
        finally:  # no thread goes on without anybody who listens
            self._stopping.set()
            for keeper in self._keepers.values():
                keeper.wake()
            for keeper in self._keepers.values():
                keeper.join()

    def _listen(self) -> None:
        next_look = self._edge.monotonic()
        while not self._stopping.is_set():
            if self._edge.monotonic() >= next_look:
                self._start_clusters()
                next_look = self._edge.monotonic() + CLUSTERS_SECONDS
            for cluster in self._wakeups(min(self._poll_seconds, LISTEN_SECONDS)):
                if cluster not in self._keepers:
                    self._start_clusters()
                if cluster in self._keepers:
                    self._keepers[cluster].wake()

    def _start_clusters(self) -> None:
        try:
            with self._edge.transaction() as session:
                clusters = identities.clusters(session)
        except WharfingerError as error:
            log.warning("database does not answer", extra={"answer": str(error)})
            return
        except Exception:
            log.exception("clusters cannot be read")
            return
        for cluster in clusters:
            if cluster.name in self._keepers:
                self._keepers[cluster.name].changed(cluster)
            else:
                keeper = Keeper(cluster, self._edge, self._open_gateway, self._poll_seconds, self._stopping)
                self._keepers[cluster.name] = keeper
                keeper.start()
