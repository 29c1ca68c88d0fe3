"""Services that somebody asks to adopt: read directly, and made a request of a team, or refused with reasons.

The read is a direct one, never from the cache, and no transaction is open meanwhile. What is adopted is a
copy of that read; whatever changes afterwards is found before the mark is set.
"""

import logging

from service.cluster.gateway import Gateway
from service.domain.adoption import Adoption
from service.domain.errors import Busy, ClusterAway, Fault, Invalid, Unavailable, WharfingerError
from service.domain.identifiers import uuid7
from service.domain.spec import Document
from service.reconciler.edge import Edge
from service.store import adoptions
from service.workflow.adopt import refuse, take_in

log = logging.getLogger(__name__)

AT_ONCE = 10
"""So many are read in one look: the exposures wait meanwhile."""

GONE = Fault("", "There is no such Service in the cluster.", "not-found")
UNFORESEEN = Fault("", "A fault of the worker itself; its log tells more.", "internal")


def adopt_waiting(cluster: str, gateway: Gateway, edge: Edge) -> int:
    """Decide the requests whose Service nobody has read yet; return how many.

    Raises:
        Unavailable, Busy: the database.
    """
    with edge.transaction() as session:
        waiting = adoptions.waiting(session, cluster, AT_ONCE)
    return sum(_decide(asked, gateway, edge) for asked in waiting)


def _decide(asked: Adoption, gateway: Gateway, edge: Edge) -> bool:
    """Decide one request; a fault in it is never another's."""
    facts = {"adoption_id": str(asked.id), "cluster": asked.metadata.cluster}
    try:
        found = gateway.service(asked.metadata.namespace, asked.metadata.name)
        _take_in(asked, found, edge)
    except (Busy, ClusterAway) as error:
        log.warning("adoption has to wait", extra=facts | {"answer": str(error)})
        return False
    except Unavailable:
        raise
    except WharfingerError as error:
        log.info("adoption is refused", extra=facts | {"answer": str(error)})
        _refuse(asked, error, edge)
    except Exception:
        log.exception("adoption failed unexpectedly", extra=facts)
        _refuse(asked, Invalid([UNFORESEEN]), edge)  # else it would be tried again at once, and for ever
    return True


def _take_in(asked: Adoption, found: Document | None, edge: Edge) -> None:
    if found is None:
        raise Invalid([GONE])
    now = edge.now()
    with edge.transaction() as session:
        if adoptions.lock_waiting(session, asked.id):
            take_in(session, asked, found, uuid7(now, edge.entropy(10)), now, edge.judge)


def _refuse(asked: Adoption, error: WharfingerError, edge: Edge) -> None:
    with edge.transaction() as session:
        if adoptions.lock_waiting(session, asked.id):
            refuse(session, asked, error, edge.now())
