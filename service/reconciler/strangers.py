"""When everybody else's node ports are brought into the ledger: at each sweep, and when one has changed."""

import logging
from collections.abc import Iterable, Mapping, Set

from service.cluster.gateway import Gateway
from service.domain.errors import Busy, ClusterError, Unavailable
from service.domain.exposure import ExposureRecord
from service.domain.manifest import node_ports
from service.domain.plan import Owner, Ref
from service.reconciler.cache import Look
from service.reconciler.desire import owner_of
from service.reconciler.edge import Edge
from service.reconciler.foreign import ForeignPorts, strangers

log = logging.getLogger(__name__)


class Strangers:
    """One cluster's.

    Attributes:
        conflicts: bound node port of ours → the stranger that has it.
        in_conflict: whose these ports are. Some conflicts last: they are looked at when they are new, when
            the exposure has news of its own, and at each sweep; in between they wake nobody.
    """

    def __init__(self, cluster: str, gateway: Gateway, edge: Edge) -> None:
        self._cluster = cluster
        self._ports = ForeignPorts(cluster, gateway, edge)
        self._is_behind = True
        self._ports_of: Mapping[Ref, Set[int]] = {}
        self.conflicts: Mapping[int, Ref] = {}
        self.in_conflict: Set[Ref] = frozenset()

    def are_among(self, refs: Iterable[Ref], look: Look, records: Mapping[Ref, ExposureRecord]) -> bool:
        """Return whether one of these keys is or was somebody else's, or the ledger is behind anyway."""
        return self._is_behind or any(self._is_strange(ref, look, records.get(ref)) for ref in refs)

    def bring_in(self, look: Look, known: Mapping[Ref, Owner]) -> Set[Ref]:
        """Make the ledger's foreign claims be what the cluster has; return who lost a port by that.

        Those whose bound port is in a conflict that was not there before are among them.

        Args:
            look: at all Services.
            known: by what the exposures that have not ended know theirs.

        Raises:
            Unavailable: without a database there is nothing to go on with.
        """
        owners = strangers(look.services, known)
        facts = {"cluster": self._cluster}
        before, self.conflicts, self.in_conflict = self.conflicts, {}, frozenset()
        self._is_behind = True
        try:
            brought = self._ports.bring_in(owners)
        except Unavailable:
            raise
        except (Busy, ClusterError) as error:
            log.warning("foreign Services could not be brought in", extra=facts | {"answer": str(error)})
            return frozenset()
        except Exception:
            log.exception("foreign Services could not be brought in", extra=facts)
            return frozenset()
        self._is_behind = not brought.is_complete
        ports_of: dict[Ref, set[int]] = {}
        for port, service in owners.items():
            ports_of.setdefault(service.ref, set()).add(port)
        self._ports_of = ports_of
        self.conflicts = {port: owners[port].ref for port in brought.conflicts}
        self.in_conflict = frozenset(brought.conflicts.values())
        new = {ref for port, ref in brought.conflicts.items() if before.get(port) != self.conflicts[port]}
        return brought.losers | new

    def _is_strange(self, ref: Ref, look: Look, record: ExposureRecord | None) -> bool:
        """Return whether a key has a Service that is not ours, with other ports than were brought in.

        What moves behind other people's Services, their pods above all, is nothing to the ledger.
        """
        service = look.services.get(ref)
        if record is None:
            has = frozenset() if service is None else node_ports(service.service)
            return has != self._ports_of.get(ref, frozenset())
        return service is not None and not owner_of(record).owns(service)
