"""A cluster is taken out of the ledger: refused while exposures live there, or they are abandoned.

Abandoned means that the ledger forgets them and the cluster keeps them: no worker has a lease there any more,
so nobody could tell whether a removal has been done. Each of them ends, with an event that says so.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.errors import Conflict, NotFound
from service.domain.exposure import Decision, Intent, SyncState
from service.domain.lifecycle import Mover, move, move_sync
from service.domain.spec import Document
from service.store import adoptions, audit, clusters, events, exposures, ports, sync
from service.store.clusters import Use
from service.workflow.act import Act

ABANDONED = "Abandoned"
LEFT = "Its cluster was taken out of the ledger; whatever it had there was left there."


def remove_cluster(session: Session, name: str, abandon: bool, act: Act) -> Sequence[Use]:
    """Take a cluster out; return what was abandoned in it. Nothing is deleted in the cluster itself.

    Raises:
        NotFound: there is no such cluster.
        Conflict: exposures have not ended, and are not to be abandoned; it names each of them.
    """
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
    clusters.remove(session, name, act.now)
    data = {"cluster": name, "abandoned": sorted({f"{use.namespace}/{use.name}" for use in used})}
    audit.append(session, "cluster-removed", act.principal.document(), act.now, act.request_id, data)
    return used


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
    if record.sync.adopts_uid is not None:
        adoptions.give_back(session, exposure_id, act.now)
    ports.drop_holds(session, exposure_id, act.now)
    exposures.set_intent(session, exposure_id, Intent.ABSENT)
    exposures.end(session, exposure_id, ABANDONED, act.now)
    if record.sync.state is not SyncState.NONE:
        state = move_sync(record.sync.state, SyncState.UNKNOWN).value
        known: Document = {"uid": None, "create_tokens": [], "create_sent_at": None, "next_attempt_at": None}
        said = {"reason": ABANDONED, "message": LEFT, "retryable": False, "still_serving": False}
        sync.record(session, exposure_id, act.now, state=state, **known, **said)
    events.append(
        session,
        exposure_id,
        "abandoned",
        actor=act.principal.document(),
        now=act.now,
        request_id=act.request_id,
        data={"cluster": record.exposure.metadata.cluster, "ports": numbers, "message": LEFT},
    )
