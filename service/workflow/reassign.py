"""What becomes of a node port that a foreign Service took from an exposure. Called by the worker.

A number that we chose is an allocation, not content: the exposure moves to another one, and its digest and
reviews stand. A number that was asked for is content: the exposure waits, for its requester or for the
thief to go. The caller holds the exposure's row lock.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from service.domain.errors import Busy, NodePortTaken, PoolExhausted
from service.domain.exposure import Allocation, ExposureRecord, NodePort, Revision
from service.domain.history import Ending
from service.domain.reservation import choosable
from service.domain.spec import Document
from service.store import events, exposures, foreign, identities, ports, reservations


@dataclass(frozen=True, slots=True)
class Theft:
    """Which number is lost, namespace and name of who has it, and the revisions that were given it."""

    port: int
    thief: tuple[str, str]
    revisions: tuple[Revision, ...]

    def was_asked(self) -> bool:
        """Return whether one of them asks for that number."""
        return any(self.port in revision.allocation.asked() for revision in self.revisions)


def reassign_port(
    session: Session, record: ExposureRecord, theft: Theft, now: datetime, actor: Document
) -> int | None:
    """Give an exposure one other number for all the same revisions; return it, None: none is left.

    The lost number goes to the thief. With none left the allocations stay as they were, to be tried again.

    Raises:
        ValueError: the number was asked for.
    """
    if theft.was_asked():
        raise ValueError(f"node port {theft.port} was asked for: its requester decides")
    exposure = record.exposure
    foreign.yield_to(session, exposure.id, theft.port, theft.thief, Ending.REASSIGNED, now)
    cluster = identities.cluster(session, exposure.metadata.cluster)
    assert cluster is not None, "an exposure's cluster is never taken out"
    rules = reservations.holding(session, cluster.name, now)
    ranges = choosable(cluster.pool, rules, exposure.metadata.team, now, turn=exposure.id.int)
    taker = ports.Taker(exposure.id, exposure.metadata, theft.revisions[-1].spec.justification, now)
    try:
        new = ports.hold(session, taker, ports.Want(count=1, ranges=ranges)).chosen[0]
    except PoolExhausted:
        return None
    for revision in theft.revisions:
        exposures.set_allocation(session, revision, moved(revision.allocation, theft.port, new))
        events.append(
            session,
            exposure.id,
            "port-reassigned",
            actor=actor,
            now=now,
            revision=revision.number,
            request_id=revision.request_id,
            data={"thief": "/".join(theft.thief), "old": theft.port, "new": new},
        )
    return new


def give_up_port(session: Session, record: ExposureRecord, theft: Theft, now: datetime) -> bool:
    """Let the ledger say that a foreign Service has a number of an exposure; return whether that is new."""
    return foreign.yield_to(session, record.exposure.id, theft.port, theft.thief, Ending.LOST, now)


def retake_port(
    session: Session, record: ExposureRecord, revision: Revision, port: int, now: datetime
) -> bool:
    """Hold a number of a revision again, whose thief has gone; return whether it could be had."""
    exposure = record.exposure
    taker = ports.Taker(exposure.id, exposure.metadata, revision.spec.justification, now)
    try:
        ports.hold(session, taker, ports.Want(asked={port: ""}))
    except (NodePortTaken, Busy):  # a number that the pool has left behind has no row, and looks busy
        return False
    return True


def moved(allocation: Allocation, old: int, new: int) -> Allocation:
    """Return an allocation with one number in place of another, wherever it stands."""

    def move(port: NodePort) -> NodePort:
        return replace(port, number=new) if port.number == old else port

    return Allocation(
        tuple(map(move, allocation.ports)), move(allocation.health_check) if allocation.health_check else None
    )
