"""Keeps one cluster: a thread that looks again and again, and beside it the watch that wakes it."""

import logging
import threading
from collections.abc import Callable

from service.cluster.gateway import Gateway
from service.domain.errors import ClusterError, WharfingerError
from service.reconciler.cache import ServiceCache
from service.reconciler.cycle import Cycle
from service.reconciler.edge import Edge
from service.reconciler.watch import ServiceWatch
from service.store import sync
from service.store.identities import Cluster

log = logging.getLogger(__name__)

OpenGateway = Callable[[str | None], Gateway]
"""From a cluster's kubeconfig context to its gateway; may raise ClusterError."""

SOON_SECONDS = 0.2
"""The next look after one that acted: by then the cluster has made the endpoints of what is new."""

BREATH_SECONDS = 0.05
"""No look follows another one sooner, however much happens in a cluster: each lists Nodes and endpoints."""


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
            acted = 0
            try:
                acted = self._look()
            except WharfingerError as error:
                log.warning("look failed", extra={"cluster": name, "answer": str(error)})
            except Exception:
                log.exception("look failed unexpectedly", extra={"cluster": name})
            self._stopping.wait(BREATH_SECONDS)
            self._wake.wait(min(self._poll_seconds, SOON_SECONDS) if acted else self._poll_seconds)
            self._wake.clear()  # before the next look, and before its check for a stop: no word is lost
        self._close()

    def _look(self) -> int:
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
                return 0
            self._opened = _Opened(cluster, gateway, self._edge, self.wake)
        return self._opened.cycle.run()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class _Opened:
    """What a cluster has while its gateway is open."""

    def __init__(self, cluster: Cluster, gateway: Gateway, edge: Edge, wake: Callable[[], object]) -> None:
        cache = ServiceCache()
        self.context = cluster.context
        self.cycle = Cycle(cluster.name, gateway, cache, edge)
        self._watch = ServiceWatch(cluster.name, gateway, cache, edge, wake)
        self._thread = threading.Thread(target=self._watch.run, name=f"cluster-{cluster.name}-watch")
        self._thread.start()

    def close(self) -> None:
        """End the watch; return when its thread has ended."""
        self._watch.stop()
        self._thread.join()
