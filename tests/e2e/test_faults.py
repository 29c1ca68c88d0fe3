"""Faults of every kind; in the end ledger and cluster agree, whatever was hit.

`make faults` plays all of it for as long as it takes; the suite plays a short piece. FAULT_SEED=S begins with
another seed, FAULT_ROUNDS=N plays N storms, of FAULTS=N faults each.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from devcluster import ControlPlane
from tests.e2e.boundaries import Boundary, Kill, counting, killing
from tests.e2e.fault_world import FaultWorld, new_fault_world
from tests.e2e.late_call import LATE_CALLS
from tests.e2e.storm import Storm, say
from tests.e2e.whole_story import Story

pytestmark = pytest.mark.faults
SEED = int(os.environ.get("FAULT_SEED", "1"))
IS_LONG = "FAULT_ROUNDS" in os.environ
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
FAULTS = int(os.environ.get("FAULTS", "320" if IS_LONG else "10"))
PEOPLE = 6 if IS_LONG else 3


@pytest.fixture(scope="module")
def fault_world(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultWorld]:
    """Give a world that can break anywhere; its api and first worker run."""
    with new_fault_world(control_plane, tmp_path_factory.mktemp("faults")) as made:
        yield made


FEWEST_BOUNDARIES = 25
"""A story has more; with fewer something is not counted any more."""

WENT_ON = {"approved", "live", "removed", "drift-healed", "recreated", "suspended", "resumed"}
"""What happens in any long storm, or nothing much was disturbed by it."""


def plays(boundaries: Sequence[Boundary]) -> list[list[Kill]]:
    """Return the kills of each play: one of each boundary and moment, or a sample of one of each gate."""
    if IS_LONG:
        return [[Kill(boundary, when)] for boundary in boundaries for when in ("before", "after")]
    chance = random.Random(SEED)
    by_gate = {boundary.gate: [b for b in boundaries if b.gate == boundary.gate] for boundary in boundaries}
    return [[Kill(chance.choice(some), chance.choice(("before", "after"))) for some in by_gate.values()]]


@pytest.mark.timeout(3600 if IS_LONG else 300)
def test_a_story_ends_well_whatever_boundary_a_process_is_killed_at(
    fault_world: FaultWorld, summary: list[str]
):
    gated, begun = fault_world.gated, time.monotonic()
    with counting(gated) as boundaries:
        Story(gated, "undisturbed").tell()
    assert {boundary.gate for boundary in boundaries} == {"api", "worker", "cluster"}
    assert len(boundaries) >= FEWEST_BOUNDARIES

    missed, done = [], Counter[str]()
    for number, kills in enumerate(plays(boundaries), start=1):
        with killing(gated, kills) as killers:
            Story(gated, f"killed-{number}").tell()
        say(f"{time.monotonic() - begun:.0f} s: killed {', '.join(map(str, kills))}")
        done.update(f"{kill.boundary.gate} {kill.when}" for kill in kills)
        missed += [str(killer.kill) for killer in killers if not killer.struck]
        assert [killer.failure for killer in killers if killer.failure] == []

    listed = ", ".join(f"{what} {count}" for what, count in sorted(done.items()))
    seconds = time.monotonic() - begun
    summary.append(f"{len(boundaries)} boundaries, {done.total()} kills in {seconds:.0f} s: {listed}")
    assert missed == []


@pytest.mark.parametrize("story", LATE_CALLS if IS_LONG else LATE_CALLS[:1], ids=lambda story: story.__name__)
def test_a_late_call_changes_nothing_that_stays(
    fault_world: FaultWorld, story: Callable[[FaultWorld], float], summary: list[str]
):
    seconds = story(fault_world)

    summary.append(
        f"{story.__name__}: another worker had done it {seconds:.1f} s after the first stood still"
    )


@pytest.mark.timeout(1800 if IS_LONG else 1200)  # it may settle for 900 s, and says what is wrong then
@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_cluster_and_ledger_agree_after_a_storm(fault_world: FaultWorld, seed: int, summary: list[str]):
    fault_world.start_second()

    storm = Storm(fault_world, seed)
    report = storm.play(FAULTS, PEOPLE)

    summary.append(report.text())
    assert report.broken == []
    assert report.faults.total() == FAULTS
    assert report.events["live"] > 0
    assert report.by_hand.total() > 0
    if IS_LONG:
        assert report.faults.keys() == set(storm.kinds())
        assert report.events.keys() >= WENT_ON
