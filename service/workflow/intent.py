"""What the owner wants of an exposure as a whole. Here: that it goes."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.errors import Ended, Forbidden
from service.domain.exposure import Decision, ExposureRecord, Intent, Principal, Role, SyncState
from service.domain.lifecycle import Mover, move
from service.store import events, exposures, ports
from service.store.database import wake
from service.workflow.act import Act
from service.workflow.read import check_visible


def remove(
    session: Session, exposure_id: UUID, precondition: Callable[[int], None], act: Act
) -> ExposureRecord:
    """Take an exposure back: absent is final. A repeated removal answers as the first one.

    With nothing ever sent to the cluster it ends at once; else the worker removes the Service, and the ports
    cool.

    Args:
        precondition: is given the change count under the row lock; raises when the caller read something
            older.

    Raises:
        NotFound: no such exposure for this caller.
        Forbidden: neither of its team nor the platform.
        Ended: it ended otherwise, there is nothing to take back.
        Stale, PreconditionRequired: by ``precondition``.
    """
    record = exposures.lock(session, exposure_id)
    check_visible(record, act.principal)
    assert record is not None
    _check_owner(record, act.principal)
    if record.exposure.intent is Intent.ABSENT:
        return record
    if record.exposure.ended_at:
        raise Ended(f"This exposure has ended ({record.exposure.end_reason}): there is nothing to take back.")
    precondition(record.exposure.change_count)
    exposures.set_intent(session, exposure_id, Intent.ABSENT)
    for revision in record.revisions:
        if revision.decision in (Decision.PENDING, Decision.APPROVED):
            target = move(revision.decision, Decision.WITHDRAWN, Mover.REQUESTER)
            exposures.set_decision(session, revision, target, act.now)
    events.append(
        session,
        exposure_id,
        "removal-requested",
        actor=act.principal.document(),
        now=act.now,
        request_id=act.request_id,
    )
    ports.drop_holds(session, exposure_id, act.now)
    if record.sync.state is SyncState.NONE:
        exposures.end(session, exposure_id, "Withdrawn", act.now)
    wake(session, record.exposure.metadata.cluster)
    after = exposures.get(session, exposure_id)
    assert after is not None
    return after


def _check_owner(record: ExposureRecord, principal: Principal) -> None:
    own = record.exposure.metadata.team in principal.teams and Role.REQUESTER in principal.roles
    if not own and Role.ADMIN not in principal.roles:
        team = record.exposure.metadata.team
        raise Forbidden(f"Only a requester of team {team} or the platform may delete this exposure.")
