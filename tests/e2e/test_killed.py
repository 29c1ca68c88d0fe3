"""kill -9 of the worker where what stands in the ledger meanwhile matters, and where time has to pass.

Every commit and every write of a whole story: test_faults.py.
"""

import pytest

from tests.e2e.gated import Gated
from tests.e2e.gates import When
from tests.e2e.invariants import faults
from tests.e2e.postgres_gate import commit_of
from tests.e2e.world import Document, World

pytestmark = pytest.mark.faults
WHENS = ("before", "after")
WHOLE_STORY = ["requested", "approved", "live", "removal-requested", "removed"]


def submitted(world: World, name: str) -> Document:
    """Return an exposure that was asked for."""
    answer = world.submit(world.request(name))
    assert answer.status == 201, answer.text
    return answer.body


def approved(world: World, exposure: Document) -> Document:
    """Return the exposure after its approval."""
    answer = world.review(exposure)
    assert answer.status == 201, answer.text
    return exposure


def check_live_once(world: World, exposure: Document) -> Document:
    """Check that it comes to be live, with one Service and one owner; return it."""
    found = world.wait_for(exposure, "Active", "Degraded")
    service = world.service(exposure["metadata"]["name"])
    assert service is not None
    port = service["spec"]["ports"][0]["nodePort"]
    assert [given["node_port"] for given in found["status"]["ports"]] == [port]
    claim = world.node_port(port)
    assert (claim["state"], claim["owner"]["name"]) == ("bound", exposure["metadata"]["name"])
    assert world.events(exposure) == ["requested", "approved", "live"]
    assert faults(world) == []
    return found


def check_ends_well(world: World, exposure: Document, port: int) -> None:
    """Check that it comes to be gone, with a cooling port and every event once."""
    found = world.wait_for(exposure, "Ended")
    assert found["status"]["reason"] == "Deleted"
    assert world.service(exposure["metadata"]["name"]) is None
    assert world.node_port(port)["state"] == "cooling"
    assert world.events(exposure) == WHOLE_STORY
    assert faults(world) == []


def writes(gated: Gated, before: int) -> list[str]:
    """Return the methods of the calls that changed the cluster since so many were made."""
    return [call.method for call in gated.cluster_gate.executed[before:] if call.is_write()]


@pytest.mark.parametrize("when", WHENS)
def test_a_worker_killed_at_the_bound_commit(gated: Gated, when: When):
    world = gated.world
    exposure = submitted(world, f"bound-{when}")
    hold = commit_of("SET state = 'bound'", when=when, gate=gated.worker_gate)
    approved(world, exposure)
    hold.wait()
    world.worker.kill()
    hold.drop()
    port = exposure["status"]["ports"][0]["node_port"]
    assert world.node_port(port)["state"] == {"before": "held", "after": "bound"}[when]
    assert world.service(f"bound-{when}") is None

    gated.start_worker()

    check_live_once(world, exposure)


def regretted(gated: Gated, when: When) -> Document:
    """Return an exposure that was taken back between the kill at its create and the restart."""
    world = gated.world
    exposure = submitted(world, f"regretted-{when}")
    hold = gated.cluster_gate.hold(lambda call: call.is_for("POST", world.namespaces["team-a"]), when)
    approved(world, exposure)
    hold.wait()
    world.worker.kill()
    hold.drop()
    assert world.delete(exposure).status == 202
    gated.start_worker()
    return exposure


def test_exposures_taken_back_while_their_creates_had_no_answer(gated: Gated):
    world, before = gated.world, len(gated.cluster_gate.executed)

    both = [regretted(gated, "after"), regretted(gated, "before")]

    for exposure in both:
        # What is not to be seen may still arrive: that is waited for before its port is let go.
        ended = world.wait_for(exposure, "Ended", seconds=30)
        assert ended["status"]["reason"] == "Withdrawn"
        assert world.node_port(exposure["status"]["ports"][0]["node_port"])["state"] == "cooling"
        assert world.events(exposure) == ["requested", "approved", "removal-requested", "removed"]
    assert writes(gated, before) == ["POST", "DELETE"], "the one that was dropped never arrived"
    assert faults(world) == []


@pytest.mark.parametrize("when", WHENS)
def test_a_worker_killed_at_the_delete(gated: Gated, when: When):
    world = gated.world
    exposure = check_live_once(world, approved(world, submitted(world, f"delete-{when}")))
    hold = gated.cluster_gate.hold(lambda call: call.is_for("DELETE", world.namespaces["team-a"]), when)
    assert world.delete(exposure).status == 202
    hold.wait()
    world.worker.kill()
    hold.drop()
    assert (world.service(f"delete-{when}") is None) == (when == "after")
    port = exposure["status"]["ports"][0]["node_port"]
    assert world.node_port(port)["state"] == "bound", "released before anybody has seen that it is gone"

    gated.start_worker()

    check_ends_well(world, exposure, port)
