"""FakeCluster: a Gateway in memory with the apiserver's behaviour that the reconciler depends on.

It passes tests/contract/test_gateway.py, the same suite as the real gateway. What it can do besides, on
the way to the apiserver (tests/fake_server.py): lose an answer, refuse a write, let somebody else act in
between, and tell what was called.
"""

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import NamedTuple

from service.cluster.gateway import Change, ChangeKind, Kind, Listing
from service.domain.errors import ClusterAway
from tests.fake_endpoints import NAMED_PORT, slice_of_pods
from tests.fake_rules import as_item
from tests.fake_server import Document, FakeServer

WRITES = ("create", "replace", "delete")


class Call(NamedTuple):
    """One call of the Gateway; the last two are None for a list."""

    method: str
    namespace: str | None = None
    name: str | None = None


class FakeCluster(FakeServer):
    """One cluster. ``away`` makes every call fail with ``ClusterAway`` as long as it is set."""

    def __init__(self, first: int = 30000, last: int = 32767) -> None:
        super().__init__(first, last)
        self.away = False
        self.calls: list[Call] = []
        self._refusals: dict[str, deque[Exception]] = {}
        self._lost: dict[str, int] = {}
        self._hooks: dict[str, deque[Callable[[], object]]] = {}

    # The Gateway.

    def list(self, kind: Kind, keep: Callable[[Document], Document] | None = None) -> Listing:
        self._enter(f"list {kind}")
        with self._lock:
            items = [as_item(thing) for thing in self._things(kind)]
            return Listing(list(map(keep, items)) if keep else items, str(self._version))

    def watch(self, kind: Kind, since: str, seconds: int, stopping: Callable[[], bool]) -> Iterator[Change]:
        self._enter(f"watch {kind}")
        yield from self._journal.follow(kind, int(since), seconds, stopping, lambda: self.away)

    def service(self, namespace: str, name: str) -> Document | None:
        self._enter("service", namespace, name)
        return deepcopy(self._services.get((namespace, name)))

    def create(self, service: Document) -> Document:
        with self._lock:
            self._enter("create", service["metadata"]["namespace"], service["metadata"]["name"])
            return self._leave("create", self._post(service, "wharfinger"))

    def replace(self, service: Document) -> Document:
        metadata = service["metadata"]
        if not metadata.get("uid") or not metadata.get("resourceVersion"):
            raise ValueError("a Service without uid and resourceVersion: the PUT would not be fenced")
        with self._lock:
            self._enter("replace", metadata["namespace"], metadata["name"])
            return self._leave("replace", self._put(service, "wharfinger"))

    def config_map(self, namespace: str, name: str) -> Document | None:
        self._enter("config_map", namespace, name)
        return deepcopy(self._config_maps.get((namespace, name)))

    def put_config_map(self, config_map: Document) -> Document:
        metadata = config_map["metadata"]
        key = metadata["namespace"], metadata["name"]
        with self._lock:
            self._enter("put_config_map", *key)
            return self._leave("put_config_map", self._put_config_map(key, config_map))

    def delete(self, namespace: str, name: str, uid: str, resource_version: str) -> None:
        with self._lock:
            self._enter("delete", namespace, name)
            self._remove((namespace, name), uid, resource_version)
            self._leave("delete", {})

    # What a test says about the cluster. None of it is logged in ``calls`` and no fault touches it.

    def add_namespace(self, name: str) -> None:
        """Make a namespace."""
        self._namespaces[name] = True

    def end_namespace(self, name: str) -> None:
        """Let a namespace terminate: nothing new can be made in it."""
        self._namespaces[name] = False

    def add_node(self, name: str, address: str, ready: bool = True, external: str | None = None) -> None:
        """Make or change a node; ``address`` is its InternalIP."""
        addresses = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]
        if external:
            addresses.append({"type": "ExternalIP", "address": external})
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        with self._lock:
            node = {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "uid": str(uuid.uuid4()), "resourceVersion": self._next_version()},
                "spec": {},
                "status": {"addresses": addresses, "conditions": [condition]},
            }
            change = ChangeKind.MODIFIED if name in self._nodes else ChangeKind.ADDED
            self._nodes[name] = node
            self._journal.tell(change, node, Kind.NODES)

    def remove_node(self, name: str) -> None:
        """Take a node away."""
        with self._lock:
            node = self._nodes.pop(name)
            node["metadata"]["resourceVersion"] = self._next_version()
            self._journal.tell(ChangeKind.DELETED, node, Kind.NODES)

    def add_endpoints(
        self, namespace: str, service: str, ready: int = 1, unready: int = 0, named_port: int = NAMED_PORT
    ) -> None:
        """Let pods run that a Service of that name selects, in place of those there were.

        As with the real controller there is a slice only while there is the Service, now or later.
        """
        with self._lock:
            change = ChangeKind.MODIFIED if (namespace, service) in self._slices else ChangeKind.ADDED
            self._slices[namespace, service] = slice_of_pods(namespace, service, ready, unready)
            self._named_ports[namespace, service] = named_port
            self._tell_slice((namespace, service), change)

    def add_service(self, service: Document, manager: str = "kubectl-create") -> Document:
        """Create a Service as somebody else."""
        with self._lock:
            return self._post(service, manager)

    def hand_edit(
        self, namespace: str, name: str, change: Callable[[Document], object], manager: str = "kubectl-edit"
    ) -> Document:
        """Change a Service as somebody else: ``change`` edits the document in place."""
        with self._lock:
            edited = deepcopy(self._services[namespace, name])
            change(edited)
            return self._put(edited, manager)

    def set_ingress(self, namespace: str, name: str, *addresses: str) -> None:
        """Let the load balancer give a Service its addresses."""
        with self._lock:
            service = self._services[namespace, name]
            service["status"] = {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}
            service["metadata"]["resourceVersion"] = self._next_version()
            self._journal.tell(ChangeKind.MODIFIED, service)

    def remove(self, namespace: str, name: str) -> None:
        """Delete a Service as somebody else; it stays while it has finalizers."""
        with self._lock:
            self._remove((namespace, name))

    def bookmark(self) -> None:
        """Tell every watch how far it has come."""
        with self._lock:
            version = {"metadata": {"resourceVersion": self._next_version()}}
            for kind in Kind:
                self._journal.tell(ChangeKind.BOOKMARK, version, kind)

    def drop_watches(self) -> None:
        """Break the connection of every watch that is open."""
        with self._lock:
            self._journal.drop()

    def forget_changes(self) -> None:
        """Let no watch begin before now, nor go on from there."""
        with self._lock:
            self._journal.forget(int(self._next_version()))

    def peek(self, namespace: str, name: str) -> Document | None:
        """Return a Service as it is stored."""
        return deepcopy(self._services.get((namespace, name)))

    def writes(self) -> Sequence[Call]:
        """Return the writes among the calls."""
        return [call for call in self.calls if call.method in WRITES]

    def lose_answer_of(self, method: str, times: int = 1) -> None:
        """Let the next calls happen, and answer them with ``ClusterAway``."""
        self._lost[method] = self._lost.get(method, 0) + times

    def refuse_next(self, method: str, error: Exception) -> None:
        """Answer the next call with this error; nothing happens. Called twice, it refuses two."""
        self._refusals.setdefault(method, deque()).append(error)

    def before_next(self, method: str, hook: Callable[[], object]) -> None:
        """Let somebody act between the decision for the next call and its arrival."""
        self._hooks.setdefault(method, deque()).append(hook)

    # What happens to each call on its way.

    def _enter(self, method: str, namespace: str | None = None, name: str | None = None) -> None:
        self.calls.append(Call(method, namespace, name))
        if self._hooks.get(method):
            self._hooks[method].popleft()()
        if self.away:
            raise ClusterAway("no answer from the apiserver: it is away")
        if self._refusals.get(method):
            raise self._refusals[method].popleft()

    def _leave(self, method: str, answer: Document) -> Document:
        if self._lost.get(method):
            self._lost[method] -= 1
            raise ClusterAway("no answer from the apiserver: the answer was lost")
        return deepcopy(answer)
