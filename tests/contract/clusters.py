"""Both clusters of the contract suite behind one small interface: a gateway, and somebody else's hands."""

import itertools
import os
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import quote

from service.cluster.gateway import Gateway
from tests.fakes import FakeCluster

Document = dict[str, Any]
FIRST, LAST = 30000, 30040
HAND = "kubectl-edit"
"""The field manager of somebody else's hands."""
_numbers = itertools.count(1)


class Cluster(Protocol):
    """A gateway and somebody else's hands on its cluster. ``first`` to ``last``: its node ports."""

    gateway: Gateway
    first: int
    last: int

    def add_namespace(self) -> str: ...
    def end_namespace(self, name: str) -> None: ...
    def hand_edit(self, namespace: str, name: str, change: Callable[[Document], object]) -> Document: ...
    def remove(self, namespace: str, name: str) -> None: ...
    def add_node(self, name: str, address: str) -> None: ...


class Imagined:
    """The fake."""

    first, last = FIRST, LAST

    def __init__(self) -> None:
        self.fake = FakeCluster(FIRST, LAST)
        self.gateway: Gateway = self.fake

    def add_namespace(self) -> str:
        name = f"contract-{next(_numbers)}"
        self.fake.add_namespace(name)
        return name

    def end_namespace(self, name: str) -> None:
        self.fake.end_namespace(name)

    def hand_edit(self, namespace: str, name: str, change: Callable[[Document], object]) -> Document:
        return self.fake.hand_edit(namespace, name, change)

    def remove(self, namespace: str, name: str) -> None:
        self.fake.remove(namespace, name)

    def add_node(self, name: str, address: str) -> None:
        self.fake.add_node(name, address)


class Real:
    """A kube-apiserver: the gateway as the worker's ServiceAccount, the other person as its admin.

    A namespace that one test has left empty serves the next one: to make it takes longer than most tests.
    """

    first, last = FIRST, LAST

    def __init__(self, control_plane: Any, gateway: Gateway) -> None:
        self.control_plane = control_plane
        self.gateway = gateway
        self.namespaces: list[str] = []
        self._ended: set[str] = set()
        self._empty: list[str] = []

    def request(self, method: str, path: str, body: Document | None = None) -> Document:
        document: Document = self.control_plane.client("admin").request(method, path, body)
        return document

    def add_namespace(self) -> str:
        if self._empty:
            name = self._empty.pop()
        else:
            name = f"contract-{os.getpid()}-{next(_numbers)}"
            self.control_plane.add_namespace(name)
        self.namespaces.append(name)
        return name

    def end_namespace(self, name: str) -> None:
        self.request("DELETE", f"/api/v1/namespaces/{name}")
        self._ended.add(name)
        time.sleep(0.5)  # admission reads namespaces from a cache, and no API tells what it has seen

    def hand_edit(self, namespace: str, name: str, change: Callable[[Document], object]) -> Document:
        path = _path(namespace, name)
        edited = self.request("GET", path)
        change(edited)
        return self.request("PUT", f"{path}?fieldManager={HAND}", edited)

    def remove(self, namespace: str, name: str) -> None:
        self.request("DELETE", _path(namespace, name))

    def add_node(self, name: str, address: str) -> None:
        self.request(
            "POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        )
        path = f"/api/v1/nodes/{name}/status"
        node = self.request("GET", path)
        node["status"]["addresses"] = [{"type": "InternalIP", "address": address}]
        node["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
        self.request("PUT", path, node)

    def clear(self) -> None:
        """Release every node port that the test took."""
        for service in self.request("GET", "/api/v1/services")["items"]:
            metadata = service["metadata"]
            if metadata["namespace"] not in self.namespaces:
                continue
            if metadata.get("finalizers"):
                service["metadata"]["finalizers"] = []
                self.request("PUT", _path(metadata["namespace"], metadata["name"]), service)
            if "deletionTimestamp" not in metadata:
                self.remove(metadata["namespace"], metadata["name"])
        self._empty += (name for name in self.namespaces if name not in self._ended)
        self.namespaces.clear()


def _path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/services/{quote(name)}"
