"""Ledger and cluster at one moment, as plain rows: what the invariants are asked of.

Read by SQL and from the kube-apiserver, never through the product: what judges it shares no code with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from tests.e2e.world import Document, World

MARK = "wharfinger.dev/"
EXPOSURES = """
    SELECT e.id, e.namespace, e.name, e.intent, e.ended_at IS NOT NULL AS ended,
        s.state, s.reason, s.uid, s.create_tokens
    FROM exposure e JOIN exposure_sync s ON s.exposure_id = e.id ORDER BY e.created_at
"""
REVISIONS = "SELECT exposure_id, number, decision, digest, manifest, allocation FROM revision ORDER BY number"
CLAIMS = """
    SELECT port, state, exposure_id, namespace, name FROM port_claim
    WHERE cluster = 'dev' AND state <> 'free' ORDER BY port
"""
EVENTS = "SELECT exposure_id, kind, revision, request_id FROM event ORDER BY id"


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """An exposure, and what the worker knows of it."""

    id: UUID
    namespace: str
    name: str
    intent: str = "present"
    ended: bool = False
    state: str = "in_sync"
    reason: str | None = None
    uid: str | None = None
    create_tokens: Sequence[str] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Where its Service is."""
        return self.namespace, self.name


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A revision; ``node_ports`` stand in the order of the manifest's ports, ``hidden`` has no port."""

    exposure_id: UUID
    number: int
    decision: str
    digest: str
    manifest: Document
    node_ports: Sequence[int] = ()
    hidden: int | None = None

    @property
    def numbers(self) -> frozenset[int]:
        """Every node port that it was given."""
        return frozenset({*self.node_ports, *filter(None, [self.hidden])})


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A number that somebody has."""

    port: int
    state: str
    exposure_id: UUID | None = None
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What was told."""

    exposure_id: UUID
    kind: str
    revision: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything."""

    exposures: Sequence[Exposure] = ()
    revisions: Sequence[Revision] = ()
    claims: Sequence[Claim] = ()
    events: Sequence[Event] = ()
    services: Sequence[Document] = field(default=())

    def service(self, key: tuple[str, str]) -> Document | None:
        """Return the Service of a namespace and name."""
        return next((service for service in self.services if key_of(service) == key), None)

    def live(self, exposure: Exposure) -> Revision | None:
        """Return its live revision."""
        return next((r for r in self.revisions_of(exposure) if r.decision == "live"), None)

    def revisions_of(self, exposure: Exposure) -> list[Revision]:
        """Return its revisions, the oldest first."""
        return [revision for revision in self.revisions if revision.exposure_id == exposure.id]

    def told_of(self, exposure: Exposure) -> list[str]:
        """Return the kinds of its events."""
        return [event.kind for event in self.events if event.exposure_id == exposure.id]


def take(world: World) -> Snapshot:
    """Read a world's ledger in one transaction, and then its cluster."""
    with world.database.transaction() as session:
        rows = {
            name: session.execute(text(statement)).all()
            for name, statement in {"e": EXPOSURES, "r": REVISIONS, "c": CLAIMS, "t": EVENTS}.items()
        }
    return Snapshot(
        exposures=[Exposure(**row._mapping) for row in rows["e"]],
        revisions=[_revision(row) for row in rows["r"]],
        claims=[Claim(**row._mapping) for row in rows["c"]],
        events=[Event(**row._mapping) for row in rows["t"]],
        services=world.admin.request("GET", "/api/v1/services")["items"],
    )


def _revision(row: Row[Any]) -> Revision:
    allocation = row.allocation
    return Revision(
        exposure_id=row.exposure_id,
        number=row.number,
        decision=row.decision,
        digest=row.digest,
        manifest=row.manifest,
        node_ports=[port["number"] for port in allocation["ports"]],
        hidden=allocation["health_check"] and allocation["health_check"]["number"],
    )


def key_of(service: Mapping[str, Any]) -> tuple[str, str]:
    """Return namespace and name of a Service."""
    return service["metadata"]["namespace"], service["metadata"]["name"]


def mark_of(service: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the annotations of our mark without their prefix; empty when it has none of an exposure."""
    annotations = service["metadata"].get("annotations") or {}
    mark = {name.removeprefix(MARK): value for name, value in annotations.items() if name.startswith(MARK)}
    return mark if "exposure-id" in mark else {}


def numbers_of(service: Mapping[str, Any]) -> set[int]:
    """Return every node port that a Service has, the hidden one too."""
    spec = service["spec"]
    numbers = {port.get("nodePort") for port in spec.get("ports") or ()} | {spec.get("healthCheckNodePort")}
    return {number for number in numbers if number}
