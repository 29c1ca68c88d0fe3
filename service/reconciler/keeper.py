"""Keeps one cluster: a thread that looks again and again, and beside it the watch that wakes it."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from service.cluster.gateway import Gateway, Kind
from service.domain.errors import ClusterError, WharfingerError
from service.reconciler.cache import ClusterCache
from service.reconciler.crew import THREADS, Crew
from service.reconciler.cycle import Cycle
from service.reconciler.edge import Edge
from service.reconciler.watch import Watch
from service.store import sync
from service.store.identities import Cluster

log = logging.getLogger(__name__)

OpenGateway = Callable[[str | None], Gateway]
"""From a cluster's kubeconfig context to its gateway; may raise ClusterError."""


class Keeper:
    """One cluster. It stops when ``stopping`` is set and it is woken."""

    def __init__(
        self,
        cluster: Cluster,
        edge: Edge,
        open_gateway: OpenGateway,
        poll_seconds: float,
        stopping: threading.Event,
    ) -> None:
        self._cluster = cluster
        self._edge = edge
        self._open_gateway = open_gateway
        self._poll_seconds = poll_seconds
        self._stopping = stopping
        self._wake = threading.Event()
        self._opened: _Opened | None = None
        self._thread = threading.Thread(target=self._keep, name=f"cluster-{cluster.name}")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Let it look now."""
        self._wake.set()

    def changed(self, cluster: Cluster) -> None:
        """Take note of how the cluster is configured now."""
        self._cluster = cluster

    def join(self) -> None:
        """Return when it has ended."""
        self._thread.join()

    def _keep(self) -> None:
        """Look at the cluster again and again. Whatever goes wrong, the next look begins anew."""
        name = self._cluster.name
        log.info("cluster taken", extra={"cluster": name})
        while not self._stopping.is_set():
            try:
                self._look()
            except WharfingerError as error:
                log.warning("look failed", extra={"cluster": name, "answer": str(error)})
            except Exception:
                log.exception("look failed unexpectedly", extra={"cluster": name})
            self._wake.wait(self._poll_seconds)
            self._wake.clear()  # before the next look, and before its check for a stop: no word is lost
        self._close()

    def _look(self) -> None:
        cluster = self._cluster
        if self._opened is not None and self._opened.context != cluster.context:
            self._close()
        if self._opened is None:
            try:
                gateway = self._open_gateway(cluster.context)
            except ClusterError as error:
                log.warning("cluster cannot be opened", extra={"cluster": cluster.name, "answer": str(error)})
                with self._edge.transaction() as session:
                    sync.record_unreadable(session, cluster.name, str(error), self._edge.now())
                return
            self._opened = _Opened(cluster, gateway, self._edge, self.wake)
        self._opened.cycle.run()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class _Opened:
    """What a cluster has while its gateway is open."""

    def __init__(self, cluster: Cluster, gateway: Gateway, edge: Edge, wake: Callable[[], object]) -> None:
        self.context = cluster.context
        cache = ClusterCache(cluster.name)
        self._crew = Crew(ThreadPoolExecutor(THREADS, f"cluster-{cluster.name}-crew"), wake)
        self.cycle = Cycle(cluster.name, gateway, cache, edge, self._crew)
        self._watches = [Watch(kind, gateway, cache, edge, wake) for kind in Kind]
        self._threads = [
            threading.Thread(target=watch.run, name=f"cluster-{cluster.name}-watch")
            for watch in self._watches
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the watches and what is being done; return when every thread has ended."""
        for watch in self._watches:
            watch.stop()
        for thread in self._threads:
            thread.join()
        self._crew.close()
