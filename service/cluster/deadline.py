"""One deadline for a whole HTTP call, held by the connection itself.

urllib3's read timeout starts again with every byte that arrives, so a server that trickles can hold a caller
for ever. Here each wait on the socket gets only what is left of the call, and nothing is sent any more once
the deadline has passed: a lease holder may count on that. A thread that is given up after a time was refused:
it could send the write later.

A watch is mostly silence, and a stop must not wait for its end: ``until`` breaks each wait into short ones.

Weak: resolving a host name is not bounded, and each of several addresses of one name gets a connect timeout
of its own. Such a call may return late, but it sends nothing late.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager
from urllib3.util.retry import Retry
from urllib3.util.wait import wait_for_read

_DEADLINE: ContextVar[float] = ContextVar("deadline", default=float("inf"))
_STOPPING: ContextVar[Callable[[], bool] | None] = ContextVar("stopping", default=None)
_LONGEST_WAIT_SECONDS = 3600.0
_STEP_SECONDS = 0.2


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """Hold every call of this thread inside the block to one deadline."""
    token = _DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


@contextmanager
def until(stopping: Callable[[], bool]) -> Iterator[None]:
    """Let the waits for bytes inside the block end with TimeoutError soon after ``stopping`` says so."""
    token = _STOPPING.set(stopping)
    try:
        yield
    finally:
        _STOPPING.reset(token)


def bind(manager: PoolManager) -> None:
    """Make a pool manager keep its caller's deadline, and send every request once: no retry, no redirect."""
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
    manager.connection_pool_kw["retries"] = Retry(False)
    manager.clear()


def _seconds_left() -> float:
    left = min(_DEADLINE.get() - time.monotonic(), _LONGEST_WAIT_SECONDS)
    if left <= 0:
        raise TimeoutError("the call's deadline has passed")
    return left


def _wait_for_bytes(sock: socket.socket) -> None:
    """Return when there is something to read; what TLS has decrypted already shows on no socket.

    Raises:
        TimeoutError: the deadline has passed, or somebody wants to stop.
    """
    stopping = _STOPPING.get()
    if stopping is None:
        return  # the socket's own timeout does it
    while not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
        if wait_for_read(sock, min(_STEP_SECONDS, _seconds_left())):
            return
        if stopping():
            raise TimeoutError("stopped")


class _Incoming(io.RawIOBase):
    """What comes from a socket; each wait gets what is left of the call."""

    def __init__(self, stream: io.RawIOBase, sock: socket.socket) -> None:
        self._stream, self._sock = stream, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _wait_for_bytes(self._sock)
        self._sock.settimeout(_seconds_left())
        return self._stream.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Incoming(self.fp.detach(), sock))


class _Plain(HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        self.timeout = min(self.timeout or _LONGEST_WAIT_SECONDS, _seconds_left())
        super().connect()
        _seconds_left()

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(_seconds_left())
        super().send(data)


class _Tls(_Plain, HTTPSConnection):
    """The same over TLS: ``super()`` in ``_Plain`` is HTTPSConnection here."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls
