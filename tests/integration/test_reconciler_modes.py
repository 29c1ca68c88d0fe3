"""What a cluster's mode holds back, and what is deleted and made again because its revision says so."""

from typing import Any

import pytest

from service.domain.cluster import Mode, Rules
from service.domain.errors import FieldFixed
from service.domain.spec import Document
from tests.conftest import Clock
from tests.integration.api_world import assert_problem
from tests.integration.approval_world import ApprovalWorld, Case
from tests.postgres import Database

DRY, UPSERT = Rules(mode=Mode.DRY_RUN), Rules(mode=Mode.UPSERT_ONLY)
PORTS = [{"name": "http", "port": 80}]


@pytest.fixture
def world(database: Database, clock: Clock) -> ApprovalWorld:
    return ApprovalWorld(database, clock)


def balanced(class_: str | None, **spec: Any) -> Document:
    """Return the fields of a LoadBalancer of some class, with node ports."""
    balancer = {"class": class_, "allocate_node_ports": True}
    return {"type": "LoadBalancer", "ports": PORTS, "load_balancer": balancer, **spec}


def live_balancer(world: ApprovalWorld, class_: str | None = "example.com/a") -> Case:
    case = world.ask(**balanced(class_)).approve("eve")
    world.settle()
    world.cluster.calls.clear()
    return case


def in_cluster(world: ApprovalWorld) -> Document:
    found = world.cluster.peek("team-a", "hello")
    assert found is not None
    return found


# Modes.


def test_a_dry_run_shows_what_would_be_made_and_sends_nothing(world: ApprovalWorld) -> None:
    world.cluster_rules = DRY
    case = world.ask().approve("eve")
    world.settle()
    assert (world.written(), case.condition("Applied")[:2]) == ([], ("False", "DryRun"))
    assert "would make the Service" in case.condition("Applied")[2]
    world.cycle(3)
    assert case.kinds().count("held-back") == 1
    world.cluster_rules = Rules()
    world.settle()
    assert case.condition("Applied")[:2] == ("True", "InSync")


def test_a_dry_run_heals_changes_and_removes_nothing(world: ApprovalWorld) -> None:
    case = world.alive()
    world.cluster.calls.clear()
    world.cluster_rules = DRY
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"app": "thief"}))
    world.settle()
    assert case.condition("Applied")[:2] == ("False", "DryRun")
    assert "change the Service (spec.selector)" in case.condition("Applied")[2]
    world.by("ann").delete(case.at, If_Match="*")
    world.settle()
    assert "delete the Service" in case.condition("Applied")[2]
    assert (world.written(), case.state(), world.claimed()) == ([], "Ending", "bound")


def test_drift_that_goes_by_itself_in_a_dry_run_is_no_longer_told(world: ApprovalWorld) -> None:
    case = world.alive()
    world.cluster_rules = DRY
    for app in ("thief", "hello"):
        world.cluster.hand_edit("team-a", "hello", lambda s, app=app: s["spec"].update(selector={"app": app}))
        world.settle()
    assert case.condition("Applied")[:2] == ("True", "InSync")


def test_upsert_only_makes_and_changes_and_never_deletes(world: ApprovalWorld) -> None:
    world.cluster_rules = UPSERT
    case = world.alive()
    case.change(selector={"app": "new"})
    case.approve("eve")
    world.settle()
    assert world.written() == ["create", "replace"]
    case.act("suspend")
    world.settle()
    assert (case.state(), case.condition("Applied")[:2]) == ("Suspended", ("False", "UpsertOnly"))
    assert ("delete" not in world.written(), case.in_cluster()) == (True, True)
    world.cluster_rules = Rules()
    world.settle()
    assert (case.in_cluster(), case.condition("Applied")[1]) == (False, "Removed")


# replace: true.


def test_what_cannot_change_in_place_is_refused_unless_it_says_replace(world: ApprovalWorld) -> None:
    case = live_balancer(world)
    [error] = assert_problem(case.change(**balanced("example.com/b")), 422, "invalid")["errors"]
    assert (error["pointer"], error["code"]) == ("#/spec/load_balancer/class", "needs-replace")
    assert "replace: true" in error["detail"]
    answer = case.change(**balanced("example.com/b", replace=True))
    assert (answer.status_code, "deleted and made again" in answer.json["warnings"][0]) == (202, True)


def test_replace_true_deletes_and_creates_with_the_same_ports_and_address(world: ApprovalWorld) -> None:
    case = live_balancer(world)
    before = in_cluster(world)
    case.change(**balanced("example.com/b", replace=True))
    case.approve("eve")
    world.settle()
    after = in_cluster(world)
    assert world.written() == ["delete", "create"]
    assert after["spec"]["loadBalancerClass"] == "example.com/b"
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    for field in ("clusterIP", "ports"):
        assert after["spec"][field] == before["spec"][field]
    number = before["spec"]["ports"][0]["nodePort"]
    assert (case.decisions(), world.claimed(number)) == (["retired", "live"], "bound")
    events = {e["kind"]: e["data"] for e in world.by("ann").get(f"{case.at}/events").json["items"]}
    assert events["replacing"]["fields"] == ["spec.loadBalancerClass"]
    assert events["replacing"]["node_ports"] == [number]
    ip = before["spec"]["clusterIP"]
    assert (events["live"]["replaces"], events["live"]["cluster_ip"]) == (1, {"before": ip, "now": ip})


def test_a_class_that_is_left_out_needs_another_service_too(world: ApprovalWorld) -> None:
    case = live_balancer(world)
    assert_problem(case.change(**balanced(None)), 422, "invalid")
    case.change(**balanced(None, replace=True))
    case.approve("eve")
    world.settle()
    assert (world.written(), "loadBalancerClass" in in_cluster(world)["spec"]) == (
        ["delete", "create"],
        False,
    )


def test_replace_true_without_need_changes_in_place(world: ApprovalWorld) -> None:
    case = live_balancer(world)
    case.change(selector={"app": "new"}, replace=True)
    case.approve("eve")
    world.settle()
    assert world.written() == ["replace"]


def test_while_finalizers_keep_the_old_service_the_new_one_waits(world: ApprovalWorld, clock: Clock) -> None:
    case = live_balancer(world)
    world.cluster.hand_edit("team-a", "hello", lambda s: s["metadata"].update(finalizers=["example.com/lb"]))
    case.change(**balanced("example.com/b", replace=True))
    case.approve("eve")
    world.settle()
    assert case.condition("Applied")[:2] == ("False", "Terminating")
    world.cluster.hand_edit("team-a", "hello", lambda s: s["metadata"].pop("finalizers"))
    clock.advance(seconds=2)
    world.settle()
    assert in_cluster(world)["spec"]["loadBalancerClass"] == "example.com/b"


def test_upsert_only_does_not_replace(world: ApprovalWorld) -> None:
    case = live_balancer(world)
    world.cluster_rules = UPSERT
    case.change(**balanced("example.com/b", replace=True))
    case.approve("eve")
    world.settle()
    assert (world.written(), case.condition("Applied")[:2]) == ([], ("False", "UpsertOnly"))


def test_what_only_the_cluster_knows_to_be_fixed_needs_a_person(world: ApprovalWorld) -> None:
    case = world.alive()
    world.cluster.calls.clear()
    case.change(selector={"app": "new"})
    case.approve("eve")
    world.cluster.refuse_next("replace", FieldFixed("spec.clusterIPs[0]: may not change once set"))
    world.settle()
    status, reason, message = case.condition("Applied")
    assert (status, reason, world.written()) == ("False", "NeedsReplace", ["replace"])
    assert ("may not change once set" in message, "replace: true" in message) == (True, True)
    assert world.cluster.peek("team-a", "hello") is not None


def test_with_replace_true_it_is_made_anew_after_the_cluster_has_said_so(
    world: ApprovalWorld, clock: Clock
) -> None:
    case = world.alive()
    world.cluster.calls.clear()
    case.change(selector={"app": "new"}, replace=True)
    case.approve("eve")
    world.cluster.refuse_next("replace", FieldFixed("spec.clusterIPs[0]: may not change once set"))
    world.settle()
    clock.advance(seconds=2)
    world.settle()
    assert world.written() == ["replace", "delete", "create"]
    assert case.condition("Applied")[:2] == ("True", "InSync")
