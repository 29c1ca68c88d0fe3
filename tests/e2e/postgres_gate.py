"""A gate in front of PostgreSQL that knows which statements a COMMIT is for.

It reads the plain protocol: of the client's messages Query, Parse and Bind (psycopg names a statement after
its fifth execution, so names are remembered for each connection), of the server's the CommandComplete of a
COMMIT.
Source: https://www.postgresql.org/docs/18/protocol-message-formats.html
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO

from sqlalchemy import make_url

from tests.e2e.gates import Gate, Hold, When

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
PLAIN = b"N"


def commit_of(*words: str, when: When = "before", gate: "PostgresGate") -> Hold:
    """Hold the COMMIT of the next transaction whose statements contain these words."""

    def matches(statements: Sequence[str]) -> bool:
        text = "; ".join(statements)
        return all(word in text for word in words)

    return gate.hold(matches, when)


class PostgresGate(Gate):
    """Listens on loopback; ``url`` leads through it to the database of the URL that it was made with."""

    def __init__(self, url: str) -> None:
        super().__init__()
        target = make_url(url)
        assert target.host
        assert target.port
        self._target = (target.host, target.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        through = target.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        self.url = through.render_as_string(hide_password=False)
        self._links: list[_Link] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut every connection."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.open()
        for link in self._links:
            link.cut()

    def claim(self, statements: Sequence[str]) -> Hold | None:
        """Return the armed point if these are its statements."""
        return self._claim(statements)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                try:
                    link = _Link(self, client, socket.create_connection(self._target))
                except OSError:
                    client.close()
                    continue
                self._links.append(link)
                link.start()


class _Link:
    """One connection through the gate."""

    def __init__(self, gate: PostgresGate, client: socket.socket, server: socket.socket) -> None:
        self._gate = gate
        self._client, self._server = client, server
        self._named: dict[bytes, str] = {}
        self._statements: list[str] = []
        self._held_answer: Hold | None = None
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        for pump in (self._forth, self._back):
            threading.Thread(target=self._run, args=(pump,), daemon=True).start()

    def cut(self) -> None:
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _run(self, pump: Callable[[], None]) -> None:
        try:
            with contextlib.suppress(OSError, EOFError, ValueError):
                pump()
        finally:
            self.cut()

    def _forth(self) -> None:
        incoming = self._client.makefile("rb")
        self._begin(incoming)
        while True:
            kind, message = _read(incoming)
            statement = self._statement(kind, message[5:])
            if statement is not None and not self._may_pass(statement):
                return
            self._server.sendall(message)

    def _begin(self, incoming: BinaryIO) -> None:
        """Forward the startup message, which has no kind; before it may come a wish for encryption: no."""
        while True:
            head = _exactly(incoming, 8)
            length, code = struct.unpack("!ii", head)
            rest = _exactly(incoming, length - 8)
            if code not in (SSL_REQUEST, GSS_REQUEST):
                self._server.sendall(head + rest)
                return
            self._client.sendall(PLAIN)

    def _statement(self, kind: bytes, body: bytes) -> str | None:
        """Return the SQL that a message executes, None when it executes none."""
        if kind == b"Q":
            return body.rstrip(b"\0").decode()
        if kind == b"P":
            name, sql, _ = body.split(b"\0", 2)
            self._named[name] = sql.decode()
        if kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            return self._named[name]
        return None

    def _may_pass(self, statement: str) -> bool:
        if statement.upper().startswith("BEGIN"):
            self._statements = []
        if statement.upper() != "COMMIT":
            self._statements.append(statement)
            return True
        hold = self._gate.claim(self._statements)
        self._statements = []
        if hold is not None and hold.when == "before":
            return hold.stand()
        self._held_answer = hold
        return True

    def _back(self) -> None:
        incoming = self._server.makefile("rb")
        while True:
            kind, message = _read(incoming)
            if kind == b"C" and message[5:].startswith(b"COMMIT") and self._held_answer is not None:
                hold, self._held_answer = self._held_answer, None
                if not hold.stand():
                    return
            self._client.sendall(message)


def _read(incoming: BinaryIO) -> tuple[bytes, bytes]:
    """Return one message's kind, and all of it."""
    head = _exactly(incoming, 5)
    return head[:1], head + _exactly(incoming, struct.unpack("!i", head[1:])[0] - 4)


def _exactly(incoming: BinaryIO, count: int) -> bytes:
    data = incoming.read(count)
    if len(data) < count:
        raise EOFError
    return data
