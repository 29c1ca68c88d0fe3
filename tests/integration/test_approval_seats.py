"""Seats and reviews: who can fill which, when it is decided, and what can be taken back before."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Clock
from tests.integration.api_world import review_of
from tests.integration.approval_world import TWO_OF_PLATFORM, ApprovalWorld
from tests.integration.reconciler_world import node_port_thief
from tests.postgres import Database

SECURITY = {"name": "security", "require": [{"group": "security", "count": 1}]}


@pytest.fixture
def world(database: Database, clock: Clock) -> ApprovalWorld:
    return ApprovalWorld(database, clock)


def test_two_seats_take_two_people(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)
    case = world.ask()

    case.approve("eve")
    assert case.decisions() == ["pending"]
    assert case.status()["pending"]["missing"] == ["platform"]

    case.approve("liz")
    assert case.decisions() == ["approved"]


def test_a_review_stands_when_the_chosen_port_is_stolen_before_the_next_one(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)
    case = world.ask(ports=[{"port": 80}]).approve("eve")
    [old] = [port["node_port"] for port in case.status()["ports"]]
    world.cluster.add_namespace("team-b")
    world.cluster.add_service(node_port_thief(old))

    world.settle()

    [new] = [port["node_port"] for port in case.status()["ports"]]
    assert (world.owner(old), world.owner(new)) == (("foreign", "team-b/thief"), ("held", "team-a/hello"))
    assert case.status()["pending"]["missing"] == ["platform"]
    assert case.approve("liz").decisions() == ["approved"]


def test_seats_of_several_policies_add_up_and_one_person_fills_one(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM, SECURITY)
    case = world.ask()

    case.approve("dan", "eve")
    assert len(case.status()["pending"]["missing"]) == 1

    case.approve("liz")
    assert case.decisions() == ["approved"]


def test_the_same_seat_of_two_policies_is_filled_once(world: ApprovalWorld) -> None:
    world.rules(SECURITY, {"name": "also", "require": [{"group": "security", "count": 1}]})

    assert world.ask().approve("sam").decisions() == ["approved"]


def test_who_has_no_seat_is_told_whose_they_are(world: ApprovalWorld) -> None:
    world.rules(SECURITY)

    answer = world.ask().review("eve")

    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert "they are for security" in answer.json["detail"]


def test_a_filter_looks_at_the_reviewer(world: ApprovalWorld) -> None:
    seat = {"count": 1, "filter": 'reviewer.person != "eve"'}
    world.rules({"name": "picky", "require": [seat]})
    case = world.ask()

    assert case.review("eve").status_code == 403
    assert case.approve("liz").decisions() == ["approved"]


def test_a_review_can_be_changed_before_the_decision(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)
    case = world.ask().approve("eve")

    assert case.review("eve", "reject").status_code == 201

    assert case.decisions() == ["rejected"]
    reviews = world.by("ann").get(f"{case.at}/revisions/1/reviews").json["items"]
    assert [(r["verdict"], r["void_reason"]) for r in reviews] == [("approve", "changed"), ("reject", None)]


def test_a_second_approval_of_one_person_fills_no_second_seat(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)
    case = world.ask().approve("eve", "eve")

    assert case.status()["pending"]["missing"] == ["platform"]


def test_a_review_can_be_taken_back_before_the_decision(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)
    case = world.ask()
    made = case.review("eve").json

    answer = world.by("eve").delete(f"{case.at}/revisions/1/reviews/{made['id']}")

    assert answer.status_code == 204
    case.approve("liz")
    assert case.decisions() == ["pending"]


def test_nobody_takes_another_ones_review_back(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)
    case = world.ask()
    made = case.review("eve").json

    assert world.by("liz").delete(f"{case.at}/revisions/1/reviews/{made['id']}").status_code == 404


def test_nothing_is_taken_back_after_the_decision(world: ApprovalWorld) -> None:
    case = world.ask()
    made = case.review("eve").json

    answer = world.by("eve").delete(f"{case.at}/revisions/1/reviews/{made['id']}")

    assert answer.json["code"] == "already-decided"


def test_a_comment_decides_nothing_and_anybody_who_sees_it_may(world: ApprovalWorld) -> None:
    case = world.ask()

    assert case.review("ann", "comment", comment="why port 80?").status_code == 201
    assert case.review("eve", "comment", comment="is it needed?").status_code == 201
    assert case.review("eve", "comment", comment="still?").status_code == 201

    assert case.decisions() == ["pending"]
    assert case.approve("eve").decisions() == ["approved"]


def test_a_rejection_is_final(world: ApprovalWorld) -> None:
    case = world.ask()
    case.review("eve", "reject")

    assert case.review("liz").json["code"] == "ended"


def test_seats_are_those_of_the_submit_whatever_policies_say_later(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)
    case = world.ask()
    world.rules({"name": "easy", "auto": True})

    case.approve("eve")

    assert case.decisions() == ["pending"]


def test_a_group_that_nobody_is_in_is_refused_at_once(world: ApprovalWorld) -> None:
    world.rules({"name": "ghosts", "require": [{"group": "ghosts", "count": 1}]})

    answer = world.by("ann").post("/v1/exposures", {"metadata": REQUEST["metadata"], "spec": REQUEST["spec"]})

    assert (answer.status_code, answer.json["code"]) == (422, "unsatisfiable-policy")
    assert world.api.rows()[0] == 0


def test_too_few_known_people_are_a_warning(world: ApprovalWorld) -> None:
    world.rules({"name": "many", "require": [{"group": "security", "count": 5}]})

    made = world.ask().made

    assert "Group security" in made.json["warnings"][0]


def test_an_automatic_approval_is_a_review_by_the_policy(world: ApprovalWorld) -> None:
    world.rules({"name": "easy", "auto": True})
    case = world.ask()

    assert case.decisions() == ["approved"]
    reviews = world.by("ann").get(f"{case.at}/revisions/1/reviews").json["items"]
    assert [review["reviewer"]["person"] for review in reviews] == ["policy:easy@1"]


def test_two_on_the_last_seat_make_one_decision(world: ApprovalWorld) -> None:
    world.rules({"name": "one", "require": [{"count": 1}]})
    with ThreadPoolExecutor(2) as threads:
        for number in range(100):
            case = world.ask(ports=[{"name": "http", "port": 80}], type="ClusterIP")
            sent = [threads.submit(world.by(who).post, *review_of(case.made)) for who in ("eve", "liz")]
            assert sorted(each.result().status_code for each in sent) == [201, 409], number
            assert case.kinds().count("approved") == 1
            world.by("ann").delete(case.at, If_Match="*")


REQUEST = {
    "metadata": {"cluster": "dev", "namespace": "team-a", "name": "hello", "team": "team-a"},
    "spec": {"selector": {"app": "hello"}, "ports": [{"port": 80}], "justification": "tried"},
}
