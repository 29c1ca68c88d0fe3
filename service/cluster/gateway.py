"""What the reconciler needs of a cluster, as a protocol: fenced writes, lists, watches, direct reads.

Everything is raw JSON (dicts) in and out, no models. Each write is fenced by the apiserver itself (design.md
§7): a create is a POST and never an upsert, a change is a PUT with uid and resourceVersion, a delete carries
both as preconditions. Every call but the watch ends within ``CALL_TIMEOUT_SECONDS``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from service.domain.spec import Document

CALL_TIMEOUT_SECONDS = 4.0
"""No call lasts longer. A lease must leave more than this, plus one second, before a write is started."""


class Kind(StrEnum):
    """What is listed and watched, by the name of its resource."""

    SERVICES = "services"
    ENDPOINT_SLICES = "endpointslices"
    NODES = "nodes"


@dataclass(frozen=True, slots=True)
class Listing:
    """All of a kind as it was at ``resource_version``: from there on a watch tells what changes."""

    items: list[Document]
    resource_version: str


class ChangeKind(StrEnum):
    """What happened; a bookmark only says how far the watch has come."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch. The ``thing`` of a bookmark has nothing but its resourceVersion."""

    kind: ChangeKind
    thing: Document

    @property
    def resource_version(self) -> str:
        """Return how far the watch has come with it."""
        return str(self.thing["metadata"]["resourceVersion"])


class Gateway(Protocol):
    """One cluster.

    Every method may raise ``ClusterAway``: no answer in time, 5xx or 429; a write's outcome is unknown then.
    """

    def list(self, kind: Kind, keep: Callable[[Document], Document] | None = None) -> Listing:
        """Return all of a kind, as the cluster has it now (never from a cache).

        Args:
            keep: what to keep of each item; a big cluster is never whole in memory then.

        Raises:
            ListTooOld: it took so long that the server has forgotten where it began: list again.
        """

    def watch(self, kind: Kind, since: str, seconds: int, stopping: Callable[[], bool]) -> Iterator[Change]:
        """Yield what happens to a kind, in order, until the time is over or somebody wants to stop.

        It ends sooner when the server ends it, or has said nothing for longer than bookmarks mostly take.

        Args:
            since: the resourceVersion of a list, or of the last change that was seen.
            seconds: how long the server is to watch.
            stopping: asked several times a second, also while the server is silent.

        Raises:
            ListTooOld: the server does not remember that version any more (410): list again.
            ClusterAway: the connection broke.
        """

    def service(self, namespace: str, name: str) -> Document | None:
        """Return one Service by a direct read (never a cache), None when it is not there."""

    def create(self, service: Document) -> Document:
        """Create a Service; return it as the apiserver stored it.

        Raises:
            ObjectExists: the name is in use (409).
            PortAllocated: "provided port is already allocated"; also when the name exists and holds that
                port.
            NamespaceMissing: the namespace is not there (404).
            NamespaceTerminating: it is being deleted (403).
            WebhookFailed: an admission webhook of the cluster does not work (500); nothing was written.
            WriteForbidden: RBAC, quota or an admission webhook (403).
            AddressRefused: the stated clusterIP is taken, or not of the cluster's (422).
            WriteRefused: any other 4xx.
        """

    def replace(self, service: Document) -> Document:
        """Put a Service, fenced by the uid and resourceVersion that it carries; return what is stored now.

        Raises:
            ObjectChanged: it changed or went meanwhile (409).
            FieldFixed: it has a field that never changes in place (422).
            PortAllocated, ObjectMissing, WebhookFailed, WriteForbidden, WriteRefused: as for ``create``.
            ValueError: it carries no uid or no resourceVersion; nothing was sent.
        """

    def config_map(self, namespace: str, name: str) -> Document | None:
        """Return a ConfigMap by a direct read, None when it is not there."""

    def put_config_map(self, config_map: Document) -> Document:
        """Create a ConfigMap that carries no resourceVersion, else replace what has that version; return it.

        Raises:
            ObjectExists, ObjectChanged: somebody else was faster (409).
            ObjectMissing: the namespace is not there (404), or the ConfigMap any more.
            WebhookFailed, WriteForbidden, WriteRefused: as for ``create``.
        """

    def delete(self, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Ask for a Service's deletion; it may stay for a while when it has finalizers.

        Raises:
            ObjectChanged: another uid or resourceVersion by now (409).
            ObjectMissing: not there (404).
            WebhookFailed, WriteForbidden, WriteRefused: as for ``create``.
        """
