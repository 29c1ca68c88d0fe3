"""A gate in front of a kube-apiserver: plain HTTP on this side, TLS and the same token on the other."""

import base64
import contextlib
import ssl
import sys
import threading
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.e2e.gates import Gate, Hold

READ_SECONDS = 60.0
"""Longer than any client waits: a call that was let go is told of, also when nobody listens any more."""

PASSED_ON = ("Authorization", "Accept", "Content-Type", "User-Agent")


@dataclass(frozen=True)
class Call:
    """One request, as far as a test tells it from others."""

    method: str
    path: str
    status: int | None = None
    """What it was answered with, once it was."""

    def is_for(self, method: str, namespace: str) -> bool:
        """Return whether it is a call of that method on the Services of a namespace."""
        return self.method == method and f"/namespaces/{namespace}/services" in self.path

    def is_write(self) -> bool:
        """Return whether it may change a Service."""
        return self.method != "GET" and "/services" in self.path

    def is_mark(self) -> bool:
        """Return whether it writes the ledger's mark."""
        return self.method == "PUT" and "/configmaps/" in self.path

    def is_watch(self) -> bool:
        """Return whether its answer has no end."""
        return "watch=true" in self.path


class HttpGate(Gate):
    """Listens on loopback; ``kubeconfig`` leads through it, ``executed`` are the calls that were answered."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        super().__init__()
        document = yaml.safe_load(kubeconfig.read_text())
        [entry] = document["clusters"]
        self._url = entry["cluster"]["server"]
        self._pool = urllib3.PoolManager(ssl_context=_trust(entry["cluster"]), retries=False, maxsize=8)
        self.executed: list[Call] = []
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        entry["cluster"] = {"server": f"http://127.0.0.1:{self._server.server_port}"}
        self.kubeconfig = folder / "gated.kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(document))

    def close(self) -> None:
        """Stop listening; drop what is held."""
        self.open()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._pool.clear()

    def claim(self, call: Call) -> Hold | None:
        """Return the armed point if this is its call."""
        return self._claim(call)

    def send(self, call: Call, headers: dict[str, str], body: bytes | None) -> urllib3.BaseHTTPResponse:
        """Send a call on to the apiserver; return its answer, the body of a watch unread."""
        url, whole = self._url + call.path, not call.is_watch()
        timeout = urllib3.Timeout(connect=5, read=READ_SECONDS if whole else None)
        answer = self._pool.request(
            call.method, url, headers=headers, body=body, timeout=timeout, preload_content=whole
        )
        if whole:
            self.executed.append(replace(call, status=answer.status))
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hangs up: it was killed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _trust(cluster: dict[str, Any]) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())


def _handler_of(gate: HttpGate) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def pass_on(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            headers = {name: self.headers[name] for name in PASSED_ON if self.headers[name]}
            call = Call(self.command, self.path)
            hold = gate.claim(call)
            if hold and hold.when == "before" and not hold.stand():
                self.close_connection = True
                return
            try:
                answer = gate.send(call, headers, body)
            except urllib3.exceptions.HTTPError:
                self.close_connection = True
                return
            if hold and hold.when == "after" and not hold.stand():
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            if call.is_watch():
                self.stream(answer)
                return
            self.send_header("Content-Length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

        def stream(self, answer: urllib3.BaseHTTPResponse) -> None:
            """Pass a watch on as it comes, each line in a chunk as the apiserver does."""
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.close_connection = True
            with contextlib.closing(answer), contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
                for line in answer:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PUT = do_DELETE = pass_on

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
