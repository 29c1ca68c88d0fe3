"""The heart of the reconciler: from two maps to a list of actions with reasons, pure.

The same function serves one key after a wake-up and a whole cluster in a sweep. Level-triggered: it looks at
both sides and never at what happened in between. At most one action per key; what it would do next comes with
the next look.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.cluster import USUAL, Mode, OnDrift, Rules
from service.domain.exposure import SyncState
from service.domain.held import explain_fixed, held_back
from service.domain.manifest import PREFIX, Mark, differs, fixed, with_mark
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


FIGHT = "Fight"
"""The reason of what is put right again and again: somebody undoes it."""

NEEDS_REPLACE = "NeedsReplace"
"""The reason of a failure: a field that never changes in place, and no approval to make the Service anew."""


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
    never waits for the failures of an old one. ``fixed``: the paths that differ from what is live and that
    only delete and create changes, for which the revision has to say ``replaces``. ``noticed`` is the version
    of the Service whose drift people know of, ``reverts`` whether they want that put right, ``calm_from``
    when a fight is over unless it goes on. ``adopts_uid``: it is the Service of somebody else with this uid
    that is to be ours, and never one that we make. ``has_spare_ports``: some are bound that nothing needs.
    ``create_sent_at``: when the last write went out that had no answer yet.
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
    create_sent_at: datetime | None = None
    tried_aim: str | None
    next_attempt_at: datetime | None
    failure: str | None = None
    asked_ports: frozenset[int] = frozenset()
    is_suspended: bool = False
    request_id: str = ""
    message: str | None = None
    cluster_ip: str | None = None
    replaces: bool = False
    fixed: tuple[str, ...] = ()
    noticed: str | None = None
    reverts: bool = False
    calm_from: datetime | None = None
    adopts_uid: str | None = None
    has_spare_ports: bool = False

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
            (self.aim, self.digest, self.manifest, self.uid, self.create_tokens)
            == (other.aim, other.digest, other.manifest, other.uid, other.create_tokens)
            and (self.is_suspended, self.reverts) == (other.is_suspended, other.reverts)
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


class Recreate(Action):
    """Delete it and make it again, as its revision allows: ``revised`` or ``drift``."""


class Adopt(Action):
    """PUT our mark on a Service of somebody else, if it is what was approved: ``adopted``."""


class HandBack(Action):
    """PUT it without our mark, which was set and never confirmed: ``withdrawn`` or ``suspended``."""


class Delete(Action):
    """Delete it: ``withdrawn`` or ``suspended``."""


class Confirm(Action):
    """Record that the cluster has what was approved: ``applied``, or ``calm`` after a fight."""


class Settle(Action):
    """Record that it is gone, after a direct read: ``gone``."""


class Report(Action):
    """Tell that somebody else's Service has the name: ``foreign``."""


class Linger(Action):
    """Tell that it is being deleted and only finalizers keep it: ``terminating``."""


class Notice(Action):
    """Tell people of drift that is kept for them: ``drift``."""


@dataclass(frozen=True, slots=True)
class Withhold(Action):
    """Do nothing and say why: ``DryRun``, ``UpsertOnly`` or ``NeedsReplace``."""

    message: str


def plan(
    desired: Mapping[Ref, Desired], observed: Mapping[Ref, Observed], now: datetime, rules: Rules = USUAL
) -> Iterator[Action]:
    """Yield what makes the cluster match; nothing for a key that is in sync, resting or not due.

    Services without a desired side are not looked at: what is not ours is never touched.
    """
    for ref, want in sorted(desired.items()):
        rests = want.rests(now)
        if rests and not want.is_known_to_fail_by(FIGHT):
            continue
        action = _plan_one(ref, want, observed.get(ref), now, rules)
        if action is None or (rests and isinstance(action, WRITES)):
            continue
        yield action


WRITES = (Create, Replace, Recreate, Adopt, HandBack, Delete)


def _plan_one(ref: Ref, want: Desired, have: Observed | None, now: datetime, rules: Rules) -> Action | None:
    if want.adopts_uid is not None:
        action = _plan_adoption(ref, want, have, now, rules)
        return _allowed(action, want, rules.mode) if isinstance(action, WRITES) else action
    mine = have if have is not None and want.owns(have) else None
    if want.manifest is None:
        if mine is None:
            return None if want.is_down() else Settle(ref, "gone")
        reason = "suspended" if want.is_suspended else "withdrawn"
        return _linger(ref, want) if mine.terminating else _allowed(Delete(ref, reason), want, rules.mode)
    if have is None:
        return _allowed(Create(ref, "missing"), want, rules.mode)
    if mine is None:
        return None if want.is_known_to_fail_by(FOREIGN_OWNER) else Report(ref, "foreign")
    action = _compare(ref, want, mine, now, rules)
    heals = isinstance(action, Replace) and action.reason == "drift"
    if mine.terminating and not heals:  # it serves until it is gone
        return _linger(ref, want)
    return action


def _plan_adoption(
    ref: Ref, want: Desired, have: Observed | None, now: datetime, rules: Rules
) -> Action | None:
    """Plan what stays somebody else's until our mark is confirmed: it is never made and never deleted."""
    is_marked = have is not None and want.has_marked(have)
    if want.manifest is None:
        if is_marked:
            return HandBack(ref, "suspended" if want.is_suspended else "withdrawn")
        return None if want.is_down() else Settle(ref, "gone")
    if have is None or not is_marked:
        return Adopt(ref, "adopted")
    return _compare(ref, want, have, now, rules)


def _linger(ref: Ref, want: Desired) -> Action | None:
    return None if want.is_known_to_fail_by(TERMINATING) else Linger(ref, "terminating")


def _compare(ref: Ref, want: Desired, mine: Observed, now: datetime, rules: Rules) -> Action | None:
    assert want.manifest is not None
    mark = Mark.of(mine.service)
    wanted = with_mark(want.manifest, want.marked(mark.create_token if mark else ""))
    paths = differs(mine.service, wanted)
    if not paths:
        return _confirm(ref, want, mine, now)
    if want.is_live and rules.drift is OnDrift.REPORT and not want.reverts:
        is_known = want.sync_state is SyncState.DRIFTED and want.noticed == mine.resource_version
        return None if is_known else Notice(ref, "drift")
    reason = "drift" if want.is_live else "revised"
    stuck = {path for path in fixed(mine.service, wanted) if path in paths or path in want.fixed}
    if want.replaces and (stuck or want.is_known_to_fail_by(NEEDS_REPLACE)):
        return _allowed(Recreate(ref, reason), want, rules.mode, sorted(stuck))
    if stuck:
        return _withheld(ref, want, NEEDS_REPLACE, explain_fixed(stuck))
    changed = [path for path in paths if PREFIX not in path]
    return _allowed(Replace(ref, reason), want, rules.mode, changed)


def _confirm(ref: Ref, want: Desired, mine: Observed, now: datetime) -> Action | None:
    if want.is_known_to_fail_by(FIGHT) and want.uid == mine.uid:
        return Confirm(ref, "calm") if want.calm_from is None or now >= want.calm_from else None
    settled = want.sync_state is SyncState.IN_SYNC and want.sync_revision == want.revision
    settled = settled and want.uid == mine.uid and not want.has_spare_ports
    return None if settled else Confirm(ref, "applied")


def _allowed(action: Action, want: Desired, mode: Mode, paths: Iterable[str] = ()) -> Action | None:
    """Return the action when the cluster's mode lets it, else that it is held back; None: that is known."""
    held = held_back(mode, type(action).__name__, paths)
    return action if held is None else _withheld(action.ref, want, *held)


def _withheld(ref: Ref, want: Desired, reason: str, message: str) -> Action | None:
    is_known = want.is_known_to_fail_by(reason) and want.message == message
    return None if is_known else Withhold(ref, reason, message)
