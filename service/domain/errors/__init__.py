"""Every error that Wharfinger raises on purpose, one tree.

    WharfingerError
    ├── Malformed            the request cannot be read at all
    │   └── BadPageToken     a page token of another list, or no page token at all
    ├── Invalid              it can be read, and breaks rules: every fault with its pointer
    ├── Unauthenticated      no token, or one that is unknown or over
    ├── UnsatisfiablePolicy  policies ask for people who are not there
    ├── Forbidden            known, but not allowed
    │   ├── SelfReview       who asked cannot decide
    │   ├── PolicyDenied     the platform's policies refuse it
    │   └── QuotaExceeded    more than the team may have in a cluster
    ├── NotFound             not there, or not yours to see (the two look alike on purpose)
    ├── Conflict             it clashes with what is
    │   ├── NameTaken · AlreadyDecided · Ended · EnvironmentTaken
    │   ├── CannotResume · NothingToRenew · NoDrift · AdoptionOpen · NotAdopted
    │   └── NodePortTaken · NodePortReserved · PoolExhausted
    ├── PreconditionFailed   the caller read something older than what is
    │   ├── Stale · DigestMismatch
    ├── PreconditionRequired the caller did not say what it read
    ├── TooLarge · UnsupportedMediaType
    ├── Busy                 a lock or a deadlock: the same request again may pass
    ├── Unavailable          a part that is needed does not answer
    │   ├── LeaseLost        another worker keeps the cluster; seen by the worker only
    │   └── MarkUnwritten    the ledger's mark is not in the cluster; seen by the worker only
    └── ClusterError         what a kube-apiserver answered, seen by the worker only
        ├── ClusterAway      no answer, or 5xx/429: the outcome of a write is unknown
        │   └── NotSent      it came too late to be sent: nothing is under way
        ├── ListTooOld       a watch cannot go on from there: list again
        ├── ObjectExists · ObjectChanged
        ├── ObjectMissing
        │   └── NamespaceMissing      nothing can be made there
        ├── PortAllocated    "provided port is already allocated"
        ├── WebhookFailed    an admission webhook did not answer as one does: nothing was written
        ├── WriteForbidden   RBAC, quota or an admission webhook
        │   └── NamespaceTerminating  nothing new can be made there
        └── WriteRefused     any other 4xx: sending it again changes nothing
            ├── FieldFixed            a field that never changes in place
            └── AddressRefused        a cluster IP that was asked for and cannot be had

Facts are attributes, ``code`` is stable and part of the API's contract. HTTP statuses live in api/problems.py
alone.

Whoever raises or catches one imports it from here; the modules are cut by theme.
"""

from service.domain.errors.approval import (
    CannotResume,
    NothingToRenew,
    PolicyDenied,
    UnsatisfiablePolicy,
)
from service.domain.errors.base import (
    BadPageToken,
    Busy,
    Conflict,
    Fault,
    Forbidden,
    Invalid,
    LeaseLost,
    Malformed,
    MarkUnwritten,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Stale,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    WharfingerError,
)
from service.domain.errors.cluster import (
    AddressRefused,
    ClusterAway,
    ClusterError,
    FieldFixed,
    ListTooOld,
    NamespaceMissing,
    NamespaceTerminating,
    NotSent,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    PortAllocated,
    WebhookFailed,
    WriteForbidden,
    WriteRefused,
)
from service.domain.errors.ledger import (
    NodePortReserved,
    NodePortTaken,
    PoolExhausted,
    PortOwner,
    QuotaExceeded,
)
from service.domain.errors.lifecycle import (
    AdoptionOpen,
    AlreadyDecided,
    DigestMismatch,
    Ended,
    EnvironmentTaken,
    NameTaken,
    NoDrift,
    NotAdopted,
    SelfReview,
)

__all__ = [
    "AddressRefused",
    "AdoptionOpen",
    "AlreadyDecided",
    "BadPageToken",
    "Busy",
    "CannotResume",
    "ClusterAway",
    "ClusterError",
    "Conflict",
    "DigestMismatch",
    "Ended",
    "EnvironmentTaken",
    "Fault",
    "FieldFixed",
    "Forbidden",
    "Invalid",
    "LeaseLost",
    "ListTooOld",
    "Malformed",
    "MarkUnwritten",
    "NameTaken",
    "NamespaceMissing",
    "NamespaceTerminating",
    "NoDrift",
    "NodePortReserved",
    "NodePortTaken",
    "NotAdopted",
    "NotFound",
    "NotSent",
    "NothingToRenew",
    "ObjectChanged",
    "ObjectExists",
    "ObjectMissing",
    "PolicyDenied",
    "PoolExhausted",
    "PortAllocated",
    "PortOwner",
    "PreconditionFailed",
    "PreconditionRequired",
    "QuotaExceeded",
    "SelfReview",
    "Stale",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "UnsatisfiablePolicy",
    "UnsupportedMediaType",
    "WebhookFailed",
    "WharfingerError",
    "WriteForbidden",
    "WriteRefused",
]
