"""What is to be in the cluster, from what the ledger says of an exposure. Pure."""

from service.domain.exposure import Decision, ExposureRecord, Intent, PortOrigin
from service.domain.manifest import with_ports
from service.domain.plan import Desired, Ref


def ref_of(record: ExposureRecord) -> Ref:
    """Return the key of an exposure's Service."""
    metadata = record.exposure.metadata
    return Ref(metadata.namespace, metadata.name)


def desired_of(record: ExposureRecord) -> Desired | None:
    """Return what the cluster is to have for an exposure, None when nobody has approved anything yet.

    The newest approved revision goes before the live one; absent means that nothing is to be there, whatever
    was approved.
    """
    if record.exposure.ended_at is not None:
        return None
    revision = record.newest(Decision.APPROVED) or record.newest(Decision.LIVE)
    absent = record.exposure.intent is Intent.ABSENT
    if absent:
        revision = revision or record.revisions[-1]
    if revision is None:
        return None
    sync = record.sync
    return Desired(
        exposure_id=record.exposure.id,
        revision=revision.number,
        digest=revision.digest,
        manifest=None if absent else with_ports(revision.manifest, revision.allocation),
        not_before=revision.spec.not_before,
        sync_state=sync.state,
        sync_revision=sync.revision,
        is_live=revision.decision is Decision.LIVE,
        uid=sync.uid,
        create_tokens=sync.create_tokens,
        tried_aim=sync.aim,
        next_attempt_at=sync.next_attempt_at,
        failure=sync.reason,
        asked_ports=frozenset(p.number for p in revision.allocation.ports if p.origin is PortOrigin.ASKED),
        request_id=revision.request_id,
    )
