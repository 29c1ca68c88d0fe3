"""What the reconciler needs of a cluster, as a protocol: three fenced writes and four reads.

Everything is raw JSON (dicts) in and out, no models. Each write is fenced by the apiserver itself (design.md
§7): a create is a POST and never an upsert, a change is a PUT with uid and resourceVersion, a delete carries
both as preconditions. Every call ends within ``CALL_TIMEOUT``.
"""

from typing import Protocol

from service.domain.spec import Document

CALL_TIMEOUT_SECONDS = 4.0
"""No call lasts longer. A lease must leave more than this, plus one second, before a write is started."""


class Gateway(Protocol):
    """One cluster.

    Every method may raise ``ClusterAway``: no answer in time, 5xx or 429; a write's outcome is unknown then.
    """

    def services(self) -> list[Document]:
        """Return every Service of the cluster."""

    def service(self, namespace: str, name: str) -> Document | None:
        """Return one Service by a direct read (never a cache), None when it is not there."""

    def endpoint_slices(self) -> list[Document]:
        """Return every EndpointSlice of the cluster."""

    def nodes(self) -> list[Document]:
        """Return every Node."""

    def create(self, service: Document) -> Document:
        """Create a Service; return it as the apiserver stored it.

        Raises:
            ObjectExists: the name is in use (409).
            PortAllocated: "provided port is already allocated"; also when the name exists and holds that
                port.
            ObjectMissing: the namespace is not there (404).
            WriteForbidden: RBAC, quota, a terminating namespace or an admission webhook (403).
            WriteRefused: any other 4xx.
        """

    def replace(self, service: Document) -> Document:
        """Put a Service, fenced by the uid and resourceVersion that it carries; return what is stored now.

        Raises:
            ObjectChanged: it changed or went meanwhile (409).
            PortAllocated, ObjectMissing, WriteForbidden, WriteRefused: as for ``create``.
            ValueError: it carries no uid or no resourceVersion; nothing was sent.
        """

    def delete(self, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Ask for a Service's deletion; it may stay for a while when it has finalizers.

        Raises:
            ObjectChanged: another uid or resourceVersion by now (409).
            ObjectMissing: not there (404).
            WriteForbidden, WriteRefused: as for ``create``.
        """
