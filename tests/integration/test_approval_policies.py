"""Policies: who writes them, when they hold, what they refuse, and what they do to what is there."""

from dataclasses import replace

import pytest

from service.store import identities
from tests.conftest import Clock
from tests.integration.api_world import a_request, named
from tests.integration.approval_world import TWO_OF_PLATFORM, ApprovalWorld
from tests.postgres import Database

EASY = {"name": "easy", "auto": True}
NO_NODE_PORTS = {
    "name": "no-node-ports",
    "deny": [
        {"expression": 'object.spec.type == "NodePort"', "message": "Not here.", "field": "#/spec/type"}
    ],
}


@pytest.fixture
def world(database: Database, clock: Clock) -> ApprovalWorld:
    return ApprovalWorld(database, clock)


def test_what_a_rule_denies_is_not_stored_and_noted(world: ApprovalWorld) -> None:
    world.rules(EASY, NO_NODE_PORTS)

    answer = world.by("ann").post("/v1/exposures", a_request())

    assert (answer.status_code, answer.json["code"]) == (403, "policy-denied")
    assert answer.json["errors"] == [
        {"pointer": "#/spec/type", "detail": "Not here.", "code": "policy-denied"}
    ]
    assert answer.json["reasons"][0]["policy"] == "no-node-ports@1"
    assert world.api.rows() == (0, 0, 0)
    assert world.noted("policy-denied") == 1


def test_a_rule_may_look_at_the_labels_of_a_cluster(world: ApprovalWorld) -> None:
    gold = 'has(cluster.labels.tier) && cluster.labels.tier == "gold"'
    world.rules(EASY, {"name": "gold", "deny": [{"expression": gold, "message": "Not in gold."}]})
    first = world.by("ann").post("/v1/exposures", named("first"))

    with world.api.transaction() as session:
        cluster = replace(identities.clusters(session)[0], labels={"tier": "gold"})
        identities.put_cluster(session, cluster, world.api.now())
    second = world.by("ann").post("/v1/exposures", named("second"))

    assert first.status_code == 201
    assert (second.status_code, second.json["code"]) == (403, "policy-denied")


def test_without_a_policy_that_decides_everything_is_denied(world: ApprovalWorld) -> None:
    world.rules()

    answer = world.by("ann").post("/v1/exposures", a_request())

    assert answer.json["code"] == "policy-denied"
    assert "No policy says who decides" in answer.json["detail"]


def test_a_version_waits_for_another_administrator(world: ApprovalWorld) -> None:
    made = world.by("pia").put("/v1/policies/easy", {"auto": True})
    assert (made.status_code, made.json["state"]) == (201, "proposed")
    reviews = f"/v1/policies/easy/versions/{made.json['version']}/reviews"

    assert world.by("pia").post(reviews, {"verdict": "approve"}).json["code"] == "self-review"
    assert world.by("bot").post(reviews, {"verdict": "approve"}).status_code == 403
    assert world.by("eve").post(reviews, {"verdict": "approve"}).status_code == 403
    assert world.by("pat").post(reviews, {"verdict": "approve"}).json["state"] == "active"
    assert world.by("pat").post(reviews, {"verdict": "approve"}).json["code"] == "already-decided"


def test_the_first_policy_of_all_holds_at_once(world: ApprovalWorld) -> None:
    world.rules()

    assert world.by("pia").put("/v1/policies/easy", {"auto": True}).json["state"] == "active"
    assert world.by("pia").put("/v1/policies/more", {"auto": True}).json["state"] == "proposed"


def test_a_refused_version_never_holds(world: ApprovalWorld) -> None:
    world.by("pia").put("/v1/policies/easy", {"auto": True})

    answer = world.by("pat").post("/v1/policies/easy/versions/1/reviews", {"verdict": "reject"})

    assert answer.json["state"] == "retired"
    assert world.ask().decisions() == ["pending"]


def test_the_same_document_makes_no_version(world: ApprovalWorld) -> None:
    first = world.by("pia").put("/v1/policies/easy", {"auto": True})
    again = world.by("pia").put("/v1/policies/easy", {"auto": True})

    assert (again.status_code, again.json) == (200, first.json)


def test_the_versions_are_kept(world: ApprovalWorld) -> None:
    world.by("pia").put("/v1/policies/easy", {"auto": True})
    world.by("pia").put("/v1/policies/easy", {"auto": "object.spec.lifetime != null"})

    assert world.by("ann").get("/v1/policies/easy").json["version"] == 2
    assert world.by("ann").get("/v1/policies/easy/versions/1").json["document"]["auto"] is True
    assert world.by("ann").get("/v1/policies/none").status_code == 404


def test_only_the_platform_writes_them(world: ApprovalWorld) -> None:
    for who in ("ann", "eve", "liz"):
        assert world.by(who).put("/v1/policies/easy", {"auto": True}).status_code == 403


def test_faults_of_a_draft_are_told_with_their_places(world: ApprovalWorld) -> None:
    draft = {"name": "x", "deny": [{"expression": "object.spec.type ==", "message": "m"}], "colour": 1}
    shape = world.by("ann").post("/v1/policies/check", {"document": draft}).json["errors"]
    del draft["colour"]
    expression = world.by("ann").post("/v1/policies/check", {"document": draft}).json["errors"]

    assert [error["pointer"] for error in shape] == ["#/colour"]
    assert [error["pointer"] for error in expression] == ["#/deny/0/expression"]
    assert "ine 1, column" in expression[0]["detail"]
    assert world.by("pia").put("/v1/policies/x", {"deny": draft["deny"]}).json["code"] == "invalid"


def test_a_draft_is_tried_against_the_past(world: ApprovalWorld) -> None:
    world.rules(EASY)
    case = world.ask()

    answer = world.by("pia").post("/v1/policies/what-if", {"document": NO_NODE_PORTS})

    assert answer.json["requests"] == 1
    [changed] = answer.json["changed"]
    assert (changed["exposure_id"], changed["revision"]) == (case.id, 1)
    assert (changed["before"]["outcome"], changed["after"]["outcome"]) == ("automatic", "denied")


def test_a_draft_that_changes_nothing_shows_nothing(world: ApprovalWorld) -> None:
    world.rules(EASY)
    world.ask()

    answer = world.by("pia").post("/v1/policies/what-if", {"document": EASY})

    assert answer.json == {"requests": 1, "changed": []}


def test_a_refused_request_is_tried_too(world: ApprovalWorld) -> None:
    world.rules(EASY, NO_NODE_PORTS)
    world.by("ann").post("/v1/exposures", a_request())
    allowed = {"name": "no-node-ports", "deny": [{"expression": "false", "message": "never"}]}

    answer = world.by("pia").post("/v1/policies/what-if", {"document": allowed})

    assert answer.json["requests"] == 1
    assert answer.json["changed"][0]["exposure_id"] is None


def test_a_new_rule_invalidates_what_waits(world: ApprovalWorld) -> None:
    case = world.ask()
    world.rules(NO_NODE_PORTS, keep=True)

    world.tick()

    assert (case.decisions(), case.status()["reason"]) == (["invalidated"], "Invalidated")
    assert world.by("ann").get("/v1/clusters/dev/node-ports/30007").json["state"] == "free"


def test_a_new_rule_ends_a_change_and_what_it_stands_on_once_each(world: ApprovalWorld) -> None:
    case = world.ask().approve("eve")
    case.change(lifetime="73h")
    world.rules(NO_NODE_PORTS, keep=True)

    world.tick()

    assert case.decisions() == ["invalidated", "invalidated"]
    assert case.kinds().count("invalidated") == 2


def test_a_new_rule_stops_what_was_approved_before_its_first_write(world: ApprovalWorld) -> None:
    case = world.ask().approve("eve")
    world.rules(NO_NODE_PORTS, keep=True)

    world.cycle()

    assert case.decisions() == ["invalidated"]
    assert world.cluster.writes() == []


def test_a_new_rule_never_removes_what_is_live_and_names_it(world: ApprovalWorld) -> None:
    case = world.alive()
    world.rules(NO_NODE_PORTS, keep=True)

    world.tick()
    world.settle()

    assert (case.decisions(), case.in_cluster()) == (["live"], True)
    status, reason, message = case.condition("Compliant")
    assert (status, reason) == ("False", "DenyRuleMatches")
    assert "no-node-ports@1: Not here." in message
    assert "not-compliant" in case.kinds()
    listed = world.by("pia").get("/v1/exposures?compliant=false").json["items"]
    assert [item["metadata"]["id"] for item in listed] == [case.id]


def test_what_is_live_and_denied_is_still_healed(world: ApprovalWorld) -> None:
    case = world.alive()
    world.rules(NO_NODE_PORTS, keep=True)
    world.cluster.remove("team-a", "hello")

    world.settle()

    assert case.in_cluster()


def test_a_rule_that_goes_makes_it_compliant_again(world: ApprovalWorld) -> None:
    case = world.alive()
    world.rules(NO_NODE_PORTS, keep=True)
    world.tick()
    world.rules({"name": "no-node-ports", "deny": [{"expression": "false", "message": "x"}]}, keep=True)

    world.tick()

    assert case.condition("Compliant")[:2] == ("True", "Compliant")


def test_what_has_no_deadline_is_judged_by_new_rules_too(world: ApprovalWorld) -> None:
    case = world.alive(lifetime=None)
    world.tick()
    world.rules(NO_NODE_PORTS, keep=True)

    world.tick()

    assert case.condition("Compliant")[0] == "False"


def test_rules_that_change_nothing_leave_the_tag_as_it_is(world: ApprovalWorld) -> None:
    case = world.alive()
    world.tick()
    tag = world.by("ann").get(case.at).headers["ETag"]
    world.rules({"name": "more", "deny": [{"expression": "false", "message": "x"}]}, keep=True)

    world.tick()

    assert world.by("ann").get(case.at).headers["ETag"] == tag


def test_a_resume_is_refused_when_a_rule_denies_it_now(world: ApprovalWorld) -> None:
    case = world.alive()
    case.act("suspend")
    world.rules(NO_NODE_PORTS, keep=True)

    assert case.act("resume").json["code"] == "policy-denied"


def test_a_renewal_is_automatic_when_policies_pass_and_it_was_ready(world: ApprovalWorld) -> None:
    world.rules(EASY)
    case = world.alive()

    case.act("renewals")

    assert case.decisions() == ["live", "approved"]


def test_a_renewal_beyond_the_most_needs_somebody(world: ApprovalWorld, clock: Clock) -> None:
    limited = {"name": "easy", "auto": True, "lifetime": {"max": "10h", "max_total": "20h"}}
    world.rules(limited)
    case = world.alive(lifetime="10h")
    for _ in range(2):
        clock.advance(hours=9)
        case.act("renewals")
        if case.decisions()[-1] == "pending":
            break
        world.settle()

    assert case.decisions() == ["retired", "live", "pending"]


def test_a_warning_is_told_and_decides_nothing(world: ApprovalWorld) -> None:
    world.rules(EASY, NO_NODE_PORTS | {"mode": "warn"})

    assert "Not here." in world.ask().made.json["warnings"][0]


def test_the_namespaces_environment_counts_and_unset_is_production(world: ApprovalWorld) -> None:
    only = {"name": "easy", "auto": True, "match": {"environments": ["development"]}}
    world.rules(only)

    assert world.ask().decisions() == ["approved"]


def test_the_policy_in_force_is_kept_with_the_revision(world: ApprovalWorld) -> None:
    world.rules(TWO_OF_PLATFORM)

    verdict = world.ask().revision(1)["verdict"]

    assert (verdict["gates"][0]["policy"], verdict["gates"][0]["version"]) == ("two", 1)
    assert verdict["requester"]["person"] == "ann"
