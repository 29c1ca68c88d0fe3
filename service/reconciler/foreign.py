"""Brings the node ports of everybody else's Services into the ledger, so that each number has a known owner.

What is known of the cluster may be behind. A free number costs nothing then: the next change puts it right.
But before a number of ours goes to somebody else, that Service is read directly.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from service.cluster.gateway import Gateway
from service.domain.claim import ClaimState
from service.domain.manifest import node_ports
from service.domain.plan import Observed, Owner, Ref
from service.reconciler.edge import Edge
from service.store import adoptions, foreign, port_map

log = logging.getLogger(__name__)

Owners = Mapping[int, Observed]
"""Node port → the Service of somebody else that has it."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of it.

    Attributes:
        losers: whose held or cooling port a stranger has now.
        conflicts: bound port of ours that a stranger has → whose it is.
        is_complete: whether each number was written down as it was seen.
    """

    losers: frozenset[Ref] = frozenset()
    conflicts: Mapping[int, Ref] = field(default_factory=dict)
    is_complete: bool = True


def strangers(services: Mapping[Ref, Observed], owners: Mapping[Ref, Owner]) -> Owners:
    """Return who else has which node port; of two with one number, the first by name.

    A mark changes nothing: a copy of ours, and a mark of an exposure that nobody knows, are strangers too.
    """
    found: dict[int, Observed] = {}
    for ref, service in sorted(services.items()):
        owner = owners.get(ref)
        if owner is None or not owner.owns(service):
            for port in node_ports(service.service):
                found.setdefault(port, service)
    return found


AGAIN = timedelta(minutes=1)
"""How long a cluster where nothing changes is believed to be in the ledger as it was written there."""


class ForeignPorts:
    """One cluster's foreign claims. It remembers what it wrote last, so a quiet cluster costs nothing."""

    def __init__(self, cluster: str, gateway: Gateway, edge: Edge) -> None:
        self._cluster, self._gateway, self._edge = cluster, gateway, edge
        self._written: Mapping[int, Ref] | None = None
        self._written_at = datetime.min.replace(tzinfo=UTC)

    def bring_in(self, owners: Owners) -> Brought:
        """Make the ledger's foreign claims be these.

        A held or cooling port goes to the stranger; a bound one stays as it is, for the caller to judge. The
        numbers of a Service that is to be adopted are its exposure's already, and stay so.

        Raises:
            ClusterAway: a direct read found nobody.
            Busy, Unavailable: the database.
        """
        seen = {port: service.ref for port, service in owners.items()}
        now = self._edge.now()
        if seen == self._written and self._written_at <= now < self._written_at + AGAIN:
            return Brought()
        with self._edge.transaction() as session:
            claims = port_map.claimed(session, self._cluster, now)
        ours = {claim.port for claim in claims if claim.state != ClaimState.FOREIGN}
        sure = {
            port: service for port, service in owners.items() if port not in ours or self._has(service, port)
        }
        with self._edge.transaction() as session:
            adopting = adoptions.pending(session, self._cluster)
            others = {
                port: (service.ref.namespace, service.ref.name)
                for port, service in sure.items()
                if adopting.get((service.ref.namespace, service.ref.name)) != service.uid
            }
            done = foreign.import_foreign(session, self._cluster, others, now)
        for loser in done.losers:
            facts = {"cluster": self._cluster, "port": loser.port, "exposure_id": str(loser.exposure_id)}
            log.warning("a foreign Service took a port", extra=facts)
        # What was unsure or stays in conflict is looked at again each time.
        is_complete = len(sure) == len(seen) and not done.conflicts
        self._written_at = now
        self._written = seen if is_complete else None
        return Brought(
            frozenset(Ref(loser.namespace, loser.name) for loser in done.losers),
            {claim.port: Ref(claim.namespace, claim.name) for claim in done.conflicts},
            is_complete,
        )

    def _has(self, service: Observed, port: int) -> bool:
        """Return whether this very Service has the port now, by a direct read."""
        found = self._gateway.service(service.ref.namespace, service.ref.name)
        return found is not None and Observed(found).uid == service.uid and port in node_ports(found)
