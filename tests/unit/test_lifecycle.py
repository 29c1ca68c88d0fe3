"""The two tables of design.md §4, row by row; what they do not have cannot happen."""

from itertools import product

import pytest

from service.domain.errors import AlreadyDecided
from service.domain.exposure import Decision, SyncState
from service.domain.lifecycle import Mover, move, move_sync

DECISIONS = """
    pending  approved     reviewer policy
    pending  rejected     reviewer
    pending  withdrawn    requester
    approved withdrawn    requester
    pending  expired      clock
    approved expired      clock
    pending  superseded   requester
    approved superseded   reviewer policy
    pending  invalidated  policy
    approved invalidated  policy
    approved live         worker
    live     retired      worker clock
    approved retired      clock
"""
ALLOWED = {
    (Decision(source), Decision(target), Mover(mover))
    for source, target, *movers in map(str.split, DECISIONS.strip().splitlines())
    for mover in movers
}
REFUSED = [case for case in product(Decision, Decision, Mover) if case not in ALLOWED]
FINAL = set(Decision) - {Decision.PENDING, Decision.APPROVED, Decision.LIVE}

# A step that is tried again stays where it is: that is why applying and removing lead to themselves.
SYNCS = """
    none     applying removing unknown
    applying applying in_sync failed removing unknown
    in_sync  drifted applying removing unknown
    drifted  in_sync applying removing unknown
    failed   applying removing unknown
    removing removing removed applying failed unknown
    removed  applying removing unknown
    unknown  none applying in_sync drifted failed removing removed unknown
"""
SYNC_ALLOWED = {
    (SyncState(source), SyncState(target))
    for source, *targets in map(str.split, SYNCS.strip().splitlines())
    for target in targets
}
SYNC_REFUSED = [case for case in product(SyncState, SyncState) if case not in SYNC_ALLOWED]


@pytest.mark.parametrize(("source", "target", "mover"), sorted(ALLOWED))
def test_a_move_of_the_table_is_made(source: Decision, target: Decision, mover: Mover) -> None:
    assert move(source, target, mover) is target


@pytest.mark.parametrize(("source", "target", "mover"), REFUSED)
def test_any_other_move_is_refused(source: Decision, target: Decision, mover: Mover) -> None:
    with pytest.raises(AlreadyDecided, match=f"This revision is {source}: it cannot become {target}"):
        move(source, target, mover)


def test_what_has_ended_stays_ended() -> None:
    assert not {source for source, _, _ in ALLOWED} & FINAL


def test_nobody_but_the_worker_makes_a_revision_live() -> None:
    assert {mover for _, target, mover in ALLOWED if target is Decision.LIVE} == {Mover.WORKER}


@pytest.mark.parametrize(("source", "target"), sorted(SYNC_ALLOWED))
def test_a_step_of_the_workers_table_is_made(source: SyncState, target: SyncState) -> None:
    assert move_sync(source, target) is target


@pytest.mark.parametrize(("source", "target"), SYNC_REFUSED)
def test_any_other_step_of_the_worker_is_a_fault(source: SyncState, target: SyncState) -> None:
    with pytest.raises(ValueError, match=f"no sync transition from {source} to {target}"):
        move_sync(source, target)


@pytest.mark.parametrize("state", list(SyncState))
def test_any_state_becomes_unknown_and_comes_back(state: SyncState) -> None:
    assert move_sync(SyncState.UNKNOWN, state) is state
    assert move_sync(state, SyncState.UNKNOWN) is SyncState.UNKNOWN


@pytest.mark.parametrize("state", list(SyncState))
def test_any_state_can_be_removed(state: SyncState) -> None:
    assert move_sync(state, SyncState.REMOVING) is SyncState.REMOVING
