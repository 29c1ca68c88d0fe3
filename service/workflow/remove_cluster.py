"""A cluster is taken out of the ledger: refused while exposures live there, or they are abandoned.

Abandoned means that the ledger forgets them and the cluster keeps them: no worker has a lease there any more,
so nobody could tell whether a removal has been done. Each of them ends, with an event that says so, and knows
its Service no more: that is a foreign one from then on, also when the cluster comes back. Whoever waits for
an adoption there is told that nobody will read the Service.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.errors import Conflict, Fault, NotFound
from service.domain.exposure import Decision, Intent, SyncState
from service.domain.lifecycle import Mover, move, move_sync
from service.domain.spec import Document
from service.store import adoptions, audit, clusters, exposures, sync
from service.store.clusters import Use
from service.workflow.act import Act
from service.workflow.approval import finish, tell

ABANDONED = "Abandoned"
LEFT = "Its cluster was taken out of the ledger; whatever it had there was left there."
UNREAD = (
    "Cluster {} was taken out of the ledger before anybody had read this Service. Ask again when it is back."
)


@dataclass(frozen=True, slots=True)
class Left:
    """What ended with a cluster: exposures that were abandoned, Services that nobody reads for adoption."""

    abandoned: Sequence[Use]
    unread: Sequence[str]


def remove_cluster(session: Session, name: str, abandon: bool, act: Act) -> Left:
    """Take a cluster out; return what ended with it. Nothing is deleted in the cluster itself.

    Raises:
        NotFound: there is no such cluster.
        Conflict: exposures have not ended, and are not to be abandoned; it names each of them.
    """
    adoptions.lock_all_waiting(session, name)  # before the cluster, as the worker does that takes one in
    if not clusters.lock(session, name):
        raise no_cluster(name)
    used = clusters.uses(session, name)
    if used and not abandon:
        raise Conflict(
            f"Cluster {name} has {len({use.exposure_id for use in used})} exposure(s) that have not ended. "
            "Nothing was changed. Delete them first, or abandon them with --abandon, which leaves their "
            "Services where they are.\n" + "\n".join(map(line_of, used))
        )
    for exposure_id in sorted({use.exposure_id for use in used}):
        _abandon(session, exposure_id, act)
    fault = Fault("", UNREAD.format(name), NotFound.code)
    unread = adoptions.refuse_all_waiting(session, name, fault, act.now)
    clusters.remove(session, name, act.now)
    abandoned = sorted({f"{use.namespace}/{use.name}" for use in used})
    data = {"cluster": name, "abandoned": abandoned, "adoptions_refused": unread}
    audit.append(session, "cluster-removed", act.principal.document(), act.now, act.request_id, data)
    return Left(used, unread)


def release_brake(session: Session, name: str, act: Act) -> None:
    """Let the removals go on that stopped because they were too many at once.

    Raises:
        NotFound: there is no such cluster.
    """
    if not clusters.release_brake(session, name, act.now):
        raise no_cluster(name)
    data = {"cluster": name}
    audit.append(session, "brake-released", act.principal.document(), act.now, act.request_id, data)


def accept_ledger(session: Session, name: str, act: Act) -> None:
    """Let the worker write in a cluster that another ledger, or a newer state of this one, has written in.

    Raises:
        NotFound: there is no such cluster.
    """
    if not clusters.accept_ledger(session, name):
        raise no_cluster(name)
    data = {"cluster": name}
    audit.append(session, "ledger-accepted", act.principal.document(), act.now, act.request_id, data)


def line_of(use: Use) -> str:
    """Return a line of the list: port, state, team, namespace/name."""
    return f"{use.port or '-'}\t{use.claim or '-'}\t{use.team}\t{use.namespace}/{use.name}"


def no_cluster(name: str) -> NotFound:
    """Return the error for a name that no cluster has."""
    return NotFound(f"There is no cluster {name}. wharfinger cluster list shows those that there are.")


def _abandon(session: Session, exposure_id: UUID, act: Act) -> None:
    """End an exposure as it stands; the platform acts for its owner, and for a worker that will not come."""
    record = exposures.lock(session, exposure_id)
    if record is None or record.exposure.ended_at is not None:
        return
    for revision in record.revisions:
        if revision.decision in (Decision.PENDING, Decision.APPROVED):
            target = move(revision.decision, Decision.WITHDRAWN, Mover.REQUESTER)
            exposures.set_decision(session, revision, target, act.now)
        elif revision.decision is Decision.LIVE:
            target = move(revision.decision, Decision.RETIRED, Mover.WORKER)
            exposures.set_decision(session, revision, target, act.now)
    numbers = sorted(claim.port for claim in record.claims)
    exposures.set_intent(session, exposure_id, Intent.ABSENT)
    finish(session, record, ABANDONED, act.now)
    if record.sync.state is not SyncState.NONE:
        state = move_sync(record.sync.state, SyncState.UNKNOWN).value
        known: Document = {"uid": None, "create_tokens": [], "late_tokens": []}
        known |= {"create_sent_at": None, "next_attempt_at": None}
        said = {"reason": ABANDONED, "message": LEFT, "retryable": False, "still_serving": False}
        sync.record(session, exposure_id, act.now, state=state, **known, **said)
    data = {"cluster": record.exposure.metadata.cluster, "ports": numbers, "message": LEFT}
    tell(session, record, None, "abandoned", act, data)
