"""A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager as children.

No container engine, no root, several at once: each takes free ports and makes its own certificates. There is
no scheduler and no kubelet; workload.py makes the Nodes and Pods that a test needs.
"""

import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from devcluster import flags
from devcluster.binaries import PROGRAMS, find, missing, passed_over
from devcluster.builder import build
from devcluster.client import Client, Document, open_client, write_kubeconfig
from devcluster.errors import ApiAway, ApiRefused, DevclusterError, StartFailed
from devcluster.folders import make_folder, open_folder
from devcluster.ports import free_ports
from devcluster.processes import Child
from devcluster.progress import Progress
from devcluster.rights import WORKER, apply_worker_rights, request_token

READY_SECONDS = 60.0
_POLL_SECONDS = 0.03
NEEDED = ("etcd", "kube-apiserver", "kube-controller-manager")
_TRIES = 3
_PORT_TAKEN = "address already in use"
USERS = ("admin", "worker", "kube-proxy")


class ControlPlane:
    """One control plane; ``with ControlPlane() as cluster:`` or ``start()`` and ``stop()``.

    ``data_dir`` keeps what etcd holds from one start to the next; without it everything goes at stop. With
    several apiservers on the one etcd, the first one is what nothing else is said of.
    """

    def __init__(
        self, node_port_range: str = "30000-32767", data_dir: Path | None = None, apiservers: int = 1
    ) -> None:
        check_range(node_port_range)
        self.node_port_range = node_port_range
        self._data_dir = data_dir
        self._folder: flags.Folder | None = None
        self._lock: IO[str] | None = None
        self._children: dict[str, Child] = {}
        self._commands: dict[str, list[str]] = {}
        self._clients: dict[Path, Client] = {}
        self._ports: tuple[int, ...] = (0,) * apiservers
        self.binaries: dict[str, Path] = {}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The apiserver's port."""
        return self._ports[0]

    @property
    def url(self) -> str:
        """The apiserver's address."""
        return _url(self.port)

    @property
    def kubectl(self) -> Path | None:
        """Where kubectl is, None when no place has it."""
        found = find("kubectl", os.environ)
        return found.path if found else None

    @property
    def pids(self) -> dict[str, int]:
        """The processes by name."""
        return {name: child.pid for name, child in self._children.items()}

    def start(self) -> Self:
        """Start everything and return when the apiserver is ready and the worker's rights are in force.

        Raises:
            StartFailed: with the end of the log of the process that is to blame.
            DevclusterError: no binaries (see builder.build), or the data folder is in use.
        """
        if sys.platform != "linux":
            raise DevclusterError("devcluster runs on Linux only: elsewhere set WHARFINGER_KUBECONFIG.")
        self.binaries = find_binaries()
        self._open_folder()
        try:
            for left in reversed(range(_TRIES)):
                if self._try_start(last=left == 0):
                    break
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything; afterwards no process is left. Safe to repeat."""
        self._stop_children()
        if self._folder and self._data_dir is None:
            shutil.rmtree(self._folder.root, ignore_errors=True)
        self._folder = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def kubeconfig(self, user: str, apiserver: int = 1) -> Path:
        """Return the kubeconfig of a user.

        Args:
            user: ``admin`` (cluster-admin), ``worker`` (worker-rbac.yaml, no more) or ``kube-proxy``.
            apiserver: which of them it leads to, counted from 1; the last one has but the first.
        """
        if user not in USERS:
            raise ValueError(f"{user} is no user of devcluster: {' or '.join(USERS)}")
        if not 1 <= apiserver <= len(self._ports):
            raise ValueError(f"There is no apiserver {apiserver}: this control plane has {len(self._ports)}.")
        return self._running().kubeconfig(user, apiserver)

    def client(self, user: str, apiserver: int = 1) -> Client:
        """Return a user's client; it is closed with the control plane."""
        path = self.kubeconfig(user, apiserver)
        if path not in self._clients:
            self._clients[path] = open_client(path)
        return self._clients[path]

    def kill(self, name: str) -> None:
        """Kill -9 one of its processes, as a fault does; ``launch`` starts it again on its port."""
        self._children[name].kill()

    def lives(self, name: str) -> bool:
        """Return whether one of its processes runs."""
        return self._children[name].exit_code() is None

    def launch(self, name: str) -> None:
        """Start one of its processes, without waiting: at first, or again after its end."""
        log = self._running().log(name)
        self._children[name] = Child(name, self._commands[name], log)

    def is_ready(self) -> bool:
        """Return whether every apiserver says so."""
        try:
            for number in range(1, len(self._ports) + 1):
                self.client("admin", number).request("GET", "/readyz")
        except (ApiAway, ApiRefused):
            return False
        return True

    def add_namespace(self, name: str) -> None:
        """Create a namespace and wait until it can be used; one that is there already is fine."""
        admin = self.client("admin")
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        try:
            admin.request("POST", "/api/v1/namespaces", body)
        except ApiRefused as error:
            if error.status != 409:
                raise
        deadline = time.monotonic() + READY_SECONDS
        # Pods are refused until the controller manager has made this account.
        while not _is_there(admin, f"/api/v1/namespaces/{name}/serviceaccounts/default"):
            self._check_children()
            if time.monotonic() > deadline:
                phase = admin.request("GET", f"/api/v1/namespaces/{name}")["status"].get("phase")
                raise StartFailed(f"namespace {name} is no use after {READY_SECONDS:.0f} s: it is {phase}.")
            time.sleep(_POLL_SECONDS)

    def _open_folder(self) -> None:
        if self._data_dir is None:
            root, self._lock = make_folder()
        else:
            root = self._data_dir.absolute()
            self._lock = open_folder(root)
        self._folder = flags.Folder(root)
        (root / "logs").mkdir(exist_ok=True)

    def _try_start(self, last: bool) -> bool:
        """Start on new ports; return False when one of them was taken by somebody else meanwhile."""
        folder = self._running()
        etcd, peer, *own = free_ports(2 + len(self._ports), apart_from=self.node_port_range)
        self._ports = tuple(own)
        ports = flags.Ports(etcd, peer, self._ports)
        authority = flags.write_keys(folder, [_url(port) for port in self._ports])
        self._commands = self._command_lines(folder, ports)
        for name in self._commands:
            folder.log(name).unlink(missing_ok=True)
        try:
            *first, manager = self._commands
            for name in first:
                self.launch(name)
            deadline = time.monotonic() + READY_SECONDS
            for number in range(1, len(self._ports) + 1):
                self._await("/readyz", "admin", deadline, number)
            self.launch(manager)
            self._give_rights(folder, authority)
        except StartFailed:
            taken = any(_PORT_TAKEN in child.tail() for child in self._children.values())
            self._stop_children()
            if last or not taken:
                raise
            return False
        return True

    def _command_lines(self, folder: flags.Folder, ports: flags.Ports) -> dict[str, list[str]]:
        """Return how each process is started, in the order in which they are."""
        etcd, apiserver, manager = NEEDED
        servers = {
            flags.numbered(apiserver, number): [
                str(self.binaries[apiserver]),
                *flags.apiserver_flags(folder, ports, self.node_port_range, number),
            ]
            for number in range(1, len(self._ports) + 1)
        }
        return {
            etcd: [str(self.binaries[etcd]), *flags.etcd_flags(folder, ports)],
            **servers,
            manager: [str(self.binaries[manager]), *flags.controller_manager_flags(folder)],
        }

    def _give_rights(self, folder: flags.Folder, authority: bytes) -> None:
        """Make the worker's account and its kubeconfigs; return when its rights are in force everywhere."""
        deadline = time.monotonic() + READY_SECONDS
        apply_worker_rights(self.client("admin"))
        token = request_token(self.client("admin"))
        for number, port in enumerate(self._ports, start=1):
            write_kubeconfig(folder.kubeconfig("worker", number), _url(port), authority, WORKER, token)
            self._await("/api/v1/services?limit=1", "worker", deadline, number)

    def _await(self, path: str, user: str, deadline: float, apiserver: int) -> None:
        """Ask until the answer is 2xx: the apiserver starts, and learns of rights, in its own time."""
        while True:
            self._check_children()
            try:
                self.client(user, apiserver).request("GET", path)
            except (ApiAway, ApiRefused) as error:
                if time.monotonic() > deadline:
                    raise StartFailed(
                        f"kube-apiserver is not ready after {READY_SECONDS:.0f} s: {error}\n{self._tails()}"
                    ) from error
                time.sleep(_POLL_SECONDS)
            else:
                return

    def _check_children(self) -> None:
        for child in self._children.values():
            if (code := child.exit_code()) is not None:
                raise StartFailed(f"{child.name} ended with {code}. The end of {child.log}:\n{child.tail()}")

    def _tails(self) -> str:
        return "\n".join(f"The end of {child.log}:\n{child.tail(10)}" for child in self._children.values())

    def _stop_children(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients = {}
        # etcd last: an apiserver that has lost it waits for it until it is killed.
        for child in list(self._children.values())[1:]:
            child.ask_to_stop()
        for child in reversed(self._children.values()):
            child.stop()
        self._children = {}

    def _running(self) -> flags.Folder:
        if self._folder is None:
            raise DevclusterError("This control plane is not started: call start() or use it in a with.")
        return self._folder


def _url(port: int) -> str:
    return f"https://127.0.0.1:{port}"


def check_range(node_port_range: str) -> None:
    """Refuse what is no range of node ports; the apiserver would take a minute to say so."""
    if not re.fullmatch(r"\d{1,5}-\d{1,5}", node_port_range):
        raise DevclusterError(f"{node_port_range} is no range of node ports: write it as 30000-32767.")


def find_binaries(needed: Sequence[str] = NEEDED) -> dict[str, Path]:
    """Return programs by name, by default those that a control plane needs; what is missing is built."""
    if missing(needed, os.environ):
        progress = Progress()
        for sentence in passed_over(os.environ):
            progress.say(sentence)
        # Whoever builds wants to look at the cluster too, and these two come out of the same work.
        build(PROGRAMS, os.environ, progress)
    found = [find(name, os.environ) for name in needed]
    return {binary.name: binary.path for binary in found if binary}


def _is_there(client: Client, path: str) -> Document | None:
    try:
        return client.request("GET", path)
    except ApiRefused as error:
        if error.status != 404:
            raise
        return None
