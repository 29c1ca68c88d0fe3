"""The real kube-proxy on a node of network.py, with its own rights: who calls the node meets its rules.

The node has no way to this machine's loopback, where the apiserver listens. A relay stands at the same
address and port in the node's namespace, so kubeconfig and certificate serve there as they are.
"""

import contextlib
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3

from devcluster.control_plane import ControlPlane, find_binaries
from devcluster.errors import StartFailed
from devcluster.network import Namespace
from devcluster.processes import Child

_LOOPBACK = "127.0.0.1"
_HEALTH_PORT = 10256
_READY_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_CHUNK = 64 * 1024
# It ends when the node's addresses have changed, and counts on being started again.
_KUBELET = 'while :; do "$@"; sleep 0.05; done'


class KubeProxy:
    """kube-proxy of one node; ``with`` starts it and returns when it says that it is healthy."""

    def __init__(
        self, control_plane: ControlPlane, node: str, namespace: Namespace, pods: str, log: Path
    ) -> None:
        """``pods`` is the network of the cluster's Pods: who is not of it comes from outside."""
        self._control_plane = control_plane
        self._node = node
        self._namespace = namespace
        self._pods = pods
        self._log = log
        self._child: Child | None = None
        self._relay: Relay | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def tail(self) -> str:
        """Return the end of its log."""
        return self._child.tail(40) if self._child else ""

    def _start(self) -> None:
        program = find_binaries(("kube-proxy",))["kube-proxy"]
        self._relay = Relay(self._namespace, self._control_plane.port)
        command = ["sh", "-c", _KUBELET, "kubelet", str(program), *self._flags()]
        self._child = self._namespace.run(lambda: Child("kube-proxy", command, self._log))
        deadline = time.monotonic() + _READY_SECONDS
        while not self._namespace.run(_is_healthy):
            if time.monotonic() > deadline:
                raise StartFailed(f"kube-proxy is not ready. The end of {self._log}:\n{self.tail()}")
            time.sleep(_LOOK_SECONDS)

    def _flags(self) -> list[str]:
        """Return its flags: conntrack's limits, which are not of the namespace alone, stay as they are."""
        return [
            f"--kubeconfig={self._control_plane.kubeconfig('kube-proxy')}",
            "--proxy-mode=nftables",
            f"--hostname-override={self._node}",
            f"--cluster-cidr={self._pods}",
            # A test waits for each change: at most 20 times a second, not once.
            "--iptables-min-sync-period=50ms",
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
            f"--healthz-bind-address={_LOOPBACK}:{_HEALTH_PORT}",
            "--metrics-bind-address=",
        ]

    def _stop(self) -> None:
        if self._child:
            self._child.stop()
            self._child = None
        if self._relay:
            self._relay.close()
            self._relay = None


class Relay:
    """Passes TCP from a port of a namespace's loopback on to the same port of this machine's."""

    def __init__(self, namespace: Namespace, port: int) -> None:
        self._port = port
        self._listener = namespace.run(lambda: socket.create_server((_LOOPBACK, port)))
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Stop listening and cut every connection."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                self._ends.append(near)
                try:
                    far = socket.create_connection((_LOOPBACK, self._port))
                except OSError:
                    near.shutdown(socket.SHUT_RDWR)
                    continue
                self._ends.append(far)
                for source, target in ((near, far), (far, near)):
                    thread = threading.Thread(target=_pump, args=(source, target), daemon=True)
                    self._threads.append(thread)
                    thread.start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until either side ends; then end both."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _is_healthy() -> bool:
    url = f"http://{_LOOPBACK}:{_HEALTH_PORT}/healthz"
    with urllib3.PoolManager(retries=False, timeout=2) as pool:
        try:
            return pool.request("GET", url).status == 200
        except urllib3.exceptions.HTTPError:
            return False
