"""Keeps one kind of a cluster's cache up to date: list, then watch from there, again and again.

A connection that breaks, or falls silent, goes on where it was, without a list. What the server has forgotten
(410), and what fails twice in a row, begins with a new list, and so does every few minutes anyway: a change
that was missed for whatever reason is not missed for ever. Pauses double, are capped and jittered, so that a
server that comes back is not met by everybody at once.
"""

import logging
import threading
from collections.abc import Callable
from math import ceil

from service.cluster.gateway import Gateway, Kind
from service.domain.errors import ClusterError, ListTooOld
from service.reconciler.backoff import pause
from service.reconciler.cache import KEPT, ClusterCache
from service.reconciler.edge import Edge

log = logging.getLogger(__name__)

LIST_SECONDS = (180, 300)
"""How long is watched until the next list: between the two, by chance."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
SHORT_SECONDS = 1.0
"""A watch that ends sooner, without having told anything, counts as broken."""


class Watch:
    """List and watch of one kind; ``run`` is for a thread of its own."""

    def __init__(
        self, kind: Kind, gateway: Gateway, cache: ClusterCache, edge: Edge, wake: Callable[[], object]
    ) -> None:
        self._kind, self._gateway, self._cache = kind, gateway, cache
        self._edge, self._wake = edge, wake
        self._facts = {"cluster": cache.cluster, "kind": kind.value}
        self._stopping = threading.Event()
        self._since: str | None = None
        self._list_at = 0.0
        self._failures = 0

    def stop(self) -> None:
        """Ask it to end: it does within a fraction of a second, also while the server is silent."""
        self._stopping.set()

    def run(self) -> None:
        """List and watch until ``stop``. Whatever goes wrong, it begins anew."""
        while not self._stopping.is_set():
            try:
                if self._since is None or self._edge.monotonic() >= self._list_at:
                    self._list()
                self._follow()
            except ListTooOld as error:
                self._failures += 1
                self._since = None
                log.info("list again", extra=self._facts | {"answer": str(error)})
                if self._failures > 1:  # the server forgets faster than it can be listed
                    self._cache.failed(self._kind, f"{self._kind} cannot be listed to the end: {error}")
                    self._wake()
            except ClusterError as error:
                self._fail(str(error))
            except Exception:
                log.exception("watch failed unexpectedly", extra=self._facts)
                self._since = None
                self._fail("a fault of the worker itself; its log tells more")
            if self._failures:
                length = pause(self._failures, self._chance(), FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
                self._stopping.wait(length.total_seconds())

    def _list(self) -> None:
        listed = self._gateway.list(self._kind, KEPT.get(self._kind))
        self._cache.relisted(self._kind, listed)
        self._since = listed.resource_version
        shortest, longest = LIST_SECONDS
        self._list_at = self._edge.monotonic() + shortest + (longest - shortest) * self._chance()
        self._wake()

    def _follow(self) -> None:
        """Take in what one watch tells until it ends."""
        assert self._since is not None
        begun, told = self._edge.monotonic(), False
        seconds = max(1, ceil(self._list_at - begun))
        for change in self._gateway.watch(self._kind, self._since, seconds, self._stopping.is_set):
            self._since, self._failures, told = change.resource_version, 0, True
            if self._cache.saw(self._kind, change):
                self._wake()
        if self._stopping.is_set():
            return
        if not told and self._edge.monotonic() - begun < SHORT_SECONDS:
            self._fail(f"the watch of {self._kind} ended as soon as it had begun")
        else:
            self._failures = 0

    def _fail(self, problem: str) -> None:
        """Go on where the watch was; when that fails as well, or a list did, what is known may be old."""
        self._failures += 1
        log.warning("watch failed", extra=self._facts | {"answer": problem})
        if self._failures > 1 or self._since is None:
            self._since = None
            self._cache.failed(self._kind, problem)
            self._wake()

    def _chance(self) -> float:
        return self._edge.entropy(1)[0] / 255
