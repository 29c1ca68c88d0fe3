"""Faults of every kind; in the end ledger and cluster agree, whatever was hit.

`make faults` plays all of it for as long as it takes; the suite plays a short piece. FAULT_SEED=S begins with
another seed, FAULT_ROUNDS=N plays N storms, of FAULTS=N faults each.
"""

import os
from collections.abc import Iterator

import pytest

from devcluster import ControlPlane
from tests.e2e.fault_world import FaultWorld, new_fault_world
from tests.e2e.storm import Storm, say

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


@pytest.mark.timeout(1800 if IS_LONG else 300)
@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_cluster_and_ledger_agree_after_a_storm(fault_world: FaultWorld, seed: int):
    fault_world.start_second()

    report = Storm(fault_world, seed).play(FAULTS, PEOPLE)

    say(report.text())
    assert report.broken == []
    assert report.faults.total() == FAULTS
