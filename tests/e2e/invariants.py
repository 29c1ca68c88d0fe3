"""What has to be true of ledger and cluster once everything is settled, whatever happened on the way.

Each is a function from a snapshot to sentences; none means that it holds. Each sentence names the exposure
and what was told of it, so that who reads it in a log knows where to look. ``test_invariants.py`` shows that
each can fail.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from service.workflow.evidence import audit
from tests.e2e.snapshot import Exposure, Revision, Snapshot, key_of, mark_of, numbers_of, take
from tests.e2e.world import Document, World

FILLED_IN_BY_THE_SERVER = frozenset({
    "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy",
    "externalTrafficPolicy", "sessionAffinity", "healthCheckNodePort",
})  # fmt: skip
OPEN = ("pending", "approved", "live")
ONCE = frozenset({"requested", "approved", "rejected", "live", "removal-requested", "removed"})
"""What is told of one revision at most once."""


def faults(world: World) -> list[str]:
    """Return what is not as it has to be; nothing: all is well."""
    snapshot = take(world)
    with world.database.transaction() as session:
        findings, _ = audit(session, [exposure.id for exposure in snapshot.exposures])
    chains = (
        f"{finding.exposure_id}: {finding.fault.pointer} {finding.fault.detail}" for finding in findings
    )
    return [*chains, *broken(snapshot)]


def left_to_do(world: World) -> list[str]:
    """Return the exposures that the worker has still something to do for."""
    return list(unsettled(take(world)))


def broken(snapshot: Snapshot) -> list[str]:
    """Return every sentence of every invariant."""
    return [sentence for invariant in INVARIANTS for sentence in invariant(snapshot)]


def unsettled(snapshot: Snapshot) -> Iterator[str]:
    """Yield the exposures that have not come to rest: only people, or strangers, can move the others on."""
    for exposure in snapshot.exposures:
        if exposure.ended or is_in_the_way(snapshot, exposure):
            continue
        wanted = any(revision.decision == "approved" for revision in snapshot.revisions_of(exposure))
        rests = {"present": ("none", "in_sync"), "suspended": ("none", "removed")}.get(exposure.intent, ())
        if exposure.state not in rests or (wanted and exposure.intent == "present"):
            yield _named(snapshot, exposure, f"is {exposure.intent}, {exposure.state}, {exposure.reason}")


def is_in_the_way(snapshot: Snapshot, exposure: Exposure) -> bool:
    """Return whether a stranger really has the name or a number that it wants: it waits for people."""
    if exposure.intent != "present":
        return False
    if exposure.reason == "ForeignOwner":
        return snapshot.service(exposure.key) is not None and _ours(snapshot, exposure) is None
    if exposure.reason == "NodePortTaken":
        wanted = [r.numbers for r in snapshot.revisions_of(exposure) if r.decision in OPEN]
        taken = {c.port for c in snapshot.claims if c.exposure_id != exposure.id and c.state != "cooling"}
        return bool(taken & frozenset().union(*wanted))
    return False


def services_are_what_was_approved(snapshot: Snapshot) -> Iterator[str]:
    """Each live exposure has its one Service, and that is the approved manifest, the mark and the ports."""
    for exposure in snapshot.exposures:
        live = snapshot.live(exposure)
        if live is None or exposure.ended or exposure.intent != "present":
            continue
        service = _ours(snapshot, exposure)
        if service is None:
            if not is_in_the_way(snapshot, exposure):
                yield _named(snapshot, exposure, f"is live, and its key has {snapshot.service(exposure.key)}")
            continue
        for difference in _differences(live, service):
            yield _named(snapshot, exposure, f"revision {live.number} and the cluster differ: {difference}")
        if service["metadata"]["uid"] != exposure.uid:
            yield _named(snapshot, exposure, f"has uid {service['metadata']['uid']} and not {exposure.uid}")


def no_other_service_has_our_mark(snapshot: Snapshot) -> Iterator[str]:
    """A Service with our mark is the one of an exposure that is live."""
    wanted = {str(e.id): e for e in snapshot.exposures if not e.ended and e.intent == "present"}
    for service in snapshot.services:
        exposure_id = mark_of(service).get("exposure-id")
        if exposure_id is None:
            continue
        exposure = wanted.get(exposure_id)
        if exposure is None or key_of(service) != exposure.key or snapshot.live(exposure) is None:
            yield f"{key_of(service)}: has the mark of exposure {exposure_id}, which wants no such Service"


def every_port_has_one_owner(snapshot: Snapshot) -> Iterator[str]:
    """Who has a number in the cluster has it in the ledger, and a claim is of a revision that needs it."""
    claims = {claim.port: claim for claim in snapshot.claims}
    ids = {exposure.key: exposure.id for exposure in snapshot.exposures if not exposure.ended}
    in_cluster = Counter(number for service in snapshot.services for number in numbers_of(service))
    yield from (f"port {port}: {count} Services have it" for port, count in in_cluster.items() if count > 1)
    for service in snapshot.services:
        mine = mark_of(service).get("exposure-id") == str(ids.get(key_of(service)))
        for port in numbers_of(service):
            claim = claims.get(port)
            owner = (claim.state, claim.namespace, claim.name) if claim else None
            if owner != ("bound" if mine else "foreign", *key_of(service)):
                yield f"port {port}: {key_of(service)} has it in the cluster, and the ledger says {claim}"
    yield from _claims_without_need(snapshot, in_cluster)


def _claims_without_need(snapshot: Snapshot, in_cluster: Mapping[int, int]) -> Iterator[str]:
    by_id = {exposure.id: exposure for exposure in snapshot.exposures}
    for claim in snapshot.claims:
        exposure = by_id.get(claim.exposure_id) if claim.exposure_id else None
        if claim.state == "foreign" and claim.port not in in_cluster:
            yield f"port {claim.port}: {claim} is nobody's in the cluster"
        if claim.state not in ("held", "bound") or exposure is None:
            continue
        needed = {n for r in snapshot.revisions_of(exposure) if r.decision in OPEN for n in r.numbers}
        if exposure.ended or claim.port not in needed:
            yield _named(snapshot, exposure, f"needs no port {claim.port}, and has {claim}")


def everything_is_decided_or_waits(snapshot: Snapshot) -> Iterator[str]:
    """What has ended has nothing open, and what has not has: nobody waits for nothing."""
    for exposure in snapshot.exposures:
        open_ones = [r for r in snapshot.revisions_of(exposure) if r.decision in OPEN]
        if exposure.ended and (open_ones or exposure.uid or exposure.create_tokens):
            yield _named(snapshot, exposure, f"has ended, and has {open_ones}, {exposure}")
        if not exposure.ended and not open_ones:
            yield _named(snapshot, exposure, "has not ended, and nothing of it is open")


def everything_was_told_once(snapshot: Snapshot) -> Iterator[str]:
    """The events say what happened, each thing once."""
    told = Counter((e.exposure_id, e.kind, e.revision) for e in snapshot.events if e.kind in ONCE)
    yield from (f"told {count} times: {what}" for what, count in told.items() if count > 1)
    for exposure in snapshot.exposures:
        kinds = snapshot.told_of(exposure)
        if not kinds or kinds[0] != "requested":
            yield _named(snapshot, exposure, "does not begin with its request")
        if snapshot.live(exposure) and "live" not in kinds:
            yield _named(snapshot, exposure, "is live, and nobody was told")
        if exposure.ended and "live" in kinds and kinds[-1] != "removed":
            yield _named(snapshot, exposure, "has ended, and its removal is not the last word")


INVARIANTS: Sequence[Callable[[Snapshot], Iterator[str]]] = (
    services_are_what_was_approved,
    no_other_service_has_our_mark,
    every_port_has_one_owner,
    everything_is_decided_or_waits,
    everything_was_told_once,
)


def _ours(snapshot: Snapshot, exposure: Exposure) -> Document | None:
    """Return the Service at an exposure's key when it has the mark of it."""
    service = snapshot.service(exposure.key)
    return service if service and mark_of(service).get("exposure-id") == str(exposure.id) else None


def _differences(revision: Revision, service: Document) -> Iterator[str]:
    wanted: dict[str, Any] = dict(revision.manifest["spec"])
    if revision.node_ports:
        ports = zip(wanted["ports"], revision.node_ports, strict=True)
        wanted["ports"] = [{**port, "nodePort": number} for port, number in ports]
    found = service["spec"]
    for name in sorted(wanted.keys() | found.keys()):
        want, have = wanted.get(name), found.get(name)
        may_be_filled_in = name in FILLED_IN_BY_THE_SERVER or (name, have) == _timeout_of(wanted)
        if have != want and not (want is None and may_be_filled_in):
            yield f"spec.{name}: {want} was approved, {have} is there"
    for name in ("labels", "annotations"):
        want, have = revision.manifest["metadata"].get(name, {}), service["metadata"].get(name, {})
        if any(have.get(key) != value for key, value in want.items()):
            yield f"metadata.{name}: {want} was approved, {have} is there"
    mark = mark_of(service)
    if (mark.get("revision"), mark.get("digest")) != (str(revision.number), revision.digest):
        yield f"the mark says revision {mark.get('revision')} with {mark.get('digest')}"


def _timeout_of(wanted: Mapping[str, Any]) -> tuple[str, Document] | None:
    """Return what the server adds to an affinity: how long a client stays with one pod."""
    has_affinity = wanted.get("sessionAffinity") == "ClientIP"
    return ("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}}) if has_affinity else None


def _named(snapshot: Snapshot, exposure: Exposure, sentence: str) -> str:
    told = ", ".join(snapshot.told_of(exposure))
    return f"{'/'.join(exposure.key)} ({exposure.id}) {sentence}; told: {told}"
