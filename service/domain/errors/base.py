"""What an error is, and those that any request may meet: unreadable, not allowed, not there, too late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class WharfingerError(Exception):
    """Something that Wharfinger can name."""

    code: ClassVar[str] = "error"

    @property
    def facts(self) -> Mapping[str, object]:
        """Return what a program may want to read: JSON values and times, added to the problem document."""
        return {}


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


class Unauthenticated(WharfingerError):
    code = "unauthenticated"


class Forbidden(WharfingerError):
    code = "forbidden"


class NotFound(WharfingerError):
    code = "not-found"


class Conflict(WharfingerError):
    code = "conflict"


class PreconditionFailed(WharfingerError):
    code = "precondition-failed"


class Stale(PreconditionFailed):
    code = "stale"


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


class MarkUnwritten(Unavailable):
    """A worker may not act before the cluster has the ledger's mark: it cannot be written, or is not ours."""

    code = "mark-unwritten"

    def __init__(self, cluster: str) -> None:
        super().__init__(f"The ledger's mark is not in cluster {cluster}: nothing is sent before.")


class LeaseLost(Unavailable):
    """A worker may not act on a cluster any more: nothing has failed, another worker goes on."""

    code = "lease-lost"

    def __init__(self, cluster: str) -> None:
        super().__init__(f"The lease of cluster {cluster} is not ours any more, or is about to end.")
        self.cluster = cluster
