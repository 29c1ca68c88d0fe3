"""FakeCluster: a Gateway in memory with the apiserver's behaviour that the reconciler depends on.

It passes tests/contract/test_gateway.py, the same suite as the real gateway. What it can do besides: lose an
answer, refuse a write, let somebody else act in between, and tell what was called.
"""

import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, NamedTuple

from service.cluster.gateway import Change, ChangeKind, Kind, Listing
from service.domain.errors import (
    ClusterAway,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    WriteForbidden,
)
from tests.fake_endpoints import NAMED_PORT, slice_of_pods, slice_ports
from tests.fake_ports import NodePorts
from tests.fake_rules import Key, carry_over, check_preconditions, defaulted, validate
from tests.fake_watch import Journal

Document = dict[str, Any]
WRITES = ("create", "replace", "delete")


class Call(NamedTuple):
    """One call of the Gateway; the last two are None for a list."""

    method: str
    namespace: str | None = None
    name: str | None = None


class FakeCluster:
    """One cluster. ``away`` makes every call fail with ``ClusterAway`` as long as it is set."""

    def __init__(self, first: int = 30000, last: int = 32767) -> None:
        self.node_ports = NodePorts(first, last)
        self.away = False
        self.calls: list[Call] = []
        self._services: dict[Key, Document] = {}
        self._slices: dict[Key, Document] = {}  # by the Service's key, without ports
        self._named_ports: dict[Key, int] = {}
        self._nodes: dict[str, Document] = {}
        self._config_maps: dict[Key, Document] = {}
        self._namespaces: dict[str, bool] = {"wharfinger": True}
        self._refusals: dict[str, deque[Exception]] = {}
        self._lost: dict[str, int] = {}
        self._hooks: dict[str, deque[Callable[[], object]]] = {}
        self._version = 0
        self._lock = threading.RLock()
        self._journal = Journal(self._lock)

    # The Gateway.

    def list(self, kind: Kind, keep: Callable[[Document], Document] | None = None) -> Listing:
        self._enter(f"list {kind}")
        with self._lock:
            items = [_as_item(thing) for thing in self._things(kind)]
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
            known = self._config_maps.get(key)
            if "resourceVersion" not in metadata and known is not None:
                raise ObjectExists(f'configmaps "{key[1]}" already exists')
            if "resourceVersion" in metadata and known is None:
                raise ObjectMissing(f'configmaps "{key[1]}" not found')
            if known is not None and known["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
                raise ObjectChanged(f'configmaps "{key[1]}": the object has been modified')
            if key[0] not in self._namespaces:
                raise ObjectMissing(f'namespaces "{key[0]}" not found')
            stored = deepcopy(config_map)
            stored["metadata"]["resourceVersion"] = self._next_version()
            self._config_maps[key] = stored
            return self._leave("put_config_map", stored)

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

    # What the apiserver does.

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

    def _post(self, sent: Document, manager: str) -> Document:
        service = defaulted(sent)
        metadata = service["metadata"]
        key = metadata["namespace"], metadata["name"]
        if key[0] not in self._namespaces:
            raise ObjectMissing(f'namespaces "{key[0]}" not found')
        if not self._namespaces[key[0]]:
            raise WriteForbidden(
                f'services "{key[1]}" is forbidden: unable to create new content in namespace {key[0]} '
                "because it is being terminated"
            )
        ports = self.node_ports.copy()
        ports.allocate(service)
        validate(service)
        if key in self._services:
            raise ObjectExists(f'services "{key[1]}" already exists')
        number = 1 + len(self._services) + self._version
        address = f"10.0.{number // 250 % 250}.{number % 250 + 1}"
        service["spec"] |= {"clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"]}
        service["spec"].setdefault("ipFamilyPolicy", "SingleStack")
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": _timestamp()}
        service["status"] = {"loadBalancer": {}}
        self.node_ports = ports
        return self._store(key, service, manager)

    def _put(self, sent: Document, manager: str) -> Document:
        service = defaulted(sent)
        metadata = service["metadata"]
        key = metadata["namespace"], metadata["name"]
        before = self._services.get(key)
        check_preconditions(key, before, metadata["uid"], metadata["resourceVersion"])
        assert before is not None
        carry_over(service, before)
        ports = self.node_ports.copy()
        ports.reallocate(service, before)
        validate(service)
        kept = ("uid", "creationTimestamp", "resourceVersion", "managedFields", "deletionTimestamp")
        for field in kept:
            metadata.pop(field, None)
            if field in before["metadata"]:
                metadata[field] = before["metadata"][field]
        service["status"] = before["status"]
        if service == before:
            return before
        self.node_ports = ports
        stored = self._store(key, service, manager)
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            self._drop(key)
        return stored

    def _remove(self, key: Key, uid: str | None = None, resource_version: str | None = None) -> None:
        service = self._services.get(key)
        if service is None:
            raise ObjectMissing(f'services "{key[1]}" not found')
        check_preconditions(key, service, uid, resource_version)
        if not service["metadata"].get("finalizers"):
            self._drop(key)
        elif "deletionTimestamp" not in service["metadata"]:
            service["metadata"]["deletionTimestamp"] = _timestamp()
            service["metadata"]["resourceVersion"] = self._next_version()
            self._journal.tell(ChangeKind.MODIFIED, service)

    def _drop(self, key: Key) -> None:
        service = deepcopy(self._services.pop(key))
        self.node_ports.release(service["spec"])
        service["metadata"]["resourceVersion"] = self._next_version()
        self._journal.tell(ChangeKind.DELETED, service)
        if key in self._slices:
            gone = self._slices[key] | {"ports": []}
            gone["metadata"] = gone["metadata"] | {"resourceVersion": self._next_version()}
            self._journal.tell(ChangeKind.DELETED, gone, Kind.ENDPOINT_SLICES)

    def _store(self, key: Key, service: Document, manager: str) -> Document:
        entry = {"manager": manager, "operation": "Update", "apiVersion": "v1", "time": _timestamp()}
        others = [e for e in service["metadata"].get("managedFields", ()) if e["manager"] != manager]
        service["metadata"]["managedFields"] = [*others, entry]
        service["metadata"]["resourceVersion"] = self._next_version()
        change = ChangeKind.MODIFIED if key in self._services else ChangeKind.ADDED
        self._journal.tell(change, service)
        self._services[key] = service
        self._tell_slice(key, change)
        return service

    def _things(self, kind: Kind) -> Iterable[Document]:
        if kind is Kind.SERVICES:
            return self._services.values()
        if kind is Kind.NODES:
            return self._nodes.values()
        return [self._slice(key) for key in self._slices if key in self._services]

    def _slice(self, key: Key) -> Document:
        return self._slices[key] | {"ports": slice_ports(self._services[key], self._named_ports[key])}

    def _tell_slice(self, key: Key, change: ChangeKind) -> None:
        """Let the endpoints controller write a slice anew, when there are pods and the Service."""
        if key in self._slices and key in self._services:
            metadata = self._slices[key]["metadata"]
            self._slices[key]["metadata"] = metadata | {"resourceVersion": self._next_version()}
            self._journal.tell(change, self._slice(key), Kind.ENDPOINT_SLICES)

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)


def _timestamp() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _as_item(document: Document) -> Document:
    """Return a copy as a list shows it: without apiVersion and kind."""
    return {
        field: deepcopy(value) for field, value in document.items() if field not in ("apiVersion", "kind")
    }
