"""One cluster's Services, EndpointSlices and Nodes as list and watch have shown them: what is used, no more.

It may be behind. So after a write of ours the key rests until the cache has come as far as that write: then
nothing is planned from before it. Every list, change and object of a kind has a version out of one sequence,
so one number says how far the cache is. They may be compared as numbers: KEP-5504, and so did every etcd
before it.

The watches write, each in its own thread; the cycle looks, and takes what is new since it looked last.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.cluster.gateway import Change, ChangeKind, Kind, Listing
from service.domain.errors import ClusterAway
from service.domain.plan import Observed, Ref
from service.domain.spec import Document
from service.reconciler.observe import (
    Endpoints,
    addresses_of,
    endpoints_of,
    owner_of,
    trimmed,
    trimmed_node,
    trimmed_slice,
)

KEPT: Mapping[Kind, Callable[[Document], Document]] = {
    Kind.SERVICES: trimmed,
    Kind.ENDPOINT_SLICES: trimmed_slice,
    Kind.NODES: trimmed_node,
}
"""What is kept of each item of a list while its other pages are read."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of some keys at one moment.

    Attributes:
        resting: the keys for which the cache is behind a write of ours.
        node_addresses: where node ports answer, sorted.
    """

    services: Mapping[Ref, Observed]
    slices: Mapping[Ref, tuple[Endpoints, ...]]
    resting: frozenset[Ref] = frozenset()
    node_addresses: tuple[str, ...] = ()


@dataclass(slots=True)
class News:
    """What is new: the keys that have changed, unless everything was listed again."""

    refs: set[Ref] = field(default_factory=set)
    everything: bool = False
    nodes: bool = False


class ClusterCache:
    """What one cluster has."""

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self._lock = threading.Lock()
        self._services: dict[Ref, Observed] = {}
        self._slices: dict[Ref, dict[str, Endpoints]] = {}
        self._nodes: dict[str, tuple[str, ...]] = {}
        self._versions: dict[Kind, int] = {}
        self._problems: dict[Kind, str] = {}
        self._writes: dict[Ref, int] = {}
        self._news = News()

    def look(self, refs: Iterable[Ref] | None = None) -> Look | None:
        """Return what is known now of some keys, or of all; None: not everything was listed yet.

        Raises:
            ClusterAway: list and watch do not get on.
        """
        with self._lock:
            if self._problems:
                raise ClusterAway(next(iter(self._problems.values())))
            if len(self._versions) < len(Kind):
                return None
            keys = self._services.keys() | self._slices.keys() if refs is None else set(refs)
            return Look(
                {ref: self._services[ref] for ref in keys & self._services.keys()},
                {ref: tuple(self._slices[ref].values()) for ref in keys & self._slices.keys()},
                frozenset(self._writes),
                tuple(sorted({address for addresses in self._nodes.values() for address in addresses})),
            )

    def take_news(self) -> News:
        """Return what is new since this was asked last."""
        with self._lock:
            news, self._news = self._news, News()
            return news

    def relisted(self, kind: Kind, listed: Listing) -> None:
        """Take a fresh list in place of everything that was known."""
        with self._lock:
            if kind is Kind.SERVICES:
                self._services = {service.ref: service for service in map(Observed, listed.items)}
            elif kind is Kind.ENDPOINT_SLICES:
                self._slices = {}
                for piece in listed.items:
                    self._add_slice(piece)
            else:
                self._nodes = {node["metadata"]["name"]: addresses_of(node) for node in listed.items}
            self._problems.pop(kind, None)
            self._come_to(kind, listed.resource_version)
            self._news.everything = True
            self._news.nodes |= kind is Kind.NODES

    def saw(self, kind: Kind, change: Change) -> bool:
        """Take a change in; return whether it makes a difference to anybody."""
        with self._lock:
            self._come_to(kind, change.resource_version)
            if change.kind is ChangeKind.BOOKMARK:
                return False
            is_gone = change.kind is ChangeKind.DELETED
            if kind is Kind.NODES:
                return self._saw_node(change.thing, is_gone)
            ref = owner_of(change.thing) if kind is Kind.ENDPOINT_SLICES else Observed(change.thing).ref
            if ref is None:
                return False
            see = self._saw_slice if kind is Kind.ENDPOINT_SLICES else self._saw_service
            is_news = see(ref, change.thing, is_gone)
            if is_news:
                self._news.refs.add(ref)
            return is_news

    def failed(self, kind: Kind, problem: str) -> None:
        """Say why what is known may be old; a list ends that."""
        with self._lock:
            self._problems[kind] = problem

    def wrote(self, stored: Document) -> None:
        """Let a key rest until the cache has come as far as this write of ours."""
        written = Observed(stored)
        with self._lock:
            if int(written.resource_version) > self._versions.get(Kind.SERVICES, -1):
                self._writes[written.ref] = int(written.resource_version)

    def _saw_service(self, ref: Ref, thing: Document, is_gone: bool) -> bool:
        before = self._services.pop(ref, None)
        if is_gone:
            return before is not None
        service = self._services[ref] = Observed(trimmed(thing))
        return before is None or _content(before) != _content(service)

    def _saw_slice(self, ref: Ref, piece: Document, is_gone: bool) -> bool:
        before = self._slices.get(ref, {}).get(piece["metadata"]["name"])
        if is_gone:
            self._slices.get(ref, {}).pop(piece["metadata"]["name"], None)
            if not self._slices.get(ref):
                self._slices.pop(ref, None)
            return before is not None
        self._add_slice(piece)
        return before != self._slices[ref][piece["metadata"]["name"]]

    def _add_slice(self, piece: Document) -> None:
        if ref := owner_of(piece):
            self._slices.setdefault(ref, {})[piece["metadata"]["name"]] = endpoints_of(piece)

    def _saw_node(self, node: Document, is_gone: bool) -> bool:
        name = node["metadata"]["name"]
        before, after = self._nodes.pop(name, ()), () if is_gone else addresses_of(node)
        if not is_gone:
            self._nodes[name] = after
        self._news.nodes |= before != after
        return before != after

    def _come_to(self, kind: Kind, version: str) -> None:
        is_restored = int(version) < self._versions.get(kind, 0)  # from a backup of etcd: our write is gone
        self._versions[kind] = int(version)
        if kind is Kind.SERVICES and self._writes:
            passed = {ref for ref, write in self._writes.items() if is_restored or write <= int(version)}
            for ref in passed:
                del self._writes[ref]
            self._news.refs |= passed  # they rest no more: whatever they need is due


def _content(service: Observed) -> Mapping[str, Any]:
    document = service.service
    return document | {"metadata": document["metadata"] | {"resourceVersion": None}}
