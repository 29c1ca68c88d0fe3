"""What people do about drift that was kept for them: revert it, or adopt it through review."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from service.domain.cluster import OnDrift, Rules
from service.domain.spec import Document
from tests.conftest import Clock
from tests.integration.api_world import assert_problem
from tests.integration.approval_world import ApprovalWorld, Case
from tests.postgres import Database


@pytest.fixture
def world(database: Database, clock: Clock) -> ApprovalWorld:
    return ApprovalWorld(database, clock)


def drifted(world: ApprovalWorld, change: Callable[[Document], object], **spec: Any) -> Case:
    """Return a live exposure whose drift is kept."""
    case = world.alive(**spec)
    world.cluster_rules = Rules(drift=OnDrift.REPORT)
    world.cluster.hand_edit("team-a", "hello", change)
    world.settle()
    world.cluster.calls.clear()
    return case


def steal(service: Document) -> None:
    service["spec"]["selector"] = {"app": "thief"}


def decide(case: Case, action: str, who: str = "ann", **headers: str) -> TestResponse:
    return case.world.by(who).post(f"{case.at}/drift", {"action": action}, **({"If_Match": "*"} | headers))


def spec_in_cluster(world: ApprovalWorld) -> Document:
    found = world.cluster.peek("team-a", "hello")
    assert found is not None
    return dict(found["spec"])


def test_drift_is_shown_to_who_can_decide_about_it(world: ApprovalWorld) -> None:
    case = drifted(world, steal)
    shown = case.status()["drift"]
    assert shown["diff"] == [{"path": "spec.selector[app]", "approved": "hello", "found": "thief"}]
    assert (shown["manager"], "service" in shown) == ("kubectl-edit", False)


def test_a_revert_lets_the_worker_put_it_right_once(world: ApprovalWorld) -> None:
    case = drifted(world, steal)
    assert decide(case, "revert").status_code == 202
    world.settle()
    assert (spec_in_cluster(world)["selector"], case.state()) == ({"app": "hello"}, "Active")
    assert case.kinds()[-3:] == ["drift-seen", "revert-asked", "drift-healed"]
    world.cluster.hand_edit("team-a", "hello", steal)
    world.settle()
    assert (case.condition("Applied")[1], world.written()) == ("Drifted", ["replace"])


def test_a_revert_can_be_repeated(world: ApprovalWorld) -> None:
    case = drifted(world, steal)
    decide(case, "revert")
    assert decide(case, "revert", If_Match='"1.0"').status_code == 202
    assert case.kinds().count("revert-asked") == 1


def test_what_is_adopted_waits_for_its_review_and_stays_as_it_is(world: ApprovalWorld) -> None:
    case = drifted(world, steal)
    answer = decide(case, "adopt")
    assert (answer.status_code, answer.json["spec"]["selector"]) == (202, {"app": "thief"})
    world.settle()
    assert (case.decisions(), world.written()) == (["live", "pending"], [])
    assert case.condition("Applied")[1] == "Drifted"
    before = spec_in_cluster(world)
    case.approve("eve")
    world.settle()
    assert (case.decisions(), spec_in_cluster(world)) == (["retired", "live"], before)
    assert (case.state(), case.status()["drift"], world.written()) == ("Active", None, ["replace"])


def test_a_node_port_that_was_moved_by_hand_is_asked_for_by_an_adoption(world: ApprovalWorld) -> None:
    case = drifted(world, lambda s: s["spec"]["ports"][0].update(nodePort=30020, port=8080))
    decide(case, "adopt")
    case.approve("eve")
    world.settle()
    assert case.status()["ports"] == [{"name": "http", "node_port": 30020, "origin": "asked"}]
    assert (world.claimed(30020), world.claimed(30007)) == ("bound", "cooling")


def test_a_chosen_node_port_stays_chosen(world: ApprovalWorld) -> None:
    case = drifted(
        world,
        lambda s: s["spec"]["ports"][0].update(targetPort=8081),
        ports=[{"name": "http", "port": 80}],
    )
    answer = decide(case, "adopt")
    assert answer.json["spec"]["ports"][0]["target_port"] == 8081
    assert answer.json["status"]["ports"][0]["origin"] == "chosen"


def hidden(service: Document) -> None:
    steal(service)
    service["spec"] |= {"externalIPs": ["192.0.2.7"], "publishNotReadyAddresses": True}


def test_what_no_spec_can_say_is_refused_by_field_and_all_at_once(world: ApprovalWorld) -> None:
    case = drifted(world, hidden)
    problem = assert_problem(decide(case, "adopt"), 422, "invalid")
    details = " ".join(error["detail"] for error in problem["errors"])
    assert ("spec.externalIPs" in details, "spec.publishNotReadyAddresses" in details) == (True, True)
    assert {error["code"] for error in problem["errors"]} == {"not-adoptable"}
    assert case.decisions() == ["live"]


def test_a_mark_that_was_stripped_can_only_be_reverted(world: ApprovalWorld) -> None:
    case = drifted(world, lambda s: s["metadata"]["labels"].clear())
    assert "owner mark" in assert_problem(decide(case, "adopt"), 422, "invalid")["detail"]


def test_what_somebody_edited_is_judged_like_what_somebody_sent(world: ApprovalWorld) -> None:
    case = drifted(world, lambda s: s["spec"]["ports"][0].update(name="x" * 15, appProtocol="a b"))
    problem = assert_problem(decide(case, "adopt"), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == ["#/spec/ports/0/app_protocol"]


@pytest.mark.parametrize("action", ["revert", "adopt"])
def test_where_nothing_is_kept_it_says_what_to_do(world: ApprovalWorld, action: str) -> None:
    case = world.alive()
    world.cluster.hand_edit("team-a", "hello", steal)
    world.settle()
    assert "PATCH" in assert_problem(decide(case, action), 409, "no-drift")["detail"]


@pytest.mark.parametrize("action", ["revert", "adopt"])
def test_only_owner_and_platform_decide_and_they_say_what_they_read(
    world: ApprovalWorld, action: str
) -> None:
    case = drifted(world, steal)
    assert_problem(decide(case, action, "ben"), 404, "not-found")
    assert_problem(decide(case, action, "eve"), 403, "forbidden")
    assert_problem(decide(case, action, If_Match='"1.0"'), 412, "stale")
    bare = world.by("ann").post(f"{case.at}/drift", {"action": action})
    assert_problem(bare, 428, "precondition-required")
    assert world.by("pia").post(f"{case.at}/drift", {"action": action}, If_Match="*").status_code == 202


def test_a_dry_run_decides_nothing(world: ApprovalWorld) -> None:
    case = drifted(world, steal)
    tried = world.by("ann").post(f"{case.at}/drift?dry_run=true", {"action": "adopt"}, If_Match="*")
    assert (tried.status_code, tried.json["manifest"]["spec"]["selector"]) == (202, {"app": "thief"})
    assert case.decisions() == ["live"]
