"""The Services of one cluster as list and watch have shown them, without the fields that nobody reads.

It may be behind. So after a write of ours the key rests until the cache has come as far as that write: then
nothing is planned from before it. Every list, change and object has a version out of one sequence, so one
number says how far the cache is. The versions of one kind may be compared as numbers: KEP-5504, and so did
every etcd before it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.cluster.gateway import Change, ChangeKind, ServiceList
from service.domain.errors import ClusterAway
from service.domain.plan import Observed, Ref
from service.domain.spec import Document

_IDENTITY = ("namespace", "name", "uid", "resourceVersion", "labels", "annotations")
_METADATA = (*_IDENTITY, "deletionTimestamp", "finalizers")
_APPLIED_BY_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"
"""A second copy of the whole object."""


@dataclass(frozen=True, slots=True)
class Look:
    """The Services at one moment. ``resting``: the keys for which the cache is behind a write of ours."""

    services: Mapping[Ref, Observed]
    resting: frozenset[Ref] = frozenset()


class ServiceCache:
    """One cluster's Services; the watch writes, the cycle looks, each in its own thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._services: dict[Ref, Observed] = {}
        self._version: int | None = None
        self._writes: dict[Ref, int] = {}
        self._problem: str | None = None

    def look(self) -> Look | None:
        """Return what is known now; None: nothing was listed yet.

        Raises:
            ClusterAway: list and watch do not get on.
        """
        with self._lock:
            if self._problem is not None:
                raise ClusterAway(self._problem)
            if self._version is None:
                return None
            return Look(dict(self._services), frozenset(self._writes))

    def relisted(self, listed: ServiceList) -> None:
        """Take a fresh list in place of everything that was known."""
        observed = [Observed(trimmed(service)) for service in listed.items]
        with self._lock:
            self._services = {service.ref: service for service in observed}
            self._problem = None
            if self._version is not None and int(listed.resource_version) < self._version:
                self._writes.clear()  # etcd was restored from a backup: that write is gone
            self._come_to(listed.resource_version)

    def saw(self, change: Change) -> bool:
        """Take a change in; return whether it makes a difference to anybody."""
        service = None if change.kind is ChangeKind.BOOKMARK else Observed(trimmed(change.service))
        with self._lock:
            self._come_to(change.resource_version)
            if service is None:
                return False
            before = self._services.pop(service.ref, None)
            if change.kind is ChangeKind.DELETED:
                return before is not None
            self._services[service.ref] = service
            return before is None or _content(before) != _content(service)

    def failed(self, problem: str) -> None:
        """Say why what is known may be old; a list ends that."""
        with self._lock:
            self._problem = problem

    def wrote(self, stored: Document) -> None:
        """Let a key rest until the cache has come as far as this write of ours."""
        written = Observed(stored)
        with self._lock:
            if self._version is None or int(written.resource_version) > self._version:
                self._writes[written.ref] = int(written.resource_version)

    def _come_to(self, version: str) -> None:
        self._version = int(version)
        self._writes = {ref: write for ref, write in self._writes.items() if write > self._version}


def trimmed(service: Mapping[str, Any]) -> Document:
    """Return a Service with the fields that are used: managedFields alone are often half of it."""
    metadata, status = service["metadata"], service.get("status") or {}
    kept: Document = {field: metadata[field] for field in _METADATA if field in metadata}
    if _APPLIED_BY_KUBECTL in (kept.get("annotations") or {}):
        kept["annotations"] = {k: v for k, v in kept["annotations"].items() if k != _APPLIED_BY_KUBECTL}
    return {
        "metadata": kept,
        "spec": service["spec"],
        "status": {"loadBalancer": status.get("loadBalancer") or {}},
    }


def _content(service: Observed) -> Document:
    document = service.service
    return document | {"metadata": document["metadata"] | {"resourceVersion": None}}
