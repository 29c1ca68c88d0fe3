"""A cluster that fails trips its breaker: nothing is begun there for a while, then the next calls try.

What fails a single exposure has its own pause; this is for a cluster that answers nobody. While the breaker
is open every call fails at once, so no thread waits its 4 s again and again, and nothing is begun. Pauses
double up to a cap, with jitter.
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from service.cluster.gateway import Change, Gateway, Kind, Listing
from service.domain.errors import ClusterAway, ClusterError, NotSent
from service.domain.spec import Document
from service.reconciler.backoff import pause
from service.reconciler.edge import Edge

FAILURES = 5
"""So many calls in a row without an answer open it."""

CALLS = 8
"""So many calls at a time: more did not make the apiserver faster (docs/kubernetes.md, Rates)."""

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0

_LATEST: ContextVar[float] = ContextVar("latest", default=math.inf)


@contextmanager
def begins_until(latest: float) -> Iterator[None]:
    """Let no call of this thread inside the block begin after a moment of the monotonic clock.

    It is asked when the call has its turn: until then it may have waited for others.

    Raises (inside):
        NotSent: it is later than that.
    """
    token = _LATEST.set(latest)
    try:
        yield
    finally:
        _LATEST.reset(token)


class Breaker:
    """A gateway that gives a cluster some rest once it has failed several times in a row."""

    def __init__(self, gateway: Gateway, edge: Edge) -> None:
        self._gateway, self._edge = gateway, edge
        self._lock, self._calls = threading.Lock(), threading.Semaphore(CALLS)
        self._failures = 0
        self._closed_at = 0.0
        self._problem = ""

    def is_open(self) -> bool:
        """Return whether calls fail at once now."""
        with self._lock:
            return self._failures >= FAILURES and self._edge.monotonic() < self._closed_at

    def list(self, kind: Kind, keep: Callable[[Document], Document] | None = None) -> Listing:
        """List."""
        with self._call():
            return self._gateway.list(kind, keep)

    def watch(self, kind: Kind, since: str, seconds: int, stopping: Callable[[], bool]) -> Iterator[Change]:
        """Watch; how it goes says nothing of other calls, and has its own pauses."""
        return self._gateway.watch(kind, since, seconds, stopping)

    def service(self, namespace: str, name: str) -> Document | None:
        """Read a Service."""
        with self._call():
            return self._gateway.service(namespace, name)

    def config_map(self, namespace: str, name: str) -> Document | None:
        """Read a ConfigMap."""
        with self._call():
            return self._gateway.config_map(namespace, name)

    def put_config_map(self, config_map: Document) -> Document:
        """Write a ConfigMap."""
        with self._call():
            return self._gateway.put_config_map(config_map)

    def create(self, service: Document) -> Document:
        """Create a Service."""
        with self._call():
            return self._gateway.create(service)

    def replace(self, service: Document) -> Document:
        """Put a Service."""
        with self._call():
            return self._gateway.replace(service)

    def delete(self, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Delete a Service."""
        with self._call():
            self._gateway.delete(namespace, name, uid, resource_version)

    @contextmanager
    def _call(self) -> Iterator[None]:
        with self._calls:
            if self.is_open():
                why = f"{self._failures} calls in a row got no answer; the last one: {self._problem}"
                raise ClusterAway(why)
            if self._edge.monotonic() > _LATEST.get():
                raise NotSent("it took too long to get ready for a write, so nothing was sent")
            try:
                yield
            except ClusterAway as error:
                self._failed(str(error))
                raise
            except ClusterError:
                self._answered()
                raise
            self._answered()

    def _failed(self, problem: str) -> None:
        with self._lock:
            self._failures, self._problem = self._failures + 1, problem
            extra = self._failures - FAILURES + 1
            if extra > 0:
                jitter = self._edge.entropy(1)[0] / 255
                length = pause(extra, jitter, FIRST_SECONDS, LONGEST_SECONDS)
                self._closed_at = self._edge.monotonic() + length.total_seconds()

    def _answered(self) -> None:
        with self._lock:
            self._failures = 0
