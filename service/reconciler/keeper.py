"""Keeps one cluster: a thread that looks again and again, and beside it the watch that wakes it.

It lasts as long as its lease. Whatever it writes down commits only while the lease is held, and its writes to
the cluster begin only while the lease leaves time for them.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from service.cluster.gateway import Gateway, Kind
from service.domain.errors import ClusterError, LeaseLost, WharfingerError
from service.reconciler.crew import THREADS, Crew
from service.reconciler.cycle import Cycle
from service.reconciler.edge import Edge
from service.reconciler.leases import Lease, LeasedGateway, fenced
from service.reconciler.watch import Watch
from service.store import sync
from service.store.identities import Cluster

log = logging.getLogger(__name__)


class Access(Protocol):
    """The ways into clusters: by a context of the worker's kubeconfig, or with the Pod's own credentials."""

    def open(self, context: str | None, in_cluster: bool) -> Gateway:
        """Return the gateway to a cluster; may raise ClusterError."""

    def stamp(self, context: str | None, in_cluster: bool) -> object:
        """Return what differs from before when the way in has changed, by new credentials too."""


SOON_SECONDS = 0.2
"""The next look after one that the lease did not allow."""


class Keeper:
    """One cluster, as long as its lease lasts. It stops when it is told to, after what is being done."""

    def __init__(
        self, cluster: Cluster, lease: Lease, edge: Edge, access: Access, poll_seconds: float
    ) -> None:
        self._cluster, self.lease = cluster, lease
        self._edge = replace(edge, transaction=fenced(edge.transaction, lease), unfenced=edge.transaction)
        self._access = access
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._has_word = False
        self._opened: _Opened | None = None
        self._thread = threading.Thread(target=self._keep, name=f"cluster-{cluster.name}")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Let it look now: something may be due in the ledger."""
        self._has_word = True
        self._wake.set()

    def stop(self) -> None:
        """Ask it to end: no further write to the cluster begins."""
        self.lease.end()
        self._stopping.set()
        self._wake.set()

    def changed(self, cluster: Cluster) -> None:
        """Take note of how the cluster is configured now; what is new is looked at soon."""
        self._cluster = cluster
        opened = self._opened
        if opened is not None and opened.stamp != self._stamp(cluster):
            self._wake.set()

    def is_over(self) -> bool:
        """Return whether it has ended."""
        return not self._thread.is_alive()

    def join(self) -> None:
        """Return when it has ended."""
        self._thread.join()

    def _keep(self) -> None:
        """Look at the cluster again and again. Whatever goes wrong, the next look begins anew."""
        name = self._cluster.name
        log.info("cluster taken", extra={"cluster": name})
        has_word, asked_at = True, self._edge.monotonic()
        while not self._stopping.is_set():
            pause = self._poll_seconds
            try:
                self._look(has_word)
            except LeaseLost as error:  # nothing has failed: another worker goes on, or we after a renewal
                log.info("look left", extra={"cluster": name, "answer": str(error)})
                pause = min(pause, SOON_SECONDS)  # who waits must not wait for a renewal that came late
                self._has_word = True
            except WharfingerError as error:
                self._has_word = True  # what was due is due still
                log.warning("look failed", extra={"cluster": name, "answer": str(error)})
            except Exception:
                log.exception("look failed unexpectedly", extra={"cluster": name})
            is_woken = self._wake.wait(pause)
            self._wake.clear()  # before the next look, and before its check for a stop: no word is lost
            is_told = self._has_word
            if is_told:  # one that comes after this was read stays for the look after the next
                self._has_word = False
            # A cluster that has news all the time must not keep what is due by the clock waiting.
            has_word = is_told or not is_woken or self._edge.monotonic() - asked_at >= self._poll_seconds
            if has_word:
                asked_at = self._edge.monotonic()
        self._close()
        log.info("cluster left", extra={"cluster": name})

    def _look(self, has_word: bool) -> None:
        cluster = self._cluster
        stamp = self._stamp(cluster)
        if self._opened is not None and self._opened.stamp != stamp:
            log.info("cluster opened anew", extra={"cluster": cluster.name})
            self._close()
        if self._opened is None:
            try:
                gateway = self._access.open(cluster.context, cluster.in_cluster)
            except ClusterError as error:
                log.warning("cluster cannot be opened", extra={"cluster": cluster.name, "answer": str(error)})
                with self._edge.transaction() as session:
                    sync.record_unreadable(session, cluster.name, str(error), self._edge.now())
                return
            self._opened = _Opened(cluster, stamp, self.lease, gateway, self._edge, self._wake.set)
        self._opened.cycle.run(has_word)

    def _stamp(self, cluster: Cluster) -> object:
        """Return what differs from before when the cluster is to be opened anew."""
        settings = replace(cluster, brake_released_at=None, accept_ledger=False)  # read at each look
        return settings, self._access.stamp(cluster.context, cluster.in_cluster)

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class _Opened:
    """What a cluster has while its gateway is open; ``stamp``: of what it was opened with."""

    def __init__(
        self,
        cluster: Cluster,
        stamp: object,
        lease: Lease,
        gateway: Gateway,
        edge: Edge,
        wake: Callable[[], object],
    ) -> None:
        self.stamp = stamp
        self._wake = wake
        self._crew = Crew(ThreadPoolExecutor(THREADS, f"cluster-{lease.cluster}-crew"), self._go_on)
        self.cycle = Cycle(cluster, lease, LeasedGateway(gateway, lease), edge, self._crew)
        cache = self.cycle.cache
        self._watches = [Watch(kind, gateway, cache, edge, wake) for kind in Kind]
        self._threads = [
            threading.Thread(target=watch.run, name=f"cluster-{lease.cluster}-watch")
            for watch in self._watches
        ]
        for thread in self._threads:
            thread.start()

    def _go_on(self) -> None:
        """Let the next look hand out more work, when there is any."""
        if self.cycle.has_work:
            self._wake()

    def close(self) -> None:
        """End the watches and what is being done; return when every thread has ended."""
        for watch in self._watches:
            watch.stop()
        for thread in self._threads:
            thread.join()
        self._crew.close()
