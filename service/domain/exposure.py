"""The nouns of the product as frozen values: who asks (Principal), for what (Spec), and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from service.domain.claim import PortClaim
from service.domain.freeze import Freeze
from service.domain.spec import Document, Spec


class Intent(StrEnum):
    PRESENT = "present"
    SUSPENDED = "suspended"
    ABSENT = "absent"


class Suspension(StrEnum):
    """Why an exposure is suspended: each is lifted by another thing (design.md §4)."""

    OWNER = "owner"
    EXPIRED = "expired"
    FORBIDDEN_PORT = "forbidden-port"


class Decision(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    INVALIDATED = "invalidated"
    LIVE = "live"
    RETIRED = "retired"


class SyncState(StrEnum):
    NONE = "none"
    APPLYING = "applying"
    IN_SYNC = "in_sync"
    DRIFTED = "drifted"
    FAILED = "failed"
    REMOVING = "removing"
    REMOVED = "removed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Metadata:
    """An exposure's identity; it never changes."""

    cluster: str
    namespace: str
    name: str
    team: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The lasting record. ``change_count`` is the G of the ETag: it counts what people change.

    ``applied_at`` is when the cluster first had it, ``clock_started_at`` when its lifetime began to run.
    ``reminded_until``: every reminder that was due until then is sent. ``violations``: what deny rules say of
    it now, None: nobody has looked; ``judged_at`` is the policies' epoch then. ``forbidden_ports``: to which
    numbers its named target ports led when that suspended it. ``revert_asked_at``: since when the worker is
    to put drift right that is kept.
    """

    id: UUID
    metadata: Metadata
    intent: Intent
    generation: int
    change_count: int
    created_at: datetime
    ended_at: datetime | None = None
    end_reason: str | None = None
    suspension: Suspension | None = None
    suspended_at: datetime | None = None
    applied_at: datetime | None = None
    clock_started_at: datetime | None = None
    reminded_until: datetime | None = None
    next_deadline_at: datetime | None = None
    violations: tuple[Document, ...] | None = None
    judged_at: int = 0
    forbidden_ports: Mapping[str, Sequence[int]] | None = None
    revert_asked_at: datetime | None = None


class PortOrigin(StrEnum):
    ASKED = "asked"
    CHOSEN = "chosen"


@dataclass(frozen=True, slots=True)
class NodePort:
    """A number of the ledger given to one port of a revision."""

    number: int
    origin: PortOrigin


@dataclass(frozen=True, slots=True)
class Allocation:
    """A revision's node ports: ``ports`` in the order of ``spec.ports``, empty when the type needs none."""

    ports: tuple[NodePort, ...] = ()
    health_check: NodePort | None = None

    def numbers(self) -> frozenset[int]:
        """Return every number that is used; TCP and UDP may share one."""
        extra = {self.health_check.number} if self.health_check else set()
        return frozenset(port.number for port in self.ports) | extra

    def asked(self) -> frozenset[int]:
        """Return the numbers that somebody asked for: these are content."""
        given = (*self.ports, *((self.health_check,) if self.health_check else ()))
        return frozenset(port.number for port in given if port.origin is PortOrigin.ASKED)

    def document(self) -> Document:
        """Return the stored shape."""
        return {
            "ports": [{"number": p.number, "origin": p.origin.value} for p in self.ports],
            "health_check": self.health_check
            and {"number": self.health_check.number, "origin": self.health_check.origin.value},
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Allocation":
        """Return the value that ``document()`` wrote."""

        def node_port(item: Mapping[str, Any]) -> NodePort:
            return NodePort(item["number"], PortOrigin(item["origin"]))

        health_check = document["health_check"]
        return cls(tuple(map(node_port, document["ports"])), health_check and node_port(health_check))


class RevisionKind(StrEnum):
    CHANGE = "change"
    RENEWAL = "renewal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """An immutable specification and the Service rendered from it; only decision and chosen ports move.

    ``base`` is the revision that it was compared with, ``editors`` who wrote what it builds on and was not
    decided, ``delta`` and ``verdict`` what was said of it at submit. ``break_glass``: who let it through
    without its seats, why, and until when.
    """

    exposure_id: UUID
    number: int
    spec: Spec
    manifest: Document
    digest: str
    allocation: Allocation
    decision: Decision
    requested_by: Document
    request_id: str
    created_at: datetime
    decided_at: datetime | None = None
    kind: RevisionKind = RevisionKind.CHANGE
    base: int | None = None
    editors: tuple[str, ...] = ()
    delta: Document = field(default_factory=dict)
    verdict: Document = field(default_factory=dict)
    pending_until: datetime | None = None
    break_glass: Document | None = None

    def authors(self) -> frozenset[str]:
        """Return every person who wrote what is in it, and for whom: none of them can review it."""
        asked = (self.requested_by["person"], self.requested_by["acted_for"])
        return frozenset({*self.editors, *(person for person in asked if person)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """What the worker alone knows of an exposure.

    ``adopts_uid``: the very Service of somebody else that it is to take over; None once that is done.
    ``sync_count`` is its part of the S of the ETag. ``aim`` is what ``attempts``, ``next_attempt_at`` and
    ``reason`` are about: ``revision N`` or ``removal``. ``target_ports``: each named target port's numbers,
    as ready pods give them. ``create_sent_at``: when the last create or change was sent, as long as it may
    still arrive. ``late_tokens``: of creates that nobody waits for any more, and that may arrive all the
    same. ``heals`` in a row, since when, and the last one. ``drift`` is what is kept of it for people:
    ``reconciler.drift`` writes it, ``domain.drift`` reads it.
    """

    state: SyncState = SyncState.NONE
    revision: int | None = None
    uid: str | None = None
    create_tokens: tuple[str, ...] = ()
    create_sent_at: datetime | None = None
    aim: str | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    reason: str | None = None
    message: str | None = None
    retryable: bool = True
    still_serving: bool = False
    ready_endpoints: int = 0
    ingress: tuple[Document, ...] = ()
    cluster_ip: str | None = None
    sync_count: int = 0
    changed_at: datetime | None = None
    ready_changed_at: datetime | None = None
    adopts_uid: str | None = None
    target_ports: Mapping[str, Sequence[int]] = field(default_factory=dict)
    late_tokens: tuple[str, ...] = ()
    heals: int = 0
    heals_since: datetime | None = None
    healed_at: datetime | None = None
    drift: Document | None = None


class Opinion(StrEnum):
    """What a review says; a comment decides nothing."""

    APPROVE = "approve"
    REJECT = "reject"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Review:
    """One person's (or policy's) verdict on one revision, bound to the digest that was read.

    ``seats`` names those that the reviewer could fill by the claims that came with the review. A void one
    counts no more: changed, withdrawn, or its revision was superseded.
    """

    id: UUID
    revision: int
    reviewer: Document
    verdict: Opinion
    digest: str
    comment: str | None
    created_at: datetime
    seats: tuple[str, ...] = ()
    voided_at: datetime | None = None
    void_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ClusterView:
    """What the worker last saw of a cluster: usable node addresses, and when it looked.

    ``problem``: why the cluster cannot be read since then, None when it can. ``frozen``: why nothing may be
    written there, None when it may. ``change_count`` grows with every change that a reader can see.
    """

    node_addresses: tuple[str, ...] = ()
    seen_at: datetime | None = None
    problem: str | None = None
    change_count: int = 0
    frozen: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureRecord:
    """An exposure with all that its document is computed from; ``revisions`` by number, ascending."""

    exposure: Exposure
    revisions: tuple[Revision, ...]
    sync: Sync
    claims: tuple[PortClaim, ...]
    view: ClusterView
    reviews: tuple[Review, ...] = ()
    freezes: tuple[Freeze, ...] = ()

    def base(self) -> Revision | None:
        """Return what a change is compared with: the newest approved or live revision."""
        return self.newest(Decision.APPROVED, Decision.LIVE)

    def reviews_of(self, revision: Revision) -> tuple[Review, ...]:
        """Return the reviews of a revision that count."""
        return tuple(r for r in self.reviews if r.revision == revision.number and r.voided_at is None)

    def newest(self, *decisions: Decision) -> Revision | None:
        """Return the newest revision with one of these decisions."""
        return next((r for r in reversed(self.revisions) if r.decision in decisions), None)

    def shown(self) -> Revision:
        """Return the revision that ``spec`` shows: pending or approved, else live, else the last."""
        undone = self.newest(Decision.PENDING, Decision.APPROVED)
        return undone or self.newest(Decision.LIVE) or self.revisions[-1]
