"""What is written down of a cluster as a whole: that it was looked at, where its nodes are, what is wrong."""

from collections.abc import Sequence

from service.reconciler.edge import Edge
from service.reconciler.recording import ACTOR
from service.store import audit, sync

EVERY_SECONDS = 1.0
"""How often a look is written down where nothing has changed: looks come as often as there is news."""


class View:
    """One cluster's."""

    def __init__(self, cluster: str, edge: Edge) -> None:
        self._cluster, self._edge = cluster, edge
        self._addresses: Sequence[str] | None = None
        self._due_at = 0.0

    def saw(self, node_addresses: Sequence[str]) -> None:
        """Write down a look. Other node addresses are one event, however many exposures they touch."""
        if node_addresses == self._addresses and self._edge.monotonic() < self._due_at:
            return
        now = self._edge.now()
        with self._edge.transaction() as session:
            before = sync.record_view(session, self._cluster, node_addresses, now)
            if before is not None and before != list(node_addresses):
                touched = sync.touched_by_nodes(session, self._cluster)
                data = {
                    "cluster": self._cluster,
                    "before": before,
                    "after": list(node_addresses),
                    "exposures": touched,
                }
                audit.append(session, "node-addresses-changed", ACTOR, now, None, data)
        self._addresses = node_addresses
        self._due_at = self._edge.monotonic() + EVERY_SECONDS

    def is_unreadable(self, problem: str) -> None:
        """Write down why the cluster cannot be read; what was seen before stays, with its time."""
        self._addresses = None
        with self._edge.transaction() as session:
            sync.record_unreadable(session, self._cluster, problem, self._edge.now())
