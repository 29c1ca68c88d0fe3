"""The worker: one thread a cluster, woken by the database, and by the clock when no word comes.

A wake-up says only that there is something to look at; what is to be done comes from looking. So a lost or a
doubled one does no harm, and any number of them costs one look.
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

LISTEN_SECONDS = 0.5
"""How long one wait for word lasts, so that a stop is noticed and a new cluster is found in time."""

SOON_SECONDS = 0.2
"""The next look after one that acted: by then the cluster has made the endpoints of what is new."""


class Worker:
    """Keeps every cluster of the ledger true until it is stopped."""

    def __init__(self, edge: Edge, open_gateway: OpenGateway, wakeups: Wakeups, poll_seconds: float) -> None:
        self._edge = edge
        self._open_gateway = open_gateway
        self._wakeups = wakeups
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._clusters: dict[str, identities.Cluster] = {}
        self._wakes: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def stop(self) -> None:
        """Ask it to end: what is being done is finished, nothing new is begun. Safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until ``stop``; return when every thread has ended."""
        try:
            self._listen()
        finally:  # no thread goes on without anybody who listens
            self._stopping.set()
            for wake in self._wakes.values():
                wake.set()
            for thread in self._threads:
                thread.join()

    def _listen(self) -> None:
        next_look = self._edge.monotonic()
        while not self._stopping.is_set():
            if self._edge.monotonic() >= next_look:
                self._start_clusters()
                next_look = self._edge.monotonic() + CLUSTERS_SECONDS
            for cluster in self._wakeups(min(self._poll_seconds, LISTEN_SECONDS)):
                if cluster not in self._wakes:
                    self._start_clusters()
                if cluster in self._wakes:
                    self._wakes[cluster].set()

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
            self._clusters[cluster.name] = cluster
            if cluster.name not in self._wakes:
                self._wakes[cluster.name] = threading.Event()
                thread = threading.Thread(
                    target=self._keep, args=(cluster.name,), name=f"cluster-{cluster.name}"
                )
                self._threads.append(thread)
                thread.start()

    def _keep(self, name: str) -> None:
        """Look at one cluster again and again. Whatever goes wrong, the next look begins anew."""
        wake, opened = self._wakes[name], self._clusters[name]
        gateway: Gateway | None = None
        log.info("cluster taken", extra={"cluster": name})
        while not self._stopping.is_set():
            acted = 0
            try:
                if self._clusters[name].context != opened.context:
                    gateway = None
                opened = self._clusters[name]
                gateway = gateway or self._open(opened)
                if gateway is not None:
                    acted = run_cycle(name, gateway, self._edge)
            except WharfingerError as error:
                log.warning("look failed", extra={"cluster": name, "answer": str(error)})
            except Exception:
                log.exception("look failed unexpectedly", extra={"cluster": name})
            wake.wait(min(self._poll_seconds, SOON_SECONDS) if acted else self._poll_seconds)
            wake.clear()  # before the next look, and before its check for a stop: no word is lost

    def _open(self, cluster: identities.Cluster) -> Gateway | None:
        try:
            return self._open_gateway(cluster.context)
        except ClusterError as error:
            log.warning("cluster cannot be opened", extra={"cluster": cluster.name, "answer": str(error)})
            with self._edge.transaction() as session:
                sync.record_unreadable(session, cluster.name, str(error), self._edge.now())
            return None
