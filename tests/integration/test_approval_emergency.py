"""Break-glass, change freezes, scheduled starts; what is explained, and what is only tried."""

import pytest

from tests.conftest import Clock
from tests.integration.api_world import a_request, assert_problem
from tests.integration.approval_world import TWO_OF_PLATFORM, ApprovalWorld, Case
from tests.postgres import Database

NO_NODE_PORTS = {
    "name": "no-node-ports",
    "deny": [{"expression": 'object.spec.type == "NodePort"', "message": "Not here."}],
}
FREEZE = {"begins_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-03T00:00:00Z", "reason": "end of year"}


@pytest.fixture
def world(database: Database, clock: Clock) -> ApprovalWorld:
    return ApprovalWorld(database, clock)


def break_glass(case: Case, who: str = "max", **fields: object) -> tuple[int, str | None]:
    """Let somebody through; return status and code."""
    digest = case.revision(case.newest())["digest"]
    body = {"digest": digest, "incident": "INC-1", "reason": "the shop is down", "duration": "4h"} | fields
    answer = case.act(f"revisions/{case.newest()}/break-glass", who, body)
    return answer.status_code, answer.json.get("code")


def test_one_person_lets_it_through_and_every_skipped_group_is_told(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)
    case = world.ask()

    assert break_glass(case) == (202, None)
    world.settle()

    assert (case.decisions(), case.in_cluster()) == (["live"], True)
    [event] = [e for e in world.by("ann").get(f"{case.at}/events").json["items"] if e["kind"] == "approved"]
    told = event["data"]["break_glass"]
    assert (told["incident"], told["skipped"]) == ("INC-1", [{"group": "platform", "count": 2}])
    assert told["until"] == "2030-01-01T16:00:00+00:00"


def test_what_nobody_reviews_in_time_goes_by_itself(world: ApprovalWorld, clock: Clock) -> None:
    case = world.ask()
    break_glass(case)
    world.settle()

    clock.advance(hours=4)
    world.tick()
    world.settle()

    assert (case.state(), case.status()["reason"], case.in_cluster()) == ("Ended", "Expired", False)


def test_what_is_reviewed_afterwards_stays(world: ApprovalWorld, clock: Clock) -> None:
    case = world.ask()
    break_glass(case)
    world.settle()

    case.approve("eve")
    clock.advance(hours=5)
    world.tick()
    world.settle()

    assert (case.decisions(), case.in_cluster()) == (["live"], True)


def test_who_wrote_what_nobody_reviewed_cannot_review_what_is_built_on_it(world: ApprovalWorld) -> None:
    case = world.ask("ada")
    break_glass(case)
    world.settle()
    case.change("max", lifetime="1h")

    assert_problem(case.review("ada-too"), 403, "self-review")


def test_what_was_sent_and_never_confirmed_goes_though_a_change_of_it_waits(
    world: ApprovalWorld, clock: Clock
) -> None:
    case = world.ask()
    break_glass(case)
    world.cluster.lose_answer_of("create")
    world.cycle()
    case.change(lifetime="1h")

    clock.advance(hours=5)
    world.tick()
    world.settle()

    assert (case.decisions(), case.in_cluster()) == (["retired", "pending"], False)


def test_what_was_sent_and_never_confirmed_goes_when_what_follows_it_has_to_wait(
    world: ApprovalWorld, clock: Clock
) -> None:
    case = world.ask().approve("eve")
    world.cluster.lose_answer_of("create")
    world.cycle()
    world.by("pia").put("/v1/clusters/dev/freezes/xmas", FREEZE)
    case.change(lifetime="1h")

    clock.advance(minutes=1)
    world.settle()

    assert (case.decisions(), case.in_cluster()) == (["superseded", "approved"], False)


def test_what_is_on_its_way_out_is_not_reviewed_any_more(world: ApprovalWorld, clock: Clock) -> None:
    case = world.ask()
    break_glass(case)
    world.settle()
    clock.advance(hours=4)
    world.tick()

    assert_problem(case.review("eve"), 409, "ended")


def test_what_is_rejected_afterwards_goes_at_once(world: ApprovalWorld) -> None:
    case = world.ask()
    break_glass(case)
    world.settle()

    case.review("eve", "reject")
    world.settle()

    assert (case.state(), case.in_cluster()) == ("Ended", False)


def test_who_broke_the_glass_for_an_own_request_cannot_review_it(world: ApprovalWorld) -> None:
    case = world.ask("max")
    break_glass(case)

    assert case.review("max").status_code == 403


def test_a_narrower_change_of_what_nobody_reviewed_needs_its_seats(world: ApprovalWorld) -> None:
    case = world.ask()
    break_glass(case)
    world.settle()

    case.change(lifetime="1h")

    assert case.decisions() == ["live", "pending"]


def test_what_nobody_reviewed_cannot_be_renewed(world: ApprovalWorld) -> None:
    world.rules({"name": "easy", "auto": "object.spec.lifetime == null", "require": [{"count": 1}]})
    case = world.ask()
    break_glass(case)
    world.settle()

    assert case.act("renewals").json["code"] == "nothing-to-renew"


@pytest.mark.parametrize("who", ["ann", "eve", "pia", "bot"])
def test_it_takes_a_person_with_that_role(world: ApprovalWorld, who: str) -> None:
    assert break_glass(world.ask(), who)[0] == 403


def test_deny_rules_still_hold(world: ApprovalWorld) -> None:
    case = world.ask()
    world.rules(NO_NODE_PORTS, keep=True)

    assert break_glass(case) == (403, "policy-denied")


def test_it_is_bound_to_what_was_read_and_lasts_a_day_at_most(world: ApprovalWorld) -> None:
    case = world.ask()

    assert break_glass(case, digest="sha256:" + "0" * 64) == (412, "digest-mismatch")
    assert break_glass(case, duration="25h") == (422, "invalid")
    assert case.decisions() == ["pending"]


def test_what_is_approved_in_a_freeze_waits_for_its_end(world: ApprovalWorld, clock: Clock) -> None:
    assert world.by("pia").put("/v1/clusters/dev/freezes/xmas", FREEZE).status_code == 201
    case = world.ask().approve("eve")
    world.settle()
    assert (case.state(), case.in_cluster()) == ("Scheduled", False)
    assert "change freeze xmas (end of year)" in case.condition("Approved")[2]

    clock.advance(days=2)
    world.settle()

    assert case.in_cluster()


def test_a_lifted_freeze_lets_it_go_on(world: ApprovalWorld) -> None:
    world.by("pia").put("/v1/clusters/dev/freezes/xmas", FREEZE)
    case = world.ask().approve("eve")

    assert world.by("pia").delete("/v1/clusters/dev/freezes/xmas").status_code == 204
    world.settle()

    assert case.in_cluster()


def test_what_is_live_is_healed_and_removed_in_a_freeze(world: ApprovalWorld) -> None:
    case = world.alive()
    world.by("pia").put("/v1/clusters/dev/freezes/xmas", FREEZE)
    world.cluster.remove("team-a", "hello")
    world.settle()
    assert case.in_cluster()

    world.by("ann").delete(case.at, If_Match="*")
    world.settle()

    assert not case.in_cluster()


def test_only_the_platform_freezes(world: ApprovalWorld) -> None:
    assert world.by("eve").put("/v1/clusters/dev/freezes/xmas", FREEZE).status_code == 403
    assert world.by("ann").get("/v1/clusters/dev/freezes").json == {"items": []}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"ends_at": "2029-12-31T00:00:00Z"}, "#/ends_at"), ({"reason": " "}, "#/reason"), ({"x": 1}, "#/x")],
)
def test_a_freeze_that_is_none_is_refused(
    world: ApprovalWorld, change: dict[str, object], pointer: str
) -> None:
    answer = world.by("pia").put("/v1/clusters/dev/freezes/xmas", FREEZE | change)

    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_every_gate_is_explained(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)
    case = world.ask().approve("eve")

    gates = world.by("ann").get(f"{case.at}/explain").json["gates"]

    assert [gate["gate"] for gate in gates] == [
        "policy",
        "delta",
        "node-ports",
        "seats",
        "start",
        "cluster",
        "lifetime",
    ]
    assert (gates[0]["policy"], gates[0]["version"], gates[0]["result"]) == ("two", 1, "requires")
    [empty] = gates[3]["missing"]
    assert (empty["group"], empty["count"]) == ("platform", 1)
    assert set(empty["people"]) >= {"liz", "dan"}
    assert gates[3]["reviews"][0] == {"person": "eve", "verdict": "approve", "at": "2030-01-01T12:00:00Z"}


def test_a_stranger_is_explained_nothing(world: ApprovalWorld) -> None:
    assert world.by("ben").get(f"{world.ask().at}/explain").status_code == 404


def test_a_dry_run_says_all_and_stores_nothing(world: ApprovalWorld) -> None:
    answer = world.by("ann").post("/v1/exposures?dry_run=true", a_request(ports=[{"port": 80}]))

    assert answer.status_code == 201
    assert next(gate["gate"] for gate in answer.json["explain"]["gates"]) == "policy"
    number = answer.json["status"]["ports"][0]["node_port"]
    assert answer.json["manifest"]["spec"]["ports"][0]["nodePort"] == number
    assert world.api.rows() == (0, 0, 0)


def test_a_dry_run_of_a_change_a_review_and_a_removal_stores_nothing(world: ApprovalWorld) -> None:
    case = world.alive()
    rows = world.api.rows()
    ann = world.by("ann")

    assert ann.patch(f"{case.at}?dry_run=true", {"spec": {"lifetime": "1h"}}).status_code == 202
    assert ann.post(f"{case.at}/suspend?dry_run=true", {}, If_Match="*").status_code == 202
    assert ann.delete(f"{case.at}?dry_run=true", If_Match="*").status_code == 202

    assert (world.api.rows(), case.state()) == (rows, "Active")


def test_a_refused_dry_run_leaves_no_note(world: ApprovalWorld) -> None:
    world.rules(NO_NODE_PORTS, keep=True)

    answer = world.by("ann").post("/v1/exposures?dry_run=true", a_request())

    assert answer.json["code"] == "policy-denied"
    assert world.noted("policy-denied") == 0


def test_a_dry_run_is_true_or_false(world: ApprovalWorld) -> None:
    assert world.by("ann").post("/v1/exposures?dry_run=yes", a_request()).status_code == 400
    assert world.by("ann").get("/v1/exposures?dry_run=true").status_code == 400


@pytest.mark.parametrize(
    ("who", "sees"),
    [("eve", True), ("liz", True), ("sam", False), ("ann", False), ("aud", False), ("both", False)],
)
def test_a_reviewer_finds_what_waits_for_him(world: ApprovalWorld, who: str, sees: bool) -> None:
    world.rules(TWO_OF_PLATFORM)
    case = world.ask()

    found = world.by(who).get("/v1/exposures?awaiting_review_by=me").json["items"]

    assert [item["metadata"]["id"] for item in found] == ([case.id] if sees else [])


def test_what_was_reviewed_waits_for_others_alone(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)
    world.ask().approve("eve")

    assert world.by("eve").get("/v1/exposures?awaiting_review_by=me").json["items"] == []
    assert len(world.by("liz").get("/v1/exposures?awaiting_review_by=me").json["items"]) == 1
