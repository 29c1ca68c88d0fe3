"""The heart of the reconciler: from two maps to a list of actions with reasons, pure.

The same function serves one key after a wake-up and a whole cluster in a sweep. Level-triggered: it looks at
both sides and never at what happened in between. At most one action per key; what it would do next comes with
the next look.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.exposure import SyncState
from service.domain.manifest import Mark, differs, with_mark
from service.domain.spec import Document

FOREIGN_OWNER = "ForeignOwner"
"""The reason of a failure: somebody else's Service has the name."""

NODE_PORT_TAKEN, POOL_EXHAUSTED = "NodePortTaken", "PoolExhausted"
"""The reasons of what lacks a node port: one of its own that somebody else has, or any at all."""

ADOPTION_CHANGED = "AdoptionChanged"
"""The reason of a failure: the Service that was to be adopted is gone, another one, or not as it was."""

LACKING = (NODE_PORT_TAKEN, POOL_EXHAUSTED, ADOPTION_CHANGED)
"""The reasons of what the ledger holds no number for any more."""

NOT_ADOPTED = (
    "The Service that is there is somebody else's. Once this is approved it gets the owner mark, and nothing "
    "else of it changes."
)
"""What is said of an exposure while the Service that it is to adopt is not its own."""

TERMINATING = "Terminating"
"""The reason of a failure: somebody's finalizers keep a Service that is being deleted."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """The key of a Service within one cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Owner:
    """By what an exposure knows its Service: the uid that was recorded, the tokens of creates of its own.

    Among these are late ones: a create that nobody waits for any more is ours all the same when it arrives.
    """

    exposure_id: UUID
    uid: str | None
    create_tokens: tuple[str, ...]

    def owns(self, observed: "Observed") -> bool:
        """Return whether a Service is ours: by its uid, or by the mark with an open create's token.

        A known uid is enough: whoever strips the mark by hand makes drift, not a stranger that serves on. A
        token may be open beside it: an earlier create's, whose answer was lost, and which arrives at last.
        """
        if self.uid is not None and observed.uid == self.uid:
            return True
        mark = Mark.of(observed.service)
        if mark is None or mark.exposure_id != self.exposure_id:
            return False
        return mark.create_token in self.create_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What was approved for one key.

    ``manifest`` is complete but for the mark; None: nothing is to be there, for ever, or for now when it
    ``is_suspended``. ``next_attempt_at`` and ``failure`` (its reason) hold for ``tried_aim`` alone: a new aim
    never waits for the failures of an old one. ``adopts_uid``: it is the Service of somebody else with this
    uid that is to be ours, and never one that we make.
    """

    exposure_id: UUID
    revision: int
    digest: str
    manifest: Document | None
    sync_state: SyncState
    sync_revision: int | None
    is_live: bool
    uid: str | None
    create_tokens: tuple[str, ...]
    late_tokens: tuple[str, ...] = ()
    tried_aim: str | None
    next_attempt_at: datetime | None
    failure: str | None = None
    asked_ports: frozenset[int] = frozenset()
    is_suspended: bool = False
    request_id: str = ""
    adopts_uid: str | None = None

    @property
    def aim(self) -> str:
        """Return what attempts count for: ``removal`` or ``revision N``."""
        return "removal" if self.manifest is None else f"revision {self.revision}"

    def rests(self, now: datetime) -> bool:
        """Return whether this aim failed before and is not to be tried again yet."""
        return self.tried_aim == self.aim and self.next_attempt_at is not None and now < self.next_attempt_at

    def is_known_to_fail_by(self, reason: str) -> bool:
        """Return whether this aim fails for that reason, and people have been told."""
        return self.tried_aim == self.aim and self.failure == reason

    def is_down(self) -> bool:
        """Return whether it is suspended, and known to be out of the cluster."""
        at_rest = self.sync_state in (SyncState.NONE, SyncState.REMOVED)
        return self.is_suspended and at_rest and not self.create_tokens

    def is_same_wish(self, other: "Desired | None") -> bool:
        """Return whether nothing that a write depends on has changed since this was read."""
        return other is not None and (
            (self.aim, self.digest, self.manifest, self.uid, self.create_tokens, self.is_suspended)
            == (other.aim, other.digest, other.manifest, other.uid, other.create_tokens, other.is_suspended)
        )

    def owns(self, observed: "Observed") -> bool:
        """Return whether a Service is ours; what is to be adopted is so once our mark is seen on it."""
        if self.adopts_uid is not None:
            return self.has_marked(observed)
        return Owner(self.exposure_id, self.uid, self.create_tokens + self.late_tokens).owns(observed)

    def has_marked(self, observed: "Observed") -> bool:
        """Return whether the Service that is to be adopted has our mark: a write whose answer was lost."""
        has_token = Owner(self.exposure_id, None, self.create_tokens).owns(observed)
        return observed.uid == self.adopts_uid and has_token

    def marked(self, create_token: str) -> Mark:
        """Return the mark that this revision's Service carries."""
        return Mark(self.exposure_id, self.revision, self.digest, create_token, self.request_id)


@dataclass(frozen=True, slots=True)
class Observed:
    """One Service as the cluster has it."""

    service: Document

    @property
    def uid(self) -> str:
        """Return the apiserver's identity of this very object."""
        return str(self.service["metadata"]["uid"])

    @property
    def resource_version(self) -> str:
        """Return the version that fences the next write."""
        return str(self.service["metadata"]["resourceVersion"])

    @property
    def terminating(self) -> bool:
        """Return whether it is being deleted and only waits for finalizers."""
        return "deletionTimestamp" in self.service["metadata"]

    @property
    def ref(self) -> Ref:
        """Return its key."""
        return Ref(self.service["metadata"]["namespace"], self.service["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do for one key, and why."""

    ref: Ref
    reason: str


class Create(Action):
    """POST it: ``missing``."""


class Replace(Action):
    """PUT our fields: ``revised`` or ``drift``."""


class Adopt(Action):
    """PUT our mark on a Service of somebody else, if it is what was approved: ``adopted``."""


class HandBack(Action):
    """PUT it without our mark, which was set and never confirmed: ``withdrawn`` or ``suspended``."""


class Delete(Action):
    """Delete it: ``withdrawn`` or ``suspended``."""


class Confirm(Action):
    """Record that the cluster has what was approved: ``applied``."""


class Settle(Action):
    """Record that it is gone, after a direct read: ``gone``."""


class Report(Action):
    """Tell that somebody else's Service has the name: ``foreign``."""


class Linger(Action):
    """Tell that it is being deleted and only finalizers keep it: ``terminating``."""


def plan(desired: Mapping[Ref, Desired], observed: Mapping[Ref, Observed], now: datetime) -> Iterator[Action]:
    """Yield what makes the cluster match; nothing for a key that is in sync, resting or not due.

    Services without a desired side are not looked at: what is not ours is never touched.
    """
    for ref, want in sorted(desired.items()):
        if want.rests(now):
            continue
        action = _plan_one(ref, want, observed.get(ref))
        if action is not None:
            yield action


def _plan_one(ref: Ref, want: Desired, have: Observed | None) -> Action | None:
    if want.adopts_uid is not None:
        return _plan_adoption(ref, want, have)
    mine = have if have is not None and want.owns(have) else None
    if want.manifest is None:
        if mine is None:
            return None if want.is_down() else Settle(ref, "gone")
        reason = "suspended" if want.is_suspended else "withdrawn"
        return _linger(ref, want) if mine.terminating else Delete(ref, reason)
    if have is None:
        return Create(ref, "missing")
    if mine is None:
        return None if want.is_known_to_fail_by(FOREIGN_OWNER) else Report(ref, "foreign")
    action = _compare(ref, want, mine)
    if mine.terminating and (action is None or action.reason != "drift"):  # it serves until it is gone
        return _linger(ref, want)
    return action


def _plan_adoption(ref: Ref, want: Desired, have: Observed | None) -> Action | None:
    """Plan what stays somebody else's until our mark is confirmed: it is never made and never deleted."""
    is_marked = have is not None and want.has_marked(have)
    if want.manifest is None:
        if is_marked:
            return HandBack(ref, "suspended" if want.is_suspended else "withdrawn")
        return None if want.is_down() else Settle(ref, "gone")
    if have is None or not is_marked:
        return Adopt(ref, "adopted")
    return _compare(ref, want, have)


def _linger(ref: Ref, want: Desired) -> Action | None:
    return None if want.is_known_to_fail_by(TERMINATING) else Linger(ref, "terminating")


def _compare(ref: Ref, want: Desired, mine: Observed) -> Action | None:
    assert want.manifest is not None
    mark = Mark.of(mine.service)
    settled = want.sync_state is SyncState.IN_SYNC and want.sync_revision == want.revision
    if mark is None or differs(mine.service, with_mark(want.manifest, want.marked(mark.create_token))):
        return Replace(ref, "drift" if want.is_live else "revised")
    return None if settled and want.uid == mine.uid else Confirm(ref, "applied")
