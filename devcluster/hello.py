"""``python -m devcluster.hello TEXT PORT``: the workload of demo and tests, TCP and UDP on 127.0.0.1:PORT.

Every HTTP path is answered with TEXT and a newline, every datagram with TEXT. PORT 0 takes a free one; the
first line on standard output is the port. It ends when the process that started it does.
"""

import http.server
import os
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from devcluster.control_plane import ControlPlane
from devcluster.errors import StartFailed
from devcluster.processes import Child, python_environment
from devcluster.workload import add_pod

CONTAINER_PORT = 8000
_LOOK_SECONDS = 0.5
_STOP_LOOK_SECONDS = 0.05


def main(text: str, port: int) -> None:
    """Serve until the parent is gone."""
    parent = os.getppid()
    answers = Answers(text, "127.0.0.1", port)
    sys.stdout.write(f"{answers.port}\n")
    sys.stdout.flush()
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)


class Answers:
    """The workload in threads of this process, at one address; ``port`` is where it answers."""

    def __init__(self, text: str, address: str, port: int) -> None:
        """Listen and begin to answer; ``port`` 0 takes a free one."""
        stream = _StreamServer((address, port), _http_answer((text + "\n").encode()))
        self.port = int(stream.server_address[1])
        datagrams = socketserver.UDPServer((address, self.port), _datagram_answer(text.encode()))
        self._servers: tuple[socketserver.BaseServer, ...] = (stream, datagrams)
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(_STOP_LOOK_SECONDS,), daemon=True)
            for server in self._servers
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Answer no more."""
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


class _StreamServer(socketserver.ThreadingTCPServer):
    """The one of http.server looks its own name up, and in a network of ours no name server answers."""

    allow_reuse_address = True
    daemon_threads = True


class Hello:
    """This program as a child process; ``port`` is where it answers."""

    def __init__(self, text: str, port: int = 0) -> None:
        """``port`` 0 takes a free one."""
        self.text = text
        self.port = port
        self._child: Child | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it and return when it listens."""
        command = [sys.executable, "-m", "devcluster.hello", self.text, str(self.port)]
        self._child = Child("hello", command, environment=python_environment())
        line = self._child.output.readline()
        if not line:
            self.stop()
            raise StartFailed(f"the workload {self.text} did not start; what it said stands above.")
        self.port = int(line)
        return self

    def stop(self) -> None:
        """Stop it. Safe to repeat."""
        if self._child:
            self._child.stop()
            self._child = None


@contextmanager
def serve_pod(control_plane: ControlPlane, namespace: str, number: int) -> Iterator[Hello]:
    """Make the Pod ``hello`` (``app: hello``, port 8000 named ``http``) that answers with its namespace.

    Args:
        control_plane: it runs.
        namespace: it can be used.
        number: 0 to 99, another one for each Pod: its address is 192.0.2.(10 + number).
    """
    with Hello(namespace) as hello:
        add_pod(
            control_plane.client("admin"),
            namespace,
            "hello",
            {"app": "hello"},
            f"192.0.2.{10 + number}",
            {"http": CONTAINER_PORT},
            local_ports={CONTAINER_PORT: hello.port},
        )
        yield hello


def _http_answer(body: bytes) -> type[http.server.BaseHTTPRequestHandler]:
    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Answer


def _datagram_answer(answer: bytes) -> type[socketserver.BaseRequestHandler]:
    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request[1].sendto(answer, self.client_address)

    return Answer


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[2].isdecimal():
        sys.stderr.write("usage: python -m devcluster.hello TEXT PORT\n")
        sys.exit(2)
    main(sys.argv[1], int(sys.argv[2]))
