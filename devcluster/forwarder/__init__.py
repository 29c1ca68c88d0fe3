"""The node's part, played on loopback: node ports and load-balancer addresses that answer.

A real node has a kube-proxy, and a cloud a load balancer; devcluster has neither root nor a cloud. This
process listens on 127.0.0.1:nodePort for every NodePort and LoadBalancer Service, gives each LoadBalancer
Service an address 127.0.1.N, and passes TCP and UDP on to the local process that stands for a ready Pod.

``watch`` keeps the cluster's objects; ``routes``, which is pure, says what they ask for; ``listeners`` makes
the sockets so; ``__main__`` joins the three. SCTP and session affinity are left out.
"""

import select
import sys
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from devcluster.errors import StartFailed
from devcluster.processes import Child, python_environment

READY_LINE = b"ready\n"
_READY_SECONDS = 20.0


class _HasKubeconfig(Protocol):
    def kubeconfig(self, user: str) -> Path: ...


class Forwarder:
    """The forwarder of one control plane as a child process; its complaints go to our standard error."""

    def __init__(self, control_plane: _HasKubeconfig) -> None:
        self._control_plane = control_plane
        self._child: Child | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process, 0 when it does not run."""
        return self._child.pid if self._child else 0

    def start(self) -> Self:
        """Start it and return when it knows the cluster."""
        kubeconfig = self._control_plane.kubeconfig("admin")
        command = [sys.executable, "-m", "devcluster.forwarder", str(kubeconfig)]
        self._child = Child("forwarder", command, environment=python_environment())
        readable, _, _ = select.select([self._child.output], [], [], _READY_SECONDS)
        if not readable or self._child.output.readline() != READY_LINE:
            self.stop()
            raise StartFailed("the forwarder did not become ready; what it said stands above.")
        return self

    def stop(self) -> None:
        """Stop it; its listeners and connections are closed. Safe to repeat."""
        if self._child:
            self._child.stop()
            self._child = None
