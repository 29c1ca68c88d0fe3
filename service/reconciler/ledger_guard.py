"""Keeps a cluster's mark of the ledger: read when the cluster is taken, written before each batch of actions.

The mark may run ahead of what was done, never behind. It is written with the version that was read, so a
second ledger on the same cluster is met at the next write at the latest; a look now and then finds it sooner.
Whoever is frozen goes on looking, and writes nothing, until an operator accepts this ledger.
"""

import logging
import threading

from service.cluster.gateway import Gateway
from service.domain.errors import ClusterError, ObjectChanged, ObjectExists
from service.domain.ledger_mark import NAME_PREFIX, LedgerMark, why_frozen
from service.domain.spec import Document
from service.reconciler.edge import Edge
from service.reconciler.recording import ACTOR
from service.store import audit, ledger
from service.store.identities import Cluster
from service.store.ledger import Newest

log = logging.getLogger(__name__)

COMMAND = "wharfinger cluster accept-ledger"
EVERY_SECONDS = 10.0
"""How often the mark is read again though nothing was to be done; a frozen one is at each look."""


class LedgerGuard:
    """One cluster's."""

    def __init__(self, cluster: Cluster, gateway: Gateway, edge: Edge) -> None:
        self._cluster, self._owner_id = cluster.name, cluster.owner_id
        self._gateway, self._edge = gateway, edge
        self._lock = threading.Lock()
        self._mark: LedgerMark | None = None
        self._version: str | None = None
        self._read_at: float | None = None
        self._why: str | None = None
        self._has_failed = False

    def may_write(self) -> bool:
        """Return whether the cluster is this ledger's; read anew when that is some time ago.

        A mark that could not be written is tried at each look, so that the reason stays in sight.

        Raises:
            ClusterError: the mark cannot be read or written.
            Busy, Unavailable: the database.
        """
        now = self._edge.monotonic()
        with self._lock:
            is_unsure = self._read_at is None or self._why is not None or self._has_failed
            if is_unsure or now - (self._read_at or 0.0) >= EVERY_SECONDS:
                self._read()
            return self._why is None

    def run_ahead(self, newest: Newest) -> bool:
        """Write down how far the ledger has come with some exposures; return whether it may act for them.

        Raises:
            ClusterError: the mark cannot be written.
            Busy, Unavailable: the database.
        """
        with self._lock:
            with self._edge.reading() as session:
                is_behind = why_frozen(self._mark, ledger.known(session, self._mark)) is not None
            if is_behind:  # the database was restored since the mark was read
                self._read()
            try:
                self._come_to(newest)
            except (ObjectChanged, ObjectExists):  # somebody else has written it: who holds the lease by now?
                self._read()
                self._come_to(newest)
            return self._why is None

    def _come_to(self, newest: Newest) -> None:
        """Write the mark, unless it is frozen: it never goes back.

        Also when nothing is new, as for a heal: the kube-apiserver stores nothing then, and says all the same
        whether another ledger has written since.
        """
        if self._why is not None:
            return
        mark = self._mark
        is_new = mark is None or newest.event_id > mark.event_id
        self._write(newest if mark is None or is_new else Newest(mark.event_id, mark.event_hash))

    def _read(self) -> None:
        """Read the mark and judge it."""
        found = self._gateway.config_map(self._edge.namespace, NAME_PREFIX + self._owner_id)
        mark = LedgerMark.of(found) if found is not None else None
        with self._edge.transaction() as session:
            known = ledger.known(session, mark)
            why = why_frozen(mark, known)
            # Taken also while nothing is frozen: else it would wait, unasked, for the next ledger.
            is_asked = ledger.take_acceptance(session, self._cluster)
            accepted = why is not None and is_asked
            if accepted:
                data = {"cluster": self._cluster, "reason": why}
                audit.append(session, "ledger-accepted", ACTOR, self._edge.now(), None, data)
            elif why is not None and self._why is None:
                data = {"cluster": self._cluster, "reason": why}
                audit.append(session, "ledger-behind-cluster", ACTOR, self._edge.now(), None, data)
            ledger.record_frozen(session, self._cluster, None if accepted else _message(why, self._cluster))
        if why is not None and self._why is None:
            log.warning("ledger is behind the cluster", extra={"cluster": self._cluster, "answer": why})
        self._version = None if found is None else str(found["metadata"]["resourceVersion"])
        self._mark = LedgerMark(known.ledger) if mark is None or accepted else mark
        self._why = None if accepted else why
        self._read_at = self._edge.monotonic()
        if self._why is None and (found is None or accepted or mark is None or self._has_failed):
            self._write(Newest(self._mark.event_id, self._mark.event_hash))

    def _write(self, newest: Newest) -> None:
        assert self._mark is not None
        mark = LedgerMark(self._mark.ledger, newest.event_id, newest.event_hash)
        document: Document = mark.document(self._edge.namespace, self._owner_id)
        if self._version is not None:
            document["metadata"]["resourceVersion"] = self._version
        self._has_failed = True
        try:
            stored = self._gateway.put_config_map(document)
        except (ObjectChanged, ObjectExists):
            raise
        except ClusterError as error:
            raise type(error)(_unwritten(document["metadata"], error)) from error
        self._mark, self._version = mark, str(stored["metadata"]["resourceVersion"])
        self._has_failed = False


def _message(why: str | None, cluster: str) -> str | None:
    if why is None:
        return None
    return (
        f"{why} Nothing is written there until somebody decides: wharfinger cluster accept-ledger {cluster}"
    )


def _unwritten(metadata: Document, error: ClusterError) -> str:
    return (
        f"ConfigMap {metadata['namespace']}/{metadata['name']}, the mark of the ledger, cannot be written: "
        f"{error}. Nothing is sent to the cluster until it can: let the worker have that namespace there, "
        "and the right to write ConfigMaps in it, and no webhook in its way that does not work."
    )
