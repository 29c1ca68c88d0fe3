"""Small servers that misbehave, for the gateway to meet."""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Handler = Callable[[socket.socket], None]


class Server:
    """Listens on loopback; every connection is handled in a thread. ``requests`` are the first of each."""

    def __init__(self, handle: Handler) -> None:
        self.handle = handle
        self.requests: list[str] = []
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.requests.append(read_request(connection))
            self.handle(connection)


def read_request(connection: socket.socket) -> str:
    """Return one request with its body; what came until then when the other side has hung up."""
    received = ""
    while chunk := connection.recv(65536):
        received += chunk.decode("latin-1")
        head, separator, body = received.partition("\r\n\r\n")
        length = re.search(r"(?i)\r\ncontent-length: (\d+)", head)
        if separator and len(body) >= int(length[1] if length else 0):
            break
    return received


@contextlib.contextmanager
def serving(handle: Handler) -> Iterator[Server]:
    """Run a server for the length of a block."""
    server = Server(handle)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join(5)


def answering(status: str, body: str, content_type: str = "application/json", *headers: str) -> Handler:
    """Return a handler that sends this one answer."""
    head = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return lambda connection: connection.sendall("\r\n".join([*head, "", body]).encode())


def trickling(start: bytes) -> Handler:
    """Return a handler that sends a beginning and then one byte a second, for as long as anybody listens."""

    def handle(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(60):
            time.sleep(1)
            connection.sendall(b"x")

    return handle


def write_kubeconfig(folder: Path, server: str, user: dict[str, Any] | None = None) -> Path:
    """Write a kubeconfig with one context, "here"."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user if user is not None else {"token": "a-token"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "here",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(document))
    return path
