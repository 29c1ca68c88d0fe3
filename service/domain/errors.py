"""Every error that Wharfinger raises on purpose, one tree.

    WharfingerError
    ├── Malformed            the request cannot be read at all
    │   └── BadPageToken     a page token of another list, or no page token at all
    ├── Invalid              it can be read, and breaks rules: every fault with its pointer
    ├── Unauthenticated      no token, or one that is unknown or over
    ├── Forbidden            known, but not allowed
    │   ├── SelfReview       who asked cannot decide
    │   └── QuotaExceeded    more than the team may have in a cluster
    ├── NotFound             not there, or not yours to see (the two look alike on purpose)
    ├── Conflict             it clashes with what is
    │   ├── NameTaken · AlreadyDecided · Ended · EnvironmentTaken
    │   └── NodePortTaken · NodePortReserved · PoolExhausted
    ├── PreconditionFailed   the caller read something older than what is
    │   ├── Stale · DigestMismatch
    ├── PreconditionRequired the caller did not say what it read
    ├── TooLarge · UnsupportedMediaType
    ├── Busy                 a lock or a deadlock: the same request again may pass
    ├── Unavailable          a part that is needed does not answer
    └── ClusterError         what a kube-apiserver answered, seen by the worker only
        ├── ClusterAway      no answer, or 5xx/429: the outcome of a write is unknown
        ├── ListTooOld       a watch cannot go on from there: list again
        ├── ObjectExists · ObjectChanged · ObjectMissing
        ├── PortAllocated    "provided port is already allocated"
        ├── WriteForbidden   RBAC, quota or an admission webhook
        └── WriteRefused     any other 4xx: sending it again changes nothing

Facts are attributes, ``code`` is stable and part of the API's contract. HTTP statuses live in api/problems.py
alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

from service.domain.ports import PoolUsage
from service.domain.reservation import Reservation


class WharfingerError(Exception):
    """Something that Wharfinger can name."""

    code: ClassVar[str] = "error"

    @property
    def facts(self) -> Mapping[str, object]:
        """Return what a program may want to read: JSON values and times, added to the problem document."""
        return {}


class DenialReason(Protocol):
    """Why a policy refuses something; its text is for people."""

    def document(self) -> Mapping[str, object]:
        """Return it for programs."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule; ``pointer`` is a JSON pointer as URI fragment (RFC 6901 §6): ``#/spec/type``."""

    pointer: str
    detail: str
    code: str = "invalid"


class Malformed(WharfingerError):
    code = "malformed"

    def __init__(self, detail: str, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.pointer = pointer

    @property
    def facts(self) -> Mapping[str, object]:
        if self.pointer is None:
            return {}
        return {"errors": [{"pointer": self.pointer, "detail": str(self), "code": self.code}]}


class BadPageToken(Malformed):
    code = "bad-page-token"


class Invalid(WharfingerError):
    code = "invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        first = faults[0]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{first.pointer}: {first.detail}{more}")
        self.faults = tuple(faults)

    @property
    def facts(self) -> Mapping[str, object]:
        return {"errors": [{"pointer": f.pointer, "detail": f.detail, "code": f.code} for f in self.faults]}


class UnsatisfiablePolicy(WharfingerError):
    """A policy asks for people of groups that nobody has ever been in."""

    code = "unsatisfiable-policy"

    def __init__(self, groups: Sequence[str]) -> None:
        super().__init__(
            f"The platform's policies ask for reviews of group {', '.join(groups)}, which nobody is in: "
            "nobody could ever approve this. Tell the platform."
        )
        self.groups = tuple(groups)

    @property
    def facts(self) -> Mapping[str, object]:
        return {"groups": list(self.groups)}


class Unauthenticated(WharfingerError):
    code = "unauthenticated"


class Forbidden(WharfingerError):
    code = "forbidden"


class SelfReview(Forbidden):
    code = "self-review"


class PolicyDenied(Forbidden):
    """The platform's policies refuse it: every reason, and in ``verdict`` what each of them said."""

    code = "policy-denied"

    def __init__(self, reasons: Sequence[DenialReason], verdict: Mapping[str, object] | None = None) -> None:
        first = reasons[0]
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        super().__init__(f"{first}{more}")
        self.reasons, self.verdict = tuple(reasons), verdict

    @property
    def facts(self) -> Mapping[str, object]:
        return {"reasons": [reason.document() for reason in self.reasons]}


class QuotaExceeded(Forbidden):
    """``domain.quota.check`` says what, in words and in facts."""

    code = "quota-exceeded"

    def __init__(self, detail: str, facts: Mapping[str, object]) -> None:
        super().__init__(detail)
        self._facts = facts

    @property
    def facts(self) -> Mapping[str, object]:
        return self._facts


class NotFound(WharfingerError):
    code = "not-found"


class Conflict(WharfingerError):
    code = "conflict"


class CannotResume(Conflict):
    """Another thing than the owner's word lifts this suspension."""

    code = "cannot-resume"

    def __init__(self, suspension: str) -> None:
        hints = {
            "expired": "Its lifetime is over. Renew it: POST .../renewals.",
            "forbidden-port": "A target port leads to a forbidden number. It goes on once that has changed.",
        }
        super().__init__(hints.get(suspension, "It is suspended for another reason."))
        self.suspension = suspension

    @property
    def facts(self) -> Mapping[str, object]:
        return {"suspension": self.suspension}


class NothingToRenew(Conflict):
    code = "nothing-to-renew"


class NameTaken(Conflict):
    """An exposure of this cluster, namespace and name has not ended yet."""

    code = "name-taken"

    def __init__(self, namespace: str, name: str, exposure_id: UUID | None) -> None:
        seen = f": exposure {exposure_id}" if exposure_id else ", of another team"
        super().__init__(
            f"{namespace}/{name} is already exposed{seen}. Delete that one, or choose another name."
        )
        self.exposure_id = exposure_id

    @property
    def facts(self) -> Mapping[str, object]:
        return {"exposure_id": str(self.exposure_id)} if self.exposure_id else {}


@dataclass(frozen=True, slots=True)
class PortOwner:
    """Who holds a node port: every authenticated principal may read it. A foreign Service has no ``team``."""

    team: str | None
    namespace: str
    name: str

    def document(self) -> dict[str, str | None]:
        """Return ``{team, namespace, name}``."""
        return {"team": self.team, "namespace": self.namespace, "name": self.name}


class NodePortTaken(Conflict):
    code = "node-port-taken"

    def __init__(self, port: int, owner: PortOwner, state: str, until: datetime | None, pointer: str) -> None:
        whose = f" of team {owner.team}" if owner.team else " (not made by us)"
        who = f"{owner.namespace}/{owner.name}{whose}"
        when = f" until {until:%Y-%m-%dT%H:%M:%SZ}" if until else ""
        super().__init__(
            f"Node port {port} belongs to {who} ({state}{when}). "
            "Leave node_port out and a free one is chosen for you."
        )
        self.port, self.owner, self.state, self.until, self.pointer = port, owner, state, until, pointer

    @property
    def facts(self) -> Mapping[str, object]:
        return {
            "port": self.port,
            "owner": self.owner.document(),
            "state": self.state,
            "until": self.until,
            "errors": [{"pointer": self.pointer, "detail": str(self), "code": self.code}],
        }


class NodePortReserved(Conflict):
    """``team`` None: the platform keeps it for itself."""

    code = "node-port-reserved"

    def __init__(self, port: int, rule: Reservation, pointer: str) -> None:
        whom = f"team {rule.team}" if rule.team else "the platform"
        when = f" until {rule.until:%Y-%m-%dT%H:%M:%SZ}" if rule.until else ""
        super().__init__(
            f"Node port {port} is kept for {whom}{when} by reservation {rule.name} ({rule.reason}). "
            "Leave node_port out and a free one is chosen for you, or ask the platform."
        )
        self.port, self.rule, self.pointer = port, rule, pointer

    @property
    def facts(self) -> Mapping[str, object]:
        rule = self.rule
        return {
            "port": self.port,
            "reservation": rule.name,
            "team": rule.team,
            "reason": rule.reason,
            "until": rule.until,
            "errors": [{"pointer": self.pointer, "detail": str(self), "code": self.code}],
        }


class PoolExhausted(Conflict):
    code = "pool-exhausted"

    def __init__(self, cluster: str, wanted: int, usage: PoolUsage) -> None:
        taken = ", ".join(f"{count} {state}" for state, count in sorted(usage.by_state.items())) or "none"
        kept = f", {usage.reserved} of the free ones kept for others" if usage.reserved else ""
        free_at = usage.next_free_at
        when = f" The next one has cooled at {free_at:%Y-%m-%dT%H:%M:%SZ}." if free_at else ""
        super().__init__(
            f"Cluster {cluster} has no {wanted} free node port(s) left ({taken}{kept}).{when} "
            "Delete an exposure that is not needed, or use type LoadBalancer or ClusterIP."
        )
        self.cluster, self.wanted, self.usage = cluster, wanted, usage

    @property
    def next_free_at(self) -> datetime | None:
        """Return when the next port has cooled; None: none is cooling."""
        return self.usage.next_free_at

    @property
    def facts(self) -> Mapping[str, object]:
        return {
            "cluster": self.cluster,
            "wanted": self.wanted,
            "counts": dict(self.usage.by_state),
            "teams": dict(self.usage.by_team),
            "reserved": self.usage.reserved,
            "next_free_at": self.usage.next_free_at,
        }


class EnvironmentTaken(Conflict):
    """A namespace has another environment already; it is the namespace's, not the team's."""

    code = "environment-taken"

    def __init__(self, namespace: str, environment: str, wanted: str) -> None:
        super().__init__(
            f"Namespace {namespace} is {environment}, not {wanted}: it belongs to the namespace, "
            f"whichever team uses it. Add the team with ={environment}."
        )


class AlreadyDecided(Conflict):
    code = "already-decided"


class Ended(Conflict):
    code = "ended"


class PreconditionFailed(WharfingerError):
    code = "precondition-failed"


class Stale(PreconditionFailed):
    code = "stale"


class DigestMismatch(PreconditionFailed):
    code = "digest-mismatch"

    def __init__(self, sent: str, actual: str) -> None:
        super().__init__(
            f"The review was written for {sent}, this revision is {actual}. "
            "Read it again, then review what you read."
        )
        self.actual = actual

    @property
    def facts(self) -> Mapping[str, object]:
        return {"digest": self.actual}


class PreconditionRequired(WharfingerError):
    code = "precondition-required"


class TooLarge(WharfingerError):
    code = "too-large"


class UnsupportedMediaType(WharfingerError):
    code = "unsupported-media-type"


class Busy(WharfingerError):
    code = "busy"


class Unavailable(WharfingerError):
    code = "unavailable"


class ClusterError(WharfingerError):
    """What the apiserver answered; ``str()`` is its own message. ``reason`` is the word for conditions."""

    code = "cluster"
    reason: ClassVar[str] = "ClusterError"
    retryable: ClassVar[bool] = True

    def __init__(self, message: str) -> None:
        super().__init__(message.replace("\0", "\N{REPLACEMENT CHARACTER}"))  # PostgreSQL can store no NUL


class ClusterAway(ClusterError):
    reason = "ClusterAway"


class ListTooOld(ClusterError):
    reason = "Expired"


class ObjectExists(ClusterError):
    reason = "NameTakenInCluster"


class ObjectChanged(ClusterError):
    reason = "Conflict"


class ObjectMissing(ClusterError):
    reason = "NotFound"


class PortAllocated(ClusterError):
    reason = "NodePortTaken"


class WriteForbidden(ClusterError):
    reason = "Forbidden"


class WriteRefused(ClusterError):
    reason = "Refused"
    retryable = False
