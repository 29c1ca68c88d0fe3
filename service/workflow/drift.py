"""Drift that was kept for people: its owner lets it be put right, or asks for what the cluster has."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.allocation import Before
from service.domain.errors import Fault, Invalid, NoDrift
from service.domain.exposure import Decision, ExposureRecord
from service.domain.read_back import DRIFT_CODE, DRIFT_POINTER, spec_of_drift
from service.domain.spec import Document, Spec
from service.store import exposures
from service.store.database import wake
from service.workflow.act import Act
from service.workflow.approval import tell
from service.workflow.judge import Judge
from service.workflow.read import check_visible
from service.workflow.revise import Edit, Precondition, check_going_on, check_owner, revise_exposure
from service.workflow.submit import Submitted

Checked = Callable[[Spec], Spec]
"""Refuses a specification that nobody could have asked for."""


def revert_drift(session: Session, exposure_id: UUID, precondition: Precondition, act: Act) -> ExposureRecord:
    """Let the worker put the drift right once, whatever the cluster's rule is. Safe to repeat.

    Raises:
        NotFound: no such exposure for this caller.
        Forbidden: neither a requester of its team nor the platform.
        Ended: it has ended, or is on its way out.
        NoDrift: nothing is kept.
        Stale, PreconditionRequired: by ``precondition``.
    """
    record = exposures.lock(session, exposure_id)
    check_visible(record, act.principal)
    assert record is not None
    check_owner(record, act.principal)
    check_going_on(record.exposure)
    if record.exposure.revert_asked_at is not None:
        return record
    drift = kept_drift(record)
    precondition(record.exposure.change_count)
    exposures.changed(session, exposure_id, revert_asked_at=act.now)
    tell(session, record, None, "revert-asked", act, {"diff": drift["diff"]})
    wake(session, record.exposure.metadata.cluster)
    after = exposures.get(session, exposure_id)
    assert after is not None
    return after


def adopt_drift(
    session: Session, exposure_id: UUID, edit: tuple[Checked, Precondition], act: Act, judge: Judge
) -> Submitted:
    """Ask for what the cluster has: a new revision that is decided like any other change.

    Raises:
        NoDrift: nothing is kept.
        Invalid: by the first of ``edit``, or with each field that no specification can say.
        NotFound, Forbidden, Ended, Stale, PreconditionRequired, PolicyDenied, UnsatisfiablePolicy,
        QuotaExceeded, NodePortTaken, NodePortReserved, PoolExhausted: as for a change.
    """
    checked, precondition = edit

    def as_it_is(_: Before) -> Spec:
        record = exposures.get(session, exposure_id)
        assert record is not None
        service = kept_drift(record)["service"]
        live = record.newest(Decision.LIVE)
        assert live is not None  # drift is of what is live, and goes with it
        if service is None:
            detail = "The Service is too long to be kept: change the exposure yourself, or revert the drift."
            raise Invalid([Fault(DRIFT_POINTER, detail, DRIFT_CODE)])
        found = spec_of_drift(live, service)
        if isinstance(found, tuple):
            raise Invalid(found)
        return checked(found)

    return revise_exposure(session, exposure_id, Edit(as_it_is, precondition), act, judge)


def kept_drift(record: ExposureRecord) -> Document:
    """Return the drift that is kept of an exposure.

    Raises:
        NoDrift: none is.
    """
    if record.sync.drift is None:
        raise NoDrift(record.exposure.metadata.cluster)
    return record.sync.drift
