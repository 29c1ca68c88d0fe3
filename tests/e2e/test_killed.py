"""kill -9 of api and worker, before and after each instruction that matters: the story ends well."""

import pytest
from sqlalchemy import text

from tests.e2e.gated import Attempt, Gated
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


def tell_to_the_end(world: World, exposure: Document) -> None:
    """Live, taken back, gone."""
    live = check_live_once(world, exposure)
    assert world.delete(exposure).status == 202
    check_ends_well(world, exposure, live["status"]["ports"][0]["node_port"])


def writes(gated: Gated, before: int) -> list[str]:
    """Return the methods of the calls that changed the cluster since so many were made."""
    return [call.method for call in gated.cluster_gate.executed[before:] if call.method != "GET"]


def rows(world: World, name: str) -> int:
    """Return how many rows of any kind there are for a name."""
    tables = ("exposure", "port_claim")
    with world.database.transaction() as session:
        counts = (
            session.scalar(text(f"SELECT count(*) FROM {table} WHERE name = :name"), {"name": name})
            for table in tables
        )
        return sum(map(int, counts))


@pytest.mark.parametrize("when", WHENS)
def test_an_api_killed_at_the_requests_commit(gated: Gated, when: When):
    world, name = gated.world, f"request-{when}"
    hold = commit_of("INSERT INTO exposure ", when=when, gate=gated.api_gate)
    attempt = Attempt(lambda: world.submit(world.request(name)))
    hold.wait()
    world.api.kill()
    hold.drop()
    attempt.check_unanswered()
    gated.start_api()

    again = world.submit(world.request(name))

    if when == "before":
        assert again.status == 201, again.text
        exposure = again.body
    else:
        assert (again.status, again.body["code"]) == (409, "name-taken")
        exposure = world.caller("ann").get(f"/v1/exposures/{again.body['exposure_id']}")
    assert rows(world, name) == 2
    tell_to_the_end(world, approved(world, exposure))


@pytest.mark.parametrize("when", WHENS)
def test_an_api_killed_at_the_approvals_commit(gated: Gated, when: When):
    world = gated.world
    exposure = submitted(world, f"approval-{when}")
    hold = commit_of("INSERT INTO review ", when=when, gate=gated.api_gate)
    attempt = Attempt(lambda: world.review(exposure))
    hold.wait()
    world.api.kill()
    hold.drop()
    attempt.check_unanswered()
    gated.start_api()

    again = world.review(exposure)

    if when == "before":
        assert again.status == 201, again.text
    else:
        assert (again.status, again.body["code"]) == (409, "already-decided")
    tell_to_the_end(world, exposure)


@pytest.mark.parametrize("when", WHENS)
def test_an_api_killed_at_the_removals_commit(gated: Gated, when: When):
    world = gated.world
    exposure = check_live_once(world, approved(world, submitted(world, f"removal-{when}")))
    hold = commit_of("UPDATE exposure SET", "intent=", when=when, gate=gated.api_gate)
    attempt = Attempt(lambda: world.delete(exposure))
    hold.wait()
    world.api.kill()
    hold.drop()
    attempt.check_unanswered()
    gated.start_api()

    assert world.delete(exposure).status == 202

    check_ends_well(world, exposure, exposure["status"]["ports"][0]["node_port"])


@pytest.mark.parametrize("when", WHENS)
def test_a_worker_killed_at_the_bound_commit(gated: Gated, when: When):
    world = gated.world
    exposure = submitted(world, f"bound-{when}")
    hold = commit_of("UPDATE port_claim SET state", without=" until=", when=when, gate=gated.worker_gate)
    approved(world, exposure)
    hold.wait()
    world.worker.kill()
    hold.drop()
    port = exposure["status"]["ports"][0]["node_port"]
    assert world.node_port(port)["state"] == {"before": "held", "after": "bound"}[when]
    assert world.service(f"bound-{when}") is None

    gated.start_worker()

    check_live_once(world, exposure)


@pytest.mark.parametrize("when", WHENS)
def test_a_worker_killed_at_the_create(gated: Gated, when: When):
    world, before = gated.world, len(gated.cluster_gate.executed)
    exposure = submitted(world, f"create-{when}")
    hold = gated.cluster_gate.hold(lambda call: call.is_for("POST", world.namespaces["team-a"]), when)
    approved(world, exposure)
    hold.wait()
    world.worker.kill()
    hold.drop()
    assert (world.service(f"create-{when}") is not None) == (when == "after")

    gated.start_worker()

    check_live_once(world, exposure)
    assert writes(gated, before) == ["POST"]


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
def test_a_worker_killed_at_the_commit_that_records_the_service(gated: Gated, when: When):
    world = gated.world
    exposure = submitted(world, f"record-{when}")
    words = ("UPDATE exposure_sync", "UPDATE revision", "INSERT INTO event")
    hold = commit_of(*words, without="ended_at=", when=when, gate=gated.worker_gate)
    approved(world, exposure)
    hold.wait()
    world.worker.kill()
    hold.drop()
    assert (world.read(exposure)["status"]["live"] is not None) == (when == "after")

    gated.start_worker()

    tell_to_the_end(world, exposure)


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


@pytest.mark.parametrize("when", WHENS)
def test_a_worker_killed_at_the_commit_that_ends_the_exposure(gated: Gated, when: When):
    world = gated.world
    exposure = check_live_once(world, approved(world, submitted(world, f"settle-{when}")))
    hold = commit_of("UPDATE exposure SET", "ended_at=", when=when, gate=gated.worker_gate)
    assert world.delete(exposure).status == 202
    hold.wait()
    world.worker.kill()
    hold.drop()

    gated.start_worker()

    check_ends_well(world, exposure, exposure["status"]["ports"][0]["node_port"])
