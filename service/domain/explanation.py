"""Why an exposure is where it is: every gate that it passes, in order, with its result and the reason. Pure.

The same for a request that is only tried (a dry run), for one that waits, and for what is live.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from service.domain.exposure import Decision, ExposureRecord, Opinion, Revision
from service.domain.lifetime import end_of, held_back
from service.domain.plan import NOT_ADOPTED
from service.domain.review import missing, seats_of
from service.domain.seat import Seat
from service.domain.spec import Document

PASSED, WAITING, CLOSED = "passed", "waiting", "closed"


def explain(record: ExposureRecord, people: Mapping[str, Sequence[str]], now: datetime) -> Document:
    """Return ``{revision, digest, decision, gates: [{gate, result, reason, …}]}`` for what ``spec`` shows.

    Args:
        people: group → who was seen in it lately.
    """
    revision = record.shown()
    return {
        "revision": revision.number,
        "digest": revision.digest,
        "decision": revision.decision.value,
        "gates": [
            *_policies(revision),
            _delta(revision),
            _ports(record, revision),
            _seats(record, revision, people),
            _start(record, revision, now),
            _cluster(record, revision),
            _end(record),
        ],
    }


def groups_of(revision: Revision) -> frozenset[str]:
    """Return the groups whose people can fill a seat of a revision."""
    return frozenset(seat.group for seat in seats_of(revision) if seat.group)


def _gate(name: str, result: str, reason: str, **facts: object) -> Document:
    return {"gate": name, "result": result, "reason": reason, **facts}


def _policies(revision: Revision) -> Iterator[Document]:
    for said in revision.verdict.get("gates", ()):
        reason = " ".join(each["message"] for each in said["reasons"]) or f"It {said['outcome']}."
        facts = {"policy": said["policy"], "version": said["version"], "mode": said["mode"]}
        yield _gate("policy", said["outcome"], reason, **facts)


def _delta(revision: Revision) -> Document:
    kind = revision.delta.get("kind", "widening")
    base = f"revision {revision.base}" if revision.base else "nothing"
    reason = f"Compared with {base} it is {kind}."
    return _gate("delta", PASSED, reason, changes=revision.delta.get("changes", []))


def _ports(record: ExposureRecord, revision: Revision) -> Document:
    numbers = sorted(revision.allocation.numbers())
    if not numbers:
        return _gate("node-ports", PASSED, "It takes no node port.")
    states = {claim.port: claim.state.value for claim in record.claims}
    lacking = [number for number in numbers if states.get(number) not in ("held", "bound")]
    listed = ", ".join(f"{number} {states.get(number, 'not held')}" for number in numbers)
    return _gate("node-ports", WAITING if lacking else PASSED, f"Node ports: {listed}.")


def _seats(record: ExposureRecord, revision: Revision, people: Mapping[str, Sequence[str]]) -> Document:
    counted = record.reviews_of(revision)
    said = [
        {"person": review.reviewer["person"], "verdict": review.verdict.value, "at": review.created_at}
        for review in counted
        if review.verdict is not Opinion.COMMENT
    ]
    if revision.decision is not Decision.PENDING:
        result = PASSED if revision.decision in (Decision.APPROVED, Decision.LIVE) else CLOSED
        return _gate("seats", result, f"The revision is {revision.decision}.", reviews=said, missing=[])
    left = missing(seats_of(revision), counted)
    named = ", ".join(f"{seat.count} of {seat.group or 'any approvers'}" for seat in left)
    empty = [_empty(seat, revision, people) for seat in left]
    reason = " ".join([f"It waits for {named}.", *revision.verdict.get("remarks", ())])
    return _gate("seats", WAITING, reason, reviews=said, missing=empty)


def _empty(seat: Seat, revision: Revision, people: Mapping[str, Sequence[str]]) -> Document:
    able = [person for person in people.get(seat.group or "", ()) if person not in revision.authors()]
    return {
        "group": seat.group,
        "count": seat.count,
        "filter": seat.filter,
        "policies": list(seat.policies),
        "people": able,
    }


def _start(record: ExposureRecord, revision: Revision, now: datetime) -> Document:
    until = held_back(revision, record.freezes, now)
    if until is None:
        return _gate("start", PASSED, "Nothing holds its start back.")
    frozen = next((freeze for freeze in record.freezes if freeze.holds(now)), None)
    why = f"Change freeze {frozen.name}: {frozen.reason}" if frozen else "It is scheduled."
    return _gate("start", WAITING, why, until=until)


def _cluster(record: ExposureRecord, revision: Revision) -> Document:
    sync = record.sync
    done = sync.revision == revision.number and sync.state == "in_sync"
    if sync.adopts_uid is not None and not sync.message:
        return _gate("cluster", WAITING, NOT_ADOPTED)
    reason = sync.message or (
        f"The cluster has revision {sync.revision}." if done else f"It is {sync.state}."
    )
    return _gate("cluster", PASSED if done else WAITING, reason)


def _end(record: ExposureRecord) -> Document:
    ends_at = end_of(record)
    if record.exposure.suspension is not None:
        return _gate("lifetime", CLOSED, f"It is suspended ({record.exposure.suspension}).", until=ends_at)
    reason = (
        "It has no end that is known yet." if ends_at is None else "It is suspended then, unless renewed."
    )
    return _gate("lifetime", PASSED, reason, until=ends_at)
