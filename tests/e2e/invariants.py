"""What has to be true of ledger and cluster once everything is settled, whatever was killed on the way."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Row, text

from service.domain.manifest import Mark
from service.workflow.evidence import audit
from tests.e2e.world import Document, World

Rows: TypeAlias = Sequence[Row[Any]]

LEFT_TO_DO = """
    SELECT e.name FROM exposure e JOIN exposure_sync s ON s.exposure_id = e.id
    WHERE e.ended_at IS NULL AND (
        e.intent = 'absent'
        OR EXISTS (SELECT FROM revision r WHERE r.exposure_id = e.id AND r.decision = 'approved')
        OR s.state NOT IN ('none', 'in_sync')
    )
"""
EXPOSURES = """
    SELECT e.id, e.namespace, e.name, e.ended_at, s.uid, s.state, s.create_tokens,
        (SELECT count(*) FROM revision r WHERE r.exposure_id = e.id AND r.decision = 'live') AS live
    FROM exposure e JOIN exposure_sync s ON s.exposure_id = e.id
"""


def left_to_do(world: World) -> list[str]:
    """Return the exposures that the worker has still something to do for."""
    with world.database.transaction() as session:
        return list(session.scalars(text(LEFT_TO_DO)))


def faults(world: World) -> list[str]:
    """Return what is not as it has to be; nothing: all is well."""
    with world.database.transaction() as session:
        exposures = session.execute(text(EXPOSURES)).all()
        claims = session.execute(text("SELECT port, state, exposure_id FROM port_claim")).all()
        events = session.execute(text("SELECT exposure_id, kind, revision FROM event ORDER BY id")).all()
    with world.database.transaction() as session:
        broken, _ = audit(session, [exposure.id for exposure in exposures])
    services = world.services()
    return [
        *(f"{finding.exposure_id}: {finding.fault.pointer} {finding.fault.detail}" for finding in broken),
        *_faults_of_services(exposures, services),
        *_faults_of_claims(exposures, claims, services),
        *_faults_of_events(exposures, events),
    ]


def _faults_of_services(exposures: Rows, services: list[Document]) -> Iterator[str]:
    """Each live exposure has exactly its one Service, and no Service of ours is without one."""
    live = {(e.namespace, e.name): e for e in exposures if e.live}
    found = {(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in services}
    for key in live.keys() | found.keys():
        exposure, service = live.get(key), found.get(key)
        if exposure is None or service is None:
            yield f"{key}: exposure {exposure}, Service {service and service['metadata']}"
            continue
        mark = Mark.of(service)
        if mark is None or mark.exposure_id != exposure.id:
            yield f"{key}: the Service of exposure {exposure.id} has the mark {mark}"
        if service["metadata"]["uid"] != exposure.uid:
            yield f"{key}: the Service has uid {service['metadata']['uid']}, the ledger {exposure.uid}"
    for exposure in exposures:
        if exposure.ended_at and (exposure.live or exposure.uid or exposure.create_tokens):
            yield f"{exposure.name}: has ended, and something of it is live or may yet arrive"


def _faults_of_claims(exposures: Rows, claims: Rows, services: list[Document]) -> Iterator[str]:
    """A number in the cluster is bound to its exposure; nothing is bound for what is not in the cluster."""
    in_cluster = {
        (port["nodePort"], mark.exposure_id)
        for service in services
        for port in service["spec"]["ports"]
        if "nodePort" in port and (mark := Mark.of(service))
    }
    bound = {(claim.port, claim.exposure_id) for claim in claims if claim.state == "bound"}
    if in_cluster != bound:
        yield f"in the cluster {sorted(in_cluster, key=str)}, bound {sorted(bound, key=str)}"
    ended = {exposure.id for exposure in exposures if exposure.ended_at}
    held = (claim for claim in claims if claim.state == "held" and claim.exposure_id in ended)
    yield from (f"held for an ended exposure: {claim}" for claim in held)


def _faults_of_events(exposures: Rows, events: Rows) -> Iterator[str]:
    """Everything was told once, and only what happened."""
    told = Counter((event.exposure_id, event.kind, event.revision) for event in events)
    once = ("requested", "approved", "live", "removal-requested", "removed")
    twice = (what for what, count in told.items() if what[1] in once and count > 1)
    yield from (f"told more than once: {what}" for what in twice)
    for exposure in exposures:
        kinds = [event.kind for event in events if event.exposure_id == exposure.id]
        if not kinds or kinds[0] != "requested":
            yield f"{exposure.name}: begins with {kinds}"
        if exposure.live and "live" not in kinds:
            yield f"{exposure.name}: is live, and nobody was told: {kinds}"
        if exposure.ended_at and "live" in kinds and kinds[-1] != "removed":
            yield f"{exposure.name}: has ended, and the last word is {kinds}"
