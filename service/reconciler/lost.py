"""What becomes of an exposure whose node port somebody else has taken.

A port that we had chosen moves to another one, for the same revision: it is an allocation, not content, so
digest and reviews stand. A port that was asked for waits for its requester, who is told who has it; when the
thief goes first, it is taken back. Level-triggered: whatever a revision was given and the ledger does not
hold for it is looked at each time, so nothing is lost when the worker dies in between.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from uuid import UUID

from service.domain.claim import ClaimState
from service.domain.exposure import Decision, ExposureRecord, Intent, Revision, SyncState
from service.domain.lifecycle import move_sync
from service.domain.manifest import node_ports
from service.domain.plan import (
    ADOPTION_CHANGED,
    LACKING,
    NODE_PORT_TAKEN,
    POOL_EXHAUSTED,
    Observed,
    Ref,
)
from service.reconciler.desire import owner_of
from service.reconciler.recording import ACTOR, may_arrive
from service.store import events, exposures, ports, sync
from service.store.database import Session
from service.workflow import reassign

UNDONE = (Decision.PENDING, Decision.APPROVED, Decision.LIVE)


def lacking(record: ExposureRecord) -> frozenset[int]:
    """Return the numbers that a revision which is not over was given and that its exposure does not have."""
    if record.exposure.ended_at is not None or record.exposure.intent is Intent.ABSENT:
        return frozenset()
    given = {number for revision in _undone(record) for number in revision.allocation.numbers()}
    own = {claim.port for claim in record.claims if claim.state in (ClaimState.HELD, ClaimState.BOUND)}
    return frozenset(given - own)


def is_said_in_vain(record: ExposureRecord) -> bool:
    """Return whether it is said to lack a number, and lacks none any more: what asked for it is over.

    Where something was tried, that was the attempt's reason, and ends with it.
    """
    is_at_rest = record.sync.state in (SyncState.NONE, SyncState.REMOVED, SyncState.IN_SYNC)
    return is_at_rest and record.sync.reason in LACKING and not lacking(record)


def thieves_of(
    record: ExposureRecord,
    have: Observed | None,
    conflicts: Mapping[int, Ref],
    now: datetime,
) -> dict[int, Ref]:
    """Return those of its bound ports that an exposure cannot have any more, since a stranger has them.

    It can while its own Service has that number (the cluster gave it out twice), and while a create of ours
    may still arrive. One that is suspended keeps its numbers in the ledger alone: the cluster gives them to
    whoever asks. Of one that is to go, the next owner is found once they cool.

    Args:
        have: the Service that has the exposure's name.
        conflicts: bound port of anybody → the stranger that has it.
    """
    is_create_open = bool(record.sync.create_tokens) and may_arrive(record, now)
    if is_create_open or record.exposure.intent is Intent.ABSENT:
        return {}
    kept = node_ports(have.service) if have is not None and owner_of(record).owns(have) else frozenset()
    bound = {claim.port for claim in record.claims if claim.state is ClaimState.BOUND}
    return {port: ref for port, ref in conflicts.items() if port in bound - kept}


def recover(session: Session, exposure_id: UUID, thieves: Mapping[int, Ref], now: datetime) -> bool:
    """Give an exposure the ports that it lacks, as far as it may have them; return whether anything changed.

    Args:
        thieves: who has a port of it that is bound, for those that are lost.

    Raises:
        Busy: others are choosing the last ports.
    """
    record = exposures.lock(session, exposure_id)
    if record is None:
        return False
    changed = False
    for port in sorted(lacking(record) | thieves.keys()):
        changed |= _recover_one(session, exposure_id, port, thieves.get(port), now)
    after = exposures.get(session, exposure_id)
    assert after is not None
    missing = lacking(after)
    if missing:
        changed |= _say_why(session, after, missing, now)
    elif after.sync.reason in LACKING and (changed or is_said_in_vain(after)):
        changed = True
        values = {"reason": None, "message": None, "retryable": True, "next_attempt_at": None, "attempts": 0}
        sync.record(session, exposure_id, now, **values)
    return changed


def _recover_one(session: Session, exposure_id: UUID, port: int, thief: Ref | None, now: datetime) -> bool:
    """Do it for one number and all revisions that were given it; return whether anything changed.

    Those that ask for it wait; the others move together, to one number.
    """
    record = exposures.get(session, exposure_id)
    assert record is not None
    given = [revision for revision in _undone(record) if port in revision.allocation.numbers()]
    claim = ports.get(session, record.exposure.metadata.cluster, port)
    if not given:  # bound for a revision that is over: nobody misses it
        if thief is None:
            return False
        theft = reassign.Theft(port, (thief.namespace, thief.name), ())
        return reassign.give_up_port(session, record, theft, now)
    if thief is None and (claim is None or claim.state is ClaimState.COOLING):
        if reassign.retake_port(session, record, given[-1], port, now):
            _tell(session, record, given[-1], "port-regained", now, port=port)
            return True
        claim = ports.get(session, record.exposure.metadata.cluster, port)
    owner = thief or (Ref(claim.namespace, claim.name) if claim is not None else None)
    if owner is None:
        return False  # it was freed just now: the next look takes it
    asking = tuple(revision for revision in given if port in revision.allocation.asked())
    moving = tuple(revision for revision in given if revision not in asking)
    who = (owner.namespace, owner.name)
    changed = bool(asking) and reassign.give_up_port(session, record, reassign.Theft(port, who, asking), now)
    if moving:
        theft = reassign.Theft(port, who, moving)
        changed |= reassign.reassign_port(session, record, theft, now, ACTOR) is not None
    return changed


def _say_why(session: Session, record: ExposureRecord, missing: frozenset[int], now: datetime) -> bool:
    """Write down what is missing, and who has it, with an event; return False when that is known.

    What is tried just now, and fails, has its own reason: that one stays, unless what is tried is what lacks
    its number.
    """
    asked = {port for port in missing for revision in _undone(record) if port in revision.allocation.asked()}
    reason = NODE_PORT_TAKEN if asked else POOL_EXHAUSTED
    if record.sync.adopts_uid is not None:  # who has the number has it from the Service: it is not as it was
        reason = ADOPTION_CHANGED
    message = " ".join(_sentences(session, record, missing, asked))
    if (record.sync.reason, record.sync.message) == (reason, message):
        return False
    wanted = record.newest(Decision.APPROVED) or record.newest(Decision.LIVE)
    is_present = record.exposure.intent is Intent.PRESENT
    is_needed = is_present and wanted is not None and bool(missing & wanted.allocation.numbers())
    is_said = is_needed or record.sync.reason in (None, *LACKING)
    if is_said:
        values: dict[str, object] = {"reason": reason, "message": message, "retryable": not asked}
        if is_needed and record.sync.state is SyncState.IN_SYNC:
            values["state"] = move_sync(record.sync.state, SyncState.DRIFTED).value
        sync.record(session, record.exposure.id, now, **values)
    facts = {"ports": sorted(missing), "reason": reason, "message": message}
    told = events.newest(session, record.exposure.id, ("port-lost", "port-regained", "port-reassigned"))
    is_told = told is not None and (told.kind, told.data) == ("port-lost", facts)
    if not is_told:
        _tell(session, record, _undone(record)[-1], "port-lost", now, **facts)
    return is_said or not is_told


def _sentences(
    session: Session, record: ExposureRecord, missing: frozenset[int], asked: set[int]
) -> Iterator[str]:
    for port in sorted(missing):
        claim = ports.get(session, record.exposure.metadata.cluster, port)
        if claim is None:
            yield f"Node port {port} is not held for it any more, and may not be taken now."
        elif claim.state is ClaimState.FOREIGN:
            where = f"{claim.namespace}/{claim.name}"
            yield f"Node port {port} is taken in the cluster by Service {where} (not made by Wharfinger)."
        else:
            yield f"Node port {port} belongs to {claim.namespace}/{claim.name} of team {claim.team} by now."
    if record.sync.adopts_uid is not None:
        yield "So the Service that was to be adopted is not as it was: withdraw this, and ask for it again."
    elif asked:
        yield "Withdraw this and ask again without node_port, or for another one."
        yield "Or wait: a port that was asked for is taken back as soon as it is free."
    else:
        yield "No other node port is free; one is taken as soon as there is."


def _undone(record: ExposureRecord) -> list[Revision]:
    return [revision for revision in record.revisions if revision.decision in UNDONE]


def _tell(
    session: Session, record: ExposureRecord, revision: Revision, kind: str, now: datetime, **data: object
) -> None:
    events.append(
        session,
        record.exposure.id,
        kind,
        actor=ACTOR,
        now=now,
        revision=revision.number,
        request_id=revision.request_id,
        data=dict(data),
    )
