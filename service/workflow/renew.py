"""An exposure goes on for another lifetime: a new revision with the same content, decided like any other."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.allocation import Before
from service.domain.errors import NothingToRenew
from service.domain.exposure import Decision, RevisionKind
from service.domain.lifetime import is_unreviewed
from service.domain.spec import Spec
from service.store import exposures
from service.workflow.act import Act
from service.workflow.judge import Judge
from service.workflow.read import check_visible
from service.workflow.revise import Edit, revise_exposure
from service.workflow.submit import Submitted


def renew_exposure(
    session: Session, exposure_id: UUID, justification: str | None, act: Act, judge: Judge
) -> Submitted:
    """Make a revision of kind renewal on what is live, with its digest; once live it starts the clock anew.

    Args:
        justification: why; None: as before.

    Raises:
        NothingToRenew: nothing is live, a change is waiting, or the lifetime has no end.
        NotFound, Forbidden, Ended, PolicyDenied, UnsatisfiablePolicy: as for a change.
    """

    def again(before: Before) -> Spec:
        record = exposures.get(session, exposure_id)
        check_visible(record, act.principal)
        assert record is not None
        live = record.newest(Decision.LIVE)
        if live is None:
            raise NothingToRenew("Nothing of this exposure is live: there is nothing to renew.")
        if record.newest(Decision.PENDING, Decision.APPROVED) is not None:
            raise NothingToRenew("A change waits: withdraw it, or wait until it is live, then renew.")
        if is_unreviewed(live):
            raise NothingToRenew("It came through by break-glass: it can be renewed once it is reviewed.")
        if live.spec.lifetime is None:
            raise NothingToRenew("This exposure has no end: there is nothing to renew.")
        return replace(before.spec, justification=justification or live.spec.justification)

    edit = Edit(again, lambda _: None, RevisionKind.RENEWAL)
    return revise_exposure(session, exposure_id, edit, act, judge)
