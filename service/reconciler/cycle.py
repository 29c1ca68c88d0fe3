"""One look at one cluster, and what follows from it: observe, desire, plan, act, record.

Observed before the desired state is read, so that a Service applied in between never looks like one of nobody's.
"""

import logging

from service.cluster.gateway import Gateway
from service.domain.errors import ClusterError
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
    desired = {ref_of(record): want for record in records if (want := desired_of(record))}
    executor = Executor(gateway, edge)
    actions = list(plan(desired, observation.services, edge.now()))
    for action in actions:
        executor.execute(action, desired[action.ref], observation.services.get(action.ref))
    for record in records:
        _record_readiness(record, observation, edge)
    return len(actions)


def _record_readiness(record: ExposureRecord, observation: Observation, edge: Edge) -> None:
    """Write down how many endpoints serve an exposure, and where its load balancer answers, when that has changed."""
    service = observation.services.get(ref_of(record))
    if service is None or record.sync.uid != service.uid:
        return
    ready, addresses = observation.ready_endpoints(service), ingress(service)
    if (ready, addresses) != (record.sync.ready_endpoints, record.sync.ingress):
        with edge.transaction() as session:
            sync.record_readiness(session, record.exposure.id, edge.now(), ready, addresses)
