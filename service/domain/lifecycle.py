"""The transition tables of design.md §4: who may move a revision, and the worker's own axis.

Two axes that never share a column: a revision's decision belongs to people, policies and clocks, the sync
state to the worker alone. Anything that is not in a table cannot happen.
"""

from enum import StrEnum

from service.domain.errors import AlreadyDecided
from service.domain.exposure import Decision, SyncState


class Mover(StrEnum):
    """Who makes a transition."""

    REQUESTER = "requester"
    REVIEWER = "reviewer"
    POLICY = "policy"
    CLOCK = "clock"
    WORKER = "worker"


D = Decision

TRANSITIONS: dict[tuple[Decision, Decision], frozenset[Mover]] = {
    (D.PENDING, D.APPROVED): frozenset({Mover.REVIEWER, Mover.POLICY}),
    (D.PENDING, D.REJECTED): frozenset({Mover.REVIEWER}),
    (D.PENDING, D.WITHDRAWN): frozenset({Mover.REQUESTER}),
    (D.APPROVED, D.WITHDRAWN): frozenset({Mover.REQUESTER}),
    (D.PENDING, D.EXPIRED): frozenset({Mover.CLOCK}),
    (D.APPROVED, D.EXPIRED): frozenset({Mover.CLOCK}),
    (D.PENDING, D.SUPERSEDED): frozenset({Mover.REQUESTER}),
    (D.APPROVED, D.SUPERSEDED): frozenset({Mover.REVIEWER, Mover.POLICY}),
    (D.PENDING, D.INVALIDATED): frozenset({Mover.POLICY}),
    (D.APPROVED, D.INVALIDATED): frozenset({Mover.POLICY}),
    (D.APPROVED, D.LIVE): frozenset({Mover.WORKER}),
    (D.LIVE, D.RETIRED): frozenset({Mover.WORKER, Mover.CLOCK}),
    (D.APPROVED, D.RETIRED): frozenset({Mover.CLOCK}),
}

S = SyncState

SYNC_TRANSITIONS: dict[SyncState, frozenset[SyncState]] = {
    S.NONE: frozenset({S.APPLYING, S.REMOVING, S.UNKNOWN}),
    S.APPLYING: frozenset({S.APPLYING, S.IN_SYNC, S.FAILED, S.REMOVING, S.UNKNOWN}),
    S.IN_SYNC: frozenset({S.DRIFTED, S.APPLYING, S.REMOVING, S.UNKNOWN}),
    S.DRIFTED: frozenset({S.IN_SYNC, S.APPLYING, S.REMOVING, S.UNKNOWN}),
    S.FAILED: frozenset({S.APPLYING, S.REMOVING, S.UNKNOWN}),
    S.REMOVING: frozenset({S.REMOVING, S.REMOVED, S.APPLYING, S.FAILED, S.UNKNOWN}),  # resumed meanwhile
    S.REMOVED: frozenset({S.APPLYING, S.REMOVING, S.UNKNOWN}),
    S.UNKNOWN: frozenset(S),
}


def move(current: Decision, target: Decision, mover: Mover) -> Decision:
    """Return ``target`` when this mover may take a revision there.

    Raises:
        AlreadyDecided: the table has no such move; the message says where the revision stands.
    """
    if mover not in TRANSITIONS.get((current, target), frozenset()):
        raise AlreadyDecided(f"This revision is {current}: it cannot become {target} any more.")
    return target


def move_sync(current: SyncState, target: SyncState) -> SyncState:
    """Return ``target`` when the worker may take an exposure there.

    Raises:
        ValueError: the table has no such move; a fault in the reconciler, never of a user.
    """
    if target not in SYNC_TRANSITIONS[current]:
        raise ValueError(f"no sync transition from {current} to {target}")
    return target
