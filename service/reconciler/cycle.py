"""One look at one cluster, and what follows from it: observe, desire, plan, act, record.

Observed before the desired state is read, so that a Service applied in between never looks like nobody's.
"""

import logging

from service.cluster.gateway import Gateway
from service.domain.errors import Busy, ClusterError, Unavailable
from service.domain.exposure import ExposureRecord
from service.domain.plan import plan
from service.reconciler.desire import desired_of, ref_of
from service.reconciler.edge import Edge
from service.reconciler.execute import Executor
from service.reconciler.observe import Observation, ingress, observe
from service.store import exposures, sync

log = logging.getLogger(__name__)


def run_cycle(cluster: str, gateway: Gateway, edge: Edge) -> int:
    """Make a cluster match once; return how many actions were taken.

    Raises:
        Busy, Unavailable: the database; the next cycle begins anew.
    """
    try:
        observation = observe(gateway)
    except ClusterError as error:
        log.warning("cluster cannot be read", extra={"cluster": cluster, "answer": str(error)})
        with edge.transaction() as session:
            sync.record_unreadable(session, cluster, str(error), edge.now())
        return 0
    with edge.transaction() as session:
        sync.record_view(session, cluster, observation.node_addresses, edge.now())
        records = exposures.unsettled(session, cluster)
    executor = Executor(gateway, edge)
    return sum(_settle(record, observation, executor, edge) for record in sorted(records, key=ref_of))


def _settle(record: ExposureRecord, observation: Observation, executor: Executor, edge: Edge) -> int:
    """Do what one exposure needs; return how many actions that took. A fault in it is never another one's.

    Raises:
        Unavailable: without a database there is nothing to go on with.
    """
    actions = 0
    try:
        want = desired_of(record)
        if want is not None:
            for action in plan({ref_of(record): want}, observation.services, edge.now()):
                actions += 1
                executor.execute(action, want, observation.services.get(action.ref))
        _record_readiness(record, observation, edge)
    except Unavailable:
        raise
    except Busy as error:
        log.warning("row is busy", extra={"exposure_id": str(record.exposure.id), "answer": str(error)})
    except Exception:
        log.exception("exposure failed unexpectedly", extra={"exposure_id": str(record.exposure.id)})
    return actions


def _record_readiness(record: ExposureRecord, observation: Observation, edge: Edge) -> None:
    """Write down how many endpoints serve an exposure and where its balancer answers, when it changed."""
    service = observation.services.get(ref_of(record))
    if service is None or record.sync.uid != service.uid:
        return
    ready, addresses = observation.ready_endpoints(service), ingress(service)
    if (ready, addresses) != (record.sync.ready_endpoints, record.sync.ingress):
        with edge.transaction() as session:
            sync.record_readiness(session, record.exposure.id, service.uid, edge.now(), ready, addresses)
