"""The owner changes an exposure: a new revision on its base; what is live stays until it is confirmed.

A change is written against what the owner sees: the pending specification if there is one, else the base's.
It is compared with the base alone, so that two small steps cannot hide a big one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.allocation import Before
from service.domain.errors import Ended, Fault, Forbidden, Invalid, NotAdopted
from service.domain.exposure import Decision, Exposure, ExposureRecord, Intent, RevisionKind
from service.domain.lifetime import is_unreviewed
from service.domain.manifest import fixed, render
from service.domain.principal import Principal, Role
from service.domain.spec import Spec
from service.store import exposures, identities
from service.workflow.act import Act
from service.workflow.approval import drop_unneeded, supersede
from service.workflow.draft import Standing, check_place, draft, lock_quota, write
from service.workflow.judge import Judge, renewal_of, served
from service.workflow.read import check_visible
from service.workflow.submit import Submitted

Change = Callable[[Before], Spec]
"""Is given what the owner sees, and its node ports; returns what is wanted."""

Precondition = Callable[[int], None]
"""Is given the change count under the row lock; raises when the caller read something older."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change or a renewal, and what the owner had read."""

    change: Change
    precondition: Precondition
    kind: RevisionKind = RevisionKind.CHANGE


def revise_exposure(session: Session, exposure_id: UUID, edit: Edit, act: Act, judge: Judge) -> Submitted:
    """Make a new revision; a change that changes nothing makes none.

    Raises:
        NotFound: no such exposure for this caller.
        Forbidden: neither a requester of its team nor the platform.
        Ended: it has ended, or is on its way out.
        Stale, PreconditionRequired: by the edit.
        Invalid: by the edit, or it needs another Service and does not say replace.
        PolicyDenied, UnsatisfiablePolicy, QuotaExceeded, NodePortTaken, NodePortReserved, PoolExhausted: as
            for a new request.
    """
    seen = exposures.get(session, exposure_id)
    check_visible(seen, act.principal)
    assert seen is not None
    check_owner(seen, act.principal)
    metadata = seen.exposure.metadata
    check_quota = lock_quota(session, seen.exposure)  # before the exposure's row: locks go in one order
    record = exposures.lock(session, exposure_id)
    assert record is not None
    check_going_on(record.exposure)
    check_adopted(record)
    edit.precondition(record.exposure.change_count)
    source = record.shown()
    before = Before(source.spec, source.allocation)
    spec = edit.change(before)
    if spec == source.spec and edit.kind is RevisionKind.CHANGE:
        return Submitted(record, (), is_new=False)
    place = identities.place(session, metadata.team, metadata.cluster, metadata.namespace)
    pool = check_place(place, metadata, spec, act.principal)
    breaks = check_fixed(record, spec)
    made = draft(session, spec, standing(record, place, edit.kind, act.now), act, judge)
    pending = record.newest(Decision.PENDING)
    if pending is not None:
        record = supersede(session, record, pending, act, made.revision.number)
    record, warnings = write(session, record, made, pool, act, before)
    drop_unneeded(session, record, act.now)
    check_quota(spec)
    exposures.changed(session, exposure_id, generation=made.revision.number, next_deadline_at=act.now)
    after = exposures.get(session, exposure_id)
    assert after is not None
    return Submitted(after, (*breaks, *warnings))


def check_fixed(record: ExposureRecord, spec: Spec) -> tuple[str, ...]:
    """Return the warning that a change needs another Service, none when it needs none.

    Raises:
        Invalid: it does, and the specification does not allow it.
    """
    live = record.newest(Decision.LIVE)
    if live is None or record.exposure.intent is not Intent.PRESENT:
        return ()  # it is made anew anyway
    paths = fixed(live.manifest, render(record.exposure.metadata, spec))
    listed = ", ".join(paths)
    if paths and not spec.replace:
        detail = (
            f"{listed} cannot change in place. With replace: true the Service is deleted and made again: "
            "connections break and the load balancer's address may change; node ports stay."
        )
        raise Invalid([Fault(FIXED[path], detail, "needs-replace") for path in paths])
    if not paths:
        return ()
    return (
        f"The Service is deleted and made again, since {listed} cannot change in place: connections break "
        "and the load balancer's address may change. Node ports stay, the cluster IP is asked for again.",
    )


FIXED = {"spec.loadBalancerClass": "#/spec/load_balancer/class"}
"""Where a client says what cannot change in place."""


def standing(record: ExposureRecord, place: identities.Place, kind: RevisionKind, now: datetime) -> Standing:
    """Return where the next revision stands: on the base, with whoever wrote what nobody has approved."""
    pending, base = record.newest(Decision.PENDING), record.base()
    unproven = [pending] if pending is not None else []
    if base is not None and is_unreviewed(base):
        unproven.append(base)
    editors = tuple(sorted({author for revision in unproven for author in revision.authors()}))
    renewal = renewal_of(record, now) if kind is RevisionKind.RENEWAL else None
    number = record.exposure.generation + 1
    return Standing(record.exposure, place, number, kind, base, editors, renewal, served(record.exposure))


def check_owner(record: ExposureRecord, principal: Principal) -> None:
    """Let the requesters of its team and the platform change an exposure.

    Raises:
        Forbidden: neither.
    """
    own = record.exposure.metadata.team in principal.teams and Role.REQUESTER in principal.roles
    if not own and Role.ADMIN not in principal.roles:
        team = record.exposure.metadata.team
        raise Forbidden(f"Only a requester of team {team} or the platform may change this exposure.")


def check_adopted(record: ExposureRecord) -> None:
    """Refuse what needs a Service of our own, while the one that is to be adopted is somebody else's.

    Raises:
        NotAdopted: it is.
    """
    if record.sync.adopts_uid is not None:
        metadata = record.exposure.metadata
        raise NotAdopted(
            f"Service {metadata.namespace}/{metadata.name} is to be adopted as it is, and is not yet: "
            "wait until this exposure is live, or withdraw it."
        )


def check_going_on(exposure: Exposure) -> None:
    """Refuse what comes too late.

    Raises:
        Ended: it has ended, or is to.
    """
    if exposure.ended_at is not None:
        raise Ended(f"This exposure has ended ({exposure.end_reason}). Ask for a new one.")
    if exposure.intent is Intent.ABSENT:
        raise Ended("This exposure is being removed, which is final. Ask for a new one when it is gone.")
