"""A world whose node forwards real packets: pods and clients on cables to it, the real kube-proxy between.

Where an exposure answers is read from its ``status.access`` alone, as people do. A client sees who has
answered, or that nobody has.
"""

import http.client
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from devcluster.hello import Answers
from devcluster.kube_proxy import KubeProxy
from devcluster.network import Namespace, NodeNetwork
from devcluster.workload import NODE, add_node, add_pod
from tests.e2e.conftest import NODE_ADDRESS
from tests.e2e.parts import wait_until
from tests.e2e.world import Document, World, path_of

NODES, BALANCERS, CLIENTS, PODS = "192.0.2.0/24", "203.0.113.0/24", "198.51.100.0/25", "10.244.0.0/16"
EVERYWHERE = "0.0.0.0/0"
CLIENT, STRANGER = "198.51.100.10", "198.51.100.200"
"""One of CLIENTS, and one that is not."""

ANSWER_SECONDS = 0.5
"""Longer than any answer takes on these cables: who has not answered by then does not."""


@dataclass(frozen=True)
class Caller:
    """A host that calls addresses."""

    host: Namespace

    def ask(self, address: str, protocol: str = "TCP") -> str | None:
        """Return who answers at ``host:port``, None: nobody does."""
        name, _, port = address.rpartition(":")
        call = _get if protocol == "TCP" else _send
        try:
            return self.host.run(lambda: call(name, int(port)))
        except OSError:
            return None


def _get(address: str, port: int) -> str:
    connection = http.client.HTTPConnection(address, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode().strip()
    finally:
        connection.close()


def _send(address: str, port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(ANSWER_SECONDS)
        datagrams.connect((address, port))
        datagrams.send(b"who is there?")
        return datagrams.recv(100).decode()


class Traffic:
    """The world, its node, and two clients beside it.

    A client reaches nodes and load balancers, as from outside of a cluster: no route leads it to pods and
    cluster IPs.
    """

    def __init__(self, world: World, node: NodeNetwork, proxy: KubeProxy) -> None:
        self.world = world
        self.node_address = NODE_ADDRESS
        self.node = node
        self.proxy = proxy
        self.client, self.stranger = (
            Caller(node.attach(address, [NODES, BALANCERS])) for address in (CLIENT, STRANGER)
        )
        self.on_node = Caller(node.namespace)
        self._pods = 1
        self._steady: Document | None = None

    @contextmanager
    def worker_stands_still(self) -> Iterator[None]:
        """Stop the worker's process where it is, and let it go on afterwards."""
        self.world.worker.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.world.worker.signal(signal.SIGCONT)

    @contextmanager
    def pod(self, name: str, port: int = 8000, app: str | None = None) -> Iterator[Caller]:
        """Give a ready Pod that answers with its name, at a port called ``http``; it goes at the end."""
        self._pods += 1
        address = f"10.244.0.{self._pods}"
        world, namespace = self.world, self.world.namespaces["team-a"]
        host = self.node.attach(address, [EVERYWHERE])
        answers = host.run(lambda: Answers(name, address, port))
        try:
            add_pod(world.admin, namespace, name, {"app": app or name}, address, {"http": port})
            yield Caller(host)
            path = f"/api/v1/namespaces/{namespace}/pods/{name}"
            world.admin.request("DELETE", path, {"gracePeriodSeconds": 0})
        finally:
            answers.close()
            host.close()

    def ask_for(self, name: str, app: str, node_port: int | None = None, **spec: Any) -> Document:
        """Ask for an exposure, by default a NodePort, of the Pods of an app."""
        answer = self.world.submit(
            self.world.request(name, node_port=node_port, **{"selector": {"app": app}, **spec})
        )
        assert answer.status == 201, answer.text
        return answer.body

    def approve(self, exposure: Document) -> None:
        """Approve what waits, as it was read."""
        answer = self.world.review(self.world.read(exposure))
        assert answer.status == 201, answer.text

    def expose(self, name: str, app: str, node_port: int | None = None, **spec: Any) -> Document:
        """Ask for it, approve it; return it when it is live and ready."""
        exposure = self.ask_for(name, app, node_port, **spec)
        self.approve(exposure)
        return self.world.wait_for(exposure, "Active")

    def keep_steady(self, app: str) -> None:
        """Have an exposure that nothing ends: who still reaches it is not cut off by accident elsewhere."""
        self._steady = self.expose("steady", app)
        self.wait_for_answer(self.client, self.address(self._steady), app)

    def address(self, exposure: Document, port: int = 0, which: int = 0) -> str:
        """Return one of the addresses that ``status.access`` names now."""
        access = self.world.read(exposure)["status"]["access"]
        return str(access[port]["addresses"][which])

    def wait_for_answer(self, caller: Caller, address: str, who: str, protocol: str = "TCP") -> None:
        """Return when an address is answered by a Pod."""
        found: list[str | None] = []

        def look() -> bool:
            found.append(caller.ask(address, protocol))
            return found[-1] == who

        wait_until(look, lambda: f"{who} answers at {address}/{protocol}, but {found[-1]}: {self.logs()}", 5)

    def check_answers(self, caller: Caller, address: str, who: str) -> None:
        """Check that a Pod, and no other, answers there; several would take turns at random."""
        assert {caller.ask(address) for _ in range(8)} == {who}

    def answering_node_ports(self, caller: Caller) -> dict[int, str]:
        """Return who answers, by each number of the whole range that is answered at all."""
        first, last = map(int, self.world.control_plane.node_port_range.split("-"))
        found = {number: caller.ask(f"{self.node_address}:{number}") for number in range(first, last + 1)}
        return {number: who for number, who in found.items() if who}

    def wait_for_silence(self, caller: Caller, address: str, protocol: str = "TCP") -> None:
        """Return when nobody answers there any more, while the node still answers this caller elsewhere."""
        wait_until(lambda: caller.ask(address, protocol) is None, lambda: f"silence at {address}", 5)
        self.check_silence(caller, address, protocol)

    def check_silence(self, caller: Caller, address: str, protocol: str = "TCP") -> None:
        """Check that nobody answers there, while the node answers this caller elsewhere."""
        assert self._steady is not None
        assert caller.ask(address, protocol) is None
        assert caller.ask(self.address(self._steady)) == self._steady["spec"]["selector"]["app"]

    def change_node_address(self, address: str) -> None:
        """Let the node have another address, and say so in its Node as a kubelet does."""
        self.node.change_address(self.node_address, address)
        self.node_address = address
        add_node(self.world.admin, NODE, address)

    def change(self, exposure: Document, spec: Mapping[str, Any]) -> None:
        """Ask for a change."""
        headers = {"If_Match": "*", "Content_Type": "application/merge-patch+json"}
        answer = self.world.caller("ann").call("PATCH", path_of(exposure), {"spec": dict(spec)}, **headers)
        assert answer.status == 202, answer.text

    def post(self, exposure: Document, word: str, body: Document | None = None) -> None:
        """Suspend, resume or renew it."""
        answer = self.world.caller("ann").call("POST", f"{path_of(exposure)}/{word}", body, If_Match="*")
        assert answer.status == 202, answer.text

    def patch_by_hand(self, exposure: Document, patch: Document, subresource: str = "") -> None:
        """Change its Service as the cluster's admin."""
        self.world.admin.request("PATCH", service_path(exposure) + subresource, patch)

    def logs(self) -> str:
        """Return the ends of all logs."""
        return f"{self.world.logs()}\n--- kube-proxy\n{self.proxy.tail()}"


def service_path(exposure: Document) -> str:
    """Return the path of its Service in the kube-apiserver."""
    metadata = exposure["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}"
