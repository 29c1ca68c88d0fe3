"""The worker: one thread a cluster, woken by the database, and by the clock when no word comes.

A wake-up says only that there is something to look at; what is to be done comes from looking. So a lost or a doubled
one does no harm, and any number of them costs one look.
"""

import logging
import threading
from collections.abc import Callable, Collection

from service.cluster.gateway import Gateway
from service.domain.errors import ClusterError, WharfingerError
from service.reconciler.cycle import run_cycle
from service.reconciler.edge import Edge
from service.store import identities, sync

log = logging.getLogger(__name__)

OpenGateway = Callable[[str | None], Gateway]
"""From a cluster's kubeconfig context to its gateway; may raise ClusterError."""

Wakeups = Callable[[float], Collection[str]]
"""Waits up to so many seconds; returns the clusters that were woken meanwhile."""

CLUSTERS_SECONDS = 5.0
"""How often the list of clusters is read, besides at every wake-up for a cluster that is not known yet."""


class Worker:
    """Keeps every cluster of the ledger true until it is stopped."""

    def __init__(self, edge: Edge, open_gateway: OpenGateway, wakeups: Wakeups, poll_seconds: float) -> None:
        self._edge = edge
        self._open_gateway = open_gateway
        self._wakeups = wakeups
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._wakes: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def stop(self) -> None:
        """Ask it to end: what is being done is finished, nothing new is begun. Safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until ``stop``; return when every thread has ended."""
        next_look = 0.0
        while not self._stopping.is_set():
            if self._edge.monotonic() >= next_look:
                self._start_clusters()
                next_look = self._edge.monotonic() + CLUSTERS_SECONDS
            for cluster in self._wakeups(self._poll_seconds):
                if cluster not in self._wakes:
                    self._start_clusters()
                if cluster in self._wakes:
                    self._wakes[cluster].set()
        for wake in self._wakes.values():
            wake.set()
        for thread in self._threads:
            thread.join()

    def _start_clusters(self) -> None:
        try:
            with self._edge.transaction() as session:
                clusters = identities.clusters(session)
        except WharfingerError as error:
            log.warning("database does not answer", extra={"answer": str(error)})
            return
        for cluster in clusters:
            if cluster.name not in self._wakes:
                self._wakes[cluster.name] = threading.Event()
                thread = threading.Thread(target=self._keep, args=(cluster,), name=f"cluster-{cluster.name}")
                self._threads.append(thread)
                thread.start()

    def _keep(self, cluster: identities.Cluster) -> None:
        """Look at one cluster again and again. Whatever goes wrong, the next look begins anew."""
        wake = self._wakes[cluster.name]
        gateway: Gateway | None = None
        log.info("cluster taken", extra={"cluster": cluster.name})
        while not self._stopping.is_set():
            wake.clear()
            try:
                gateway = gateway or self._open(cluster)
                if gateway is not None:
                    run_cycle(cluster.name, gateway, self._edge)
            except WharfingerError as error:
                log.warning("look failed", extra={"cluster": cluster.name, "answer": str(error)})
            except Exception:
                log.exception("look failed unexpectedly", extra={"cluster": cluster.name})
            wake.wait(self._poll_seconds)

    def _open(self, cluster: identities.Cluster) -> Gateway | None:
        try:
            return self._open_gateway(cluster.context)
        except ClusterError as error:
            log.warning("cluster cannot be opened", extra={"cluster": cluster.name, "answer": str(error)})
            with self._edge.transaction() as session:
                sync.record_unreadable(session, cluster.name, str(error), self._edge.now())
            return None
