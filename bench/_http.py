"""HTTP clients in processes of their own: each thread has one connection, kept alive, one request at a time.

They share the processors with what they measure, so they take as little as they can: bytes on a socket, and
of an answer its status and its length. ``python -m bench._http`` reads a Load from standard input and writes
how many requests were answered.
"""

import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import yaml

from bench._pgbench import WARM_UP_SECONDS

PROCESSES = 2
NUMBER = "NUMBER"
"""Stands in a path or body for a number that no other request has."""
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END_OF_HEADERS = b"\r\n\r\n"
APART = 1_000_000
"""So many numbers each thread may use."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent, for how long, by how many threads; ``kubeconfig`` names a client certificate for TLS.

    ``first`` is the first thread's first number; the next threads' stand ``APART``.
    """

    host: str
    port: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    threads: int
    seconds: float
    first: int
    kubeconfig: str | None = None


def rate(load: Load) -> float:
    """Return how many requests a second are answered with 201, the first moments left out.

    Raises:
        SystemExit: something else was answered.
    """
    each = load.threads // PROCESSES
    shares = [
        replace(load, threads=each, first=load.first + part * each * APART) for part in range(PROCESSES)
    ]
    command = [sys.executable, "-m", "bench._http"]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in shares
    ]
    for child, share in zip(children, shares, strict=True):
        assert child.stdin is not None, "it was asked for"
        child.stdin.write(json.dumps(asdict(share)))
        child.stdin.close()
    said = [child.stdout.read() if child.stdout else "" for child in children]
    if any(child.wait() for child in children):
        raise SystemExit("A client was answered with something else than 201; it says above with what.")
    return sum(map(int, said)) / (load.seconds - WARM_UP_SECONDS)


def main() -> None:
    """Send what standard input says, and write how many were answered."""
    load = Load(**json.loads(sys.stdin.read()))
    tls = _tls(Path(load.kubeconfig)) if load.kubeconfig else None
    with ThreadPoolExecutor(load.threads) as pool:
        print(sum(pool.map(lambda thread: _send(load, thread, tls), range(load.threads))))


def _send(load: Load, thread: int, tls: ssl.SSLContext | None) -> int:
    connection: socket.socket = socket.create_connection((load.host, load.port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        connection = tls.wrap_socket(connection, server_hostname=load.host)
    headers = "".join(f"{name}: {value}\r\n" for name, value in load.headers.items())
    number = load.first + thread * APART
    done = 0
    warm = time.perf_counter() + WARM_UP_SECONDS
    end = time.perf_counter() + load.seconds
    while time.perf_counter() < end:
        number += 1
        body = load.body.replace(NUMBER, str(number)).encode()
        line = f"{load.method} {load.path.replace(NUMBER, str(number))} HTTP/1.1\r\nHost: {load.host}\r\n"
        connection.sendall(f"{line}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        status, said = _answer(connection)
        if status != 201:
            raise SystemExit(f"{load.method} {load.path} was answered with {status}: {said.decode()}")
        done += warm < time.perf_counter() < end
    connection.close()
    return done


def _answer(connection: socket.socket) -> tuple[int, bytes]:
    """Return the status and the body of an answer that tells its length."""
    said = b""
    while (end := said.find(END_OF_HEADERS)) < 0:
        said += _more(connection)
    length = LENGTH.search(said, 0, end)
    if length is None:
        raise SystemExit(f"An answer does not tell its length: {said[:end].decode()}")
    whole = end + len(END_OF_HEADERS) + int(length[1])
    while len(said) < whole:
        said += _more(connection)
    return int(said[9:12]), said[end + len(END_OF_HEADERS) :]


def _more(connection: socket.socket) -> bytes:
    found = connection.recv(65536)
    if not found:
        raise SystemExit("The connection was closed in the middle of an answer.")
    return found


def _tls(kubeconfig: Path) -> ssl.SSLContext:
    document = yaml.safe_load(kubeconfig.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    tls = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as file:  # ssl reads certificates from files only
        file.write(b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"]))
        file.flush()
        tls.load_cert_chain(file.name)
    return tls


if __name__ == "__main__":
    main()
