"""One look at one cluster, and what follows from it: observe, desire, plan, act, record.

Observed before the desired state is read, so that a Service applied in between never looks like nobody's.
What other people's Services have is brought into the ledger first: then nothing is sent for a port that is
known to be taken.
"""

import logging
from collections.abc import Mapping
from datetime import datetime

from service.cluster.gateway import Gateway
from service.domain.errors import Busy, ClusterError, Unavailable
from service.domain.exposure import ExposureRecord
from service.domain.plan import USUAL, Desired, Ref, Rules, plan
from service.reconciler.cache import Look, ServiceCache
from service.reconciler.desire import desired_of, ref_of
from service.reconciler.edge import Edge
from service.reconciler.execute import Executor
from service.reconciler.foreign import ForeignPorts, strangers
from service.reconciler.lost import lacking, recover, thieves_of
from service.reconciler.observe import Observation, ingress, observe
from service.store import exposures, sync

log = logging.getLogger(__name__)

Wishes = Mapping[Ref, tuple[ExposureRecord, Desired | None]]
"""Every exposure that has not ended, by the key of its Service, and what the cluster is to have for it."""


class Cycle:
    """One cluster, looked at again and again."""

    def __init__(
        self, cluster: str, gateway: Gateway, cache: ServiceCache, edge: Edge, rules: Rules = USUAL
    ) -> None:
        self._cluster, self._gateway, self._cache, self._edge = cluster, gateway, cache, edge
        self._rules = rules
        self._foreign = ForeignPorts(cluster, gateway, edge)
        self._executor = Executor(gateway, edge, cache.wrote)

    def run(self) -> int:
        """Make the cluster match once; return how many actions were taken.

        Raises:
            Busy, Unavailable: the database; the next cycle begins anew.
        """
        try:
            look = self._cache.look()
            observation = None if look is None else observe(self._gateway, look.services)
        except ClusterError as error:
            log.warning("cluster cannot be read", extra={"cluster": self._cluster, "answer": str(error)})
            with self._edge.transaction() as session:
                sync.record_unreadable(session, self._cluster, str(error), self._edge.now())
            return 0
        if look is None or observation is None:
            return 0  # nothing was listed yet: the list wakes us
        with self._edge.transaction() as session:
            sync.record_view(session, self._cluster, observation.node_addresses, self._edge.now())
        recovered, wishes = self._settle_ports(look)
        return recovered + sum(self._settle(ref, wishes, look, observation) for ref in sorted(wishes))

    def _read_wishes(self) -> Wishes:
        with self._edge.transaction() as session:
            records = exposures.unsettled(session, self._cluster)
        return {ref_of(record): (record, _wish(record, self._edge.now())) for record in records}

    def _settle_ports(self, look: Look) -> tuple[int, Wishes]:
        """Bring in what others have, and recover what exposures lost to them.

        Returns:
            For how many something was written, and what is wanted afterwards.

        Raises:
            Unavailable: without a database there is nothing to go on with.
        """
        wishes = self._read_wishes()
        owners = strangers(look.services, {ref: want for ref, (_, want) in wishes.items() if want})
        try:
            brought = self._foreign.bring_in(owners)
        except Unavailable:
            raise
        except (Busy, ClusterError) as error:
            facts = {"cluster": self._cluster, "answer": str(error)}
            log.warning("foreign Services could not be brought in", extra=facts)
            return 0, wishes
        except Exception:
            log.exception("foreign Services could not be brought in", extra={"cluster": self._cluster})
            return 0, wishes
        if brought.has_losers:
            wishes = self._read_wishes()
        conflicts, written = {port: owners[port].ref for port in brought.conflicts}, 0
        for ref, (record, want) in wishes.items():
            thieves = thieves_of(record, want, look.services.get(ref), conflicts, self._edge.now())
            if ref not in look.resting and (thieves or lacking(record)):
                written += self._recover(record, thieves)
        return written, self._read_wishes() if written else wishes

    def _recover(self, record: ExposureRecord, thieves: Mapping[int, Ref]) -> bool:
        try:
            with self._edge.transaction() as session:
                return recover(session, record.exposure.id, thieves, self._edge.now())
        except Unavailable:
            raise
        except Busy as error:
            _log_busy(record, error)
        except Exception as error:
            _log_fault(record, error)
        return False

    def _settle(self, ref: Ref, wishes: Wishes, look: Look, observation: Observation) -> int:
        """Do what one exposure needs; return how many actions that took. A fault in it is never another's.

        Raises:
            Unavailable: without a database there is nothing to go on with.
        """
        actions = 0
        record, want = wishes[ref]
        try:
            if want is not None and ref not in look.resting and _may_act(record, want):
                for action in plan({ref: want}, observation.services, self._edge.now(), self._rules):
                    actions += 1
                    self._executor.execute(action, want, observation.services.get(ref))
            self._record_readiness(record, observation)
        except Unavailable:
            raise
        except Busy as error:
            _log_busy(record, error)
        except Exception as error:
            _log_fault(record, error)
        return actions

    def _record_readiness(self, record: ExposureRecord, observation: Observation) -> None:
        """Write down how many endpoints serve an exposure and where its balancer answers, when it changed."""
        service = observation.services.get(ref_of(record))
        if service is None or record.sync.uid != service.uid:
            return
        ready, addresses = observation.ready_endpoints(service), ingress(service)
        if (ready, addresses) == (record.sync.ready_endpoints, record.sync.ingress):
            return
        with self._edge.transaction() as session:
            now = self._edge.now()
            sync.record_readiness(session, record.exposure.id, service.uid, now, ready, addresses)
            if ready and record.exposure.clock_started_at is None:  # its lifetime counts from now
                exposures.note(session, record.exposure.id, clock_started_at=now, next_deadline_at=now)


def _wish(record: ExposureRecord, now: datetime) -> Desired | None:
    try:
        return desired_of(record, now)
    except Exception as error:
        _log_fault(record, error)
        return None


def _may_act(record: ExposureRecord, want: Desired) -> bool:
    """Return whether nothing is missing: a removal needs no port."""
    return want.manifest is None or not lacking(record)


def _log_busy(record: ExposureRecord, error: Busy) -> None:
    log.warning("row is busy", extra={"exposure_id": str(record.exposure.id), "answer": str(error)})


def _log_fault(record: ExposureRecord, error: Exception) -> None:
    facts = {"exposure_id": str(record.exposure.id)}
    log.error("exposure failed unexpectedly", exc_info=error, extra=facts)
