"""What is to be in the cluster, from what the ledger says of an exposure. Pure."""

from datetime import datetime

from service.domain.claim import ClaimState
from service.domain.drift import QUIET
from service.domain.exposure import Decision, ExposureRecord, Intent, Revision
from service.domain.lifetime import held_back, is_unreviewed, reviewed_until
from service.domain.manifest import fixed, with_ports
from service.domain.plan import FIGHT, Desired, Owner, Ref


def ref_of(record: ExposureRecord) -> Ref:
    """Return the key of an exposure's Service."""
    metadata = record.exposure.metadata
    return Ref(metadata.namespace, metadata.name)


def owner_of(record: ExposureRecord) -> Owner:
    """Return by what an exposure knows its Service."""
    sync = record.sync
    return Owner(record.exposure.id, sync.uid, sync.create_tokens + sync.late_tokens)


def desired_of(record: ExposureRecord, now: datetime) -> Desired | None:
    """Return what the cluster is to have for an exposure, None when nothing is due yet.

    The newest approved revision that is due goes before the live one; absent and suspended mean that nothing
    is to be there, whatever was approved. What was sent and never confirmed goes too, as if suspended, once
    it is over and what follows it has to wait.
    """
    if record.exposure.ended_at is not None:
        return None
    revision = _due(record, now) or record.newest(Decision.LIVE)
    sync = record.sync
    is_left = revision is None and bool(sync.uid or sync.create_tokens)
    gone = is_left or record.exposure.intent is not Intent.PRESENT
    if gone:
        revision = revision or record.revisions[-1]
    if revision is None:
        return None
    return Desired(
        exposure_id=record.exposure.id,
        revision=revision.number,
        digest=revision.digest,
        manifest=None if gone else with_ports(revision.manifest, revision.allocation),
        is_suspended=gone and record.exposure.intent is not Intent.ABSENT,
        sync_state=sync.state,
        sync_revision=sync.revision,
        is_live=revision.decision is Decision.LIVE,
        uid=sync.uid,
        create_tokens=sync.create_tokens,
        create_sent_at=sync.create_sent_at,
        late_tokens=sync.late_tokens,
        tried_aim=sync.aim,
        next_attempt_at=sync.next_attempt_at,
        failure=sync.reason,
        asked_ports=revision.allocation.asked(),
        request_id=revision.request_id,
        message=sync.message,
        cluster_ip=sync.cluster_ip,
        replaces=revision.spec.replace,
        fixed=_fixed(record, revision),
        noticed=sync.drift["resource_version"] if sync.drift else None,
        reverts=record.exposure.revert_asked_at is not None,
        calm_from=sync.healed_at + QUIET if sync.reason == FIGHT and sync.healed_at else None,
        adopts_uid=sync.adopts_uid,
        has_spare_ports=bool(spare_ports(record, revision)),
    )


def needed_ports(record: ExposureRecord, wanted: Revision) -> set[int]:
    """Return the numbers that what is wanted in the cluster needs, or a revision that is open."""
    undone = (Decision.PENDING, Decision.APPROVED)
    revisions = [r for r in record.revisions if r.number == wanted.number or r.decision in undone]
    return {number for revision in revisions for number in revision.allocation.numbers()}


def spare_ports(record: ExposureRecord, wanted: Revision) -> set[int]:
    """Return the bound numbers that nothing needs any more."""
    bound = {claim.port for claim in record.claims if claim.state is ClaimState.BOUND}
    return bound - needed_ports(record, wanted)


def _fixed(record: ExposureRecord, revision: Revision) -> tuple[str, ...]:
    """Return where a revision differs from what is live, and no update brings the one to the other."""
    live = record.newest(Decision.LIVE)
    if live is None or live.number == revision.number:
        return ()
    before, after = (with_ports(each.manifest, each.allocation) for each in (live, revision))
    return fixed(before, after)


def _due(record: ExposureRecord, now: datetime) -> Revision | None:
    """Return the newest approved revision unless it has to wait; what was begun goes on.

    What came through by break-glass and was not reviewed in time is not due, also before the clock looks.
    """
    approved = record.newest(Decision.APPROVED)
    if approved is not None and is_unreviewed(approved):
        until = reviewed_until(approved)
        approved = approved if until is None or now < until else None
    if approved is None or record.sync.aim == f"revision {approved.number}":
        return approved
    return None if held_back(approved, record.freezes, now) else approved
