"""A TCP connection that can break: it cuts, delays and freezes what goes through it, whatever that is.

Unlike the gates it knows no protocol, so it stands in the midst of TLS as well.
"""

import contextlib
import socket
import threading
import time

CONNECT_SECONDS = 5.0
CHUNK = 65_536


class Wire:
    """Listens on loopback and leads to one port of it; ``port`` stays the same for its whole life."""

    def __init__(self, target: int, listener: socket.socket | None = None) -> None:
        """``listener``: one that was opened elsewhere, in a network of its own."""
        self._target = ("127.0.0.1", target)
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._delay_seconds = 0.0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.mend()
        self.cut()

    def cut(self) -> None:
        """Cut every connection that there is, in the midst of whatever it says; new ones may come."""
        with self._lock:
            cut, self._sockets = self._sockets, set()
        for end in cut:
            _hang_up(end)

    def freeze(self) -> None:
        """Hold back every byte, of new connections too, until it is mended: both ends hear nothing."""
        self._flows.clear()

    def delay(self, seconds: float) -> None:
        """Let each chunk of bytes wait so long, until it is mended."""
        self._delay_seconds = seconds

    def mend(self) -> None:
        """Let everything flow, what was held back first."""
        self._delay_seconds = 0.0
        self._flows.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, CONNECT_SECONDS)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets |= {client, server}
        threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
        self._pump(client, server)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Carry bytes one way until either end is gone; what was under way when it froze arrives later."""
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if self._delay_seconds:
                    time.sleep(self._delay_seconds)
                self._flows.wait()
                sink.sendall(data)
        with self._lock:
            self._sockets -= {source, sink}
        for end in (source, sink):
            _hang_up(end)


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
