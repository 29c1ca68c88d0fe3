"""The apiserver of FakeCluster: what it stores, what it refuses, and what it tells the watches of it."""

import threading
import uuid
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from service.cluster.gateway import ChangeKind, Kind
from service.domain.errors import (
    NamespaceMissing,
    NamespaceTerminating,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
)
from tests.fake_endpoints import slice_ports
from tests.fake_managers import timestamp, written
from tests.fake_ports import NodePorts
from tests.fake_rules import Key, carry_over, check_preconditions, cluster_ip, defaulted, validate
from tests.fake_watch import Journal

Document = dict[str, Any]


class FakeServer:
    """One apiserver in memory. Whoever calls holds its lock."""

    def __init__(self, first: int, last: int) -> None:
        self.node_ports = NodePorts(first, last)
        self._services: dict[Key, Document] = {}
        self._slices: dict[Key, Document] = {}  # by the Service's key, without ports
        self._named_ports: dict[Key, int] = {}
        self._nodes: dict[str, Document] = {}
        self._config_maps: dict[Key, Document] = {}
        self._namespaces: dict[str, bool] = {"wharfinger": True}
        self._version = 0
        self._lock = threading.RLock()
        self._journal = Journal(self._lock)

    def _post(self, sent: Document, manager: str) -> Document:
        service = defaulted(sent)
        metadata = service["metadata"]
        key = metadata["namespace"], metadata["name"]
        if key[0] not in self._namespaces:
            raise NamespaceMissing(f'namespaces "{key[0]}" not found')
        if not self._namespaces[key[0]]:
            raise NamespaceTerminating(
                f'services "{key[1]}" is forbidden: unable to create new content in namespace {key[0]} '
                "because it is being terminated"
            )
        ports = self.node_ports.copy()
        ports.allocate(service)
        validate(service)
        if key in self._services:
            raise ObjectExists(f'services "{key[1]}" already exists')
        address = cluster_ip(service, self._services.values(), self._version)
        service["spec"] |= {"clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"]}
        service["spec"].setdefault("ipFamilyPolicy", "SingleStack")
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp()}
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
            service["metadata"]["deletionTimestamp"] = timestamp()
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
        entries = written(self._services.get(key), service, manager, timestamp())
        service["metadata"]["managedFields"] = entries
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

    def _put_config_map(self, key: Key, sent: Document) -> Document:
        metadata = sent["metadata"]
        known = self._config_maps.get(key)
        if "resourceVersion" not in metadata and known is not None:
            raise ObjectExists(f'configmaps "{key[1]}" already exists')
        if "resourceVersion" in metadata and known is None:
            raise ObjectMissing(f'configmaps "{key[1]}" not found')
        if known is not None and known["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise ObjectChanged(f'configmaps "{key[1]}": the object has been modified')
        if key[0] not in self._namespaces:
            raise ObjectMissing(f'namespaces "{key[0]}" not found')
        stored = deepcopy(sent)
        stored["metadata"]["resourceVersion"] = self._next_version()
        self._config_maps[key] = stored
        return stored
