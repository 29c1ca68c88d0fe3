"""A named target port that leads to a forbidden number: suspended at once, until the cause has ended."""

from pathlib import Path
from uuid import UUID

import pytest
import yaml

from service.domain.principal import Principal, PrincipalKind
from service.domain.spec import Document
from service.store import exposures
from service.workflow.act import Act
from service.workflow.forbid import forbid
from tests.conftest import Clock
from tests.integration.approval_world import ApprovalWorld, Case
from tests.postgres import Database

NAMED: Document = {"ports": [{"name": "web", "port": 80, "target_port": "http", "protocol": "TCP"}]}
NOBODY_NEEDED: Document = {"name": "open", "auto": True}
SHIPPED = Path(__file__).parents[2] / "service/policies/target-ports.yaml"


@pytest.fixture
def world(database: Database, clock: Clock) -> ApprovalWorld:
    world = ApprovalWorld(database, clock)
    world.rules(NOBODY_NEEDED, yaml.safe_load(SHIPPED.read_text()))
    return world


def move_pods(world: ApprovalWorld, number: int) -> None:
    """Let the pods give the port's name this number."""
    world.cluster.add_endpoints("team-a", "hello", named_port=number)
    world.cycle()


def suspended(case: Case) -> tuple[str, str | None]:
    status = case.status()
    return status["state"], status["lifetime"]["suspension"]


def test_a_number_that_is_forbidden_suspends_and_takes_the_service_away(world: ApprovalWorld) -> None:
    case = world.alive(**NAMED)
    move_pods(world, 22)
    world.settle()
    assert suspended(case) == ("Suspended", "forbidden-port")
    assert world.cluster.peek("team-a", "hello") is None
    told = next(event for event in case.events() if event["kind"] == "suspended")
    assert told["data"]["target_ports"] == {"http": [22]}
    assert "never exposed" in told["data"]["reasons"][0]["message"]
    assert told["actor"]["kind"] == "worker"


def test_another_number_that_nobody_forbids_changes_nothing(world: ApprovalWorld) -> None:
    case = world.alive(**NAMED)
    move_pods(world, 9000)
    assert case.state() == "Active"
    assert "suspended" not in case.kinds()


def test_its_owner_cannot_lift_it_and_is_told_what_can(world: ApprovalWorld) -> None:
    case = world.alive(**NAMED)
    move_pods(world, 22)
    answer = world.by("ann").post(f"{case.at}/resume", {}, If_Match="*")
    assert (answer.status_code, answer.json.get("code")) == (409, "cannot-resume")
    assert "ask the platform" in answer.json["detail"]


def test_the_platform_can_and_the_worker_looks_again(world: ApprovalWorld) -> None:
    case = world.alive(**NAMED)
    move_pods(world, 22)
    world.settle()
    assert world.by("pat").post(f"{case.at}/resume", {}, If_Match="*").status_code == 202
    world.settle()
    assert suspended(case) == ("Suspended", "forbidden-port"), "the pods are as they were"
    world.cluster.add_endpoints("team-a", "hello", named_port=8000)
    assert world.by("pat").post(f"{case.at}/resume", {}, If_Match="*").status_code == 202
    world.settle()
    assert case.state() == "Active"


def test_it_goes_on_by_itself_once_the_rule_has_changed(world: ApprovalWorld) -> None:
    case = world.alive(**NAMED)
    move_pods(world, 22)
    world.settle()
    world.rules(NOBODY_NEEDED)
    world.tick()
    world.settle()
    assert case.state() == "Active"
    assert case.kinds().count("resumed") == 1


def test_a_rule_that_forbids_the_name_as_well_is_no_reason_of_the_pods(world: ApprovalWorld) -> None:
    case = world.alive(**NAMED)
    world.rules({"name": "none", "deny": [{"expression": "true", "message": "Nothing is exposed any more."}]})
    move_pods(world, 9000)
    assert case.state() == "Active"


def test_a_worker_that_was_away_meanwhile_finds_it(world: ApprovalWorld) -> None:
    case = world.alive(**NAMED)
    world.cluster.add_endpoints("team-a", "hello", named_port=22)
    world.edge = world.edge_with()  # a new worker: nothing in its memory
    world.settle()
    assert suspended(case)[0] == "Suspended"


@pytest.mark.parametrize(
    "numbers",
    [
        {"a": [22, 8000], "b": [8001, 8002], "c": [8003, 8004], "d": [8005, 8006], "e": [8007, 8008]},
        {"a": [8000, 8022], "b": [8001, 8002], "c": [8003, 8004], "d": [8005, 8006], "e": [22, 8008]},
        {"a": [*range(8000, 8040), 10250]},
    ],
    ids=["the-first", "the-last-of-many-ports", "the-last-of-many-pods"],
)
def test_one_forbidden_number_of_many_is_found(world: ApprovalWorld, numbers: dict[str, list[int]]) -> None:
    ports = [
        {"name": name, "port": 80 + index, "target_port": name, "protocol": "TCP"}
        for index, name in enumerate(numbers)
    ]
    case = world.alive(ports=ports)
    act = Act(Principal(PrincipalKind.WORKER, "worker"), world.now(), "request-1")
    with world.transaction() as session:
        record = exposures.lock(session, UUID(case.id))
        assert record is not None
        assert forbid(session, record, numbers, act, world.edge.judge)
