"""Attempts at what stands round a review: policies, HTTP itself, and the database as the application."""

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from service.domain.principal import Role
from tests.integration.api_world import a_request
from tests.integration.approval_world import TWO_OF_PLATFORM
from tests.integration.bypass import EASY, NO_NODE_PORTS, NOTHING, Answer, Ground, Table, error_of
from tests.integration.bypass_times import shown

TABLE = Table()
answers = TABLE.answers


# Policies


@answers(403, "self-review", "another administrator has to review it")
def who_wrote_a_policy_lets_it_hold(ground: Ground) -> Answer:
    ground.by("pia").put("/v1/policies/easy", {"auto": True})
    ground.token("pia-too", "PIA", Role.ADMIN)
    answer = ground.by("pia-too").post("/v1/policies/easy/versions/1/reviews", {"verdict": "approve"})
    ground.ask()
    return answer


@answers(201, None, '"missing":["approver"]')
def a_policy_that_is_proposed_holds(ground: Ground) -> Answer:
    ground.by("pia").put("/v1/policies/easy", {"auto": True})
    return ground.ask().made


@answers(403, "forbidden", "only people review")
def a_service_account_lets_a_policy_hold(ground: Ground) -> Answer:
    ground.by("pia").put("/v1/policies/easy", {"auto": True})
    answer = ground.by("bot").post("/v1/policies/easy/versions/1/reviews", {"verdict": "approve"})
    ground.ask()
    return answer


@answers(403, "forbidden", "Only the platform")
def a_requester_writes_a_policy(ground: Ground) -> Answer:
    ground.ask()
    return ground.by("ann").put("/v1/policies/easy", {"auto": True})


@answers(201, None, '"missing":["approver"]')
def a_policy_that_only_warns_approves(ground: Ground) -> Answer:
    ground.rules(EASY | {"mode": "warn"}, keep=True)
    return ground.ask().made


@answers(200, None, '"reason":"Invalidated"', "invalidated")
def it_is_applied_before_a_new_rule_is_noticed(ground: Ground) -> Answer:
    case = ground.ask().approve("eve")
    ground.rules(NO_NODE_PORTS, keep=True)
    ground.settle()
    return shown(case)


@answers(403, "policy-denied", "could not be evaluated", NOTHING)
def a_rule_that_fails_lets_it_pass(ground: Ground) -> Answer:
    ground.rules(
        EASY, {"name": "bad", "deny": [{"expression": "object.spec.ports[7].port == 1", "message": "Seven."}]}
    )
    return ground.by("ann").post("/v1/exposures", a_request())


# HTTP


@answers(201, None, '"verdict":"approve"')
def a_review_is_only_tried(ground: Ground) -> Answer:
    case = ground.ask()
    body = {"verdict": "approve", "digest": case.revision(1)["digest"]}
    return ground.by("eve").post(f"{case.at}/revisions/1/reviews?dry_run=true", body)


@answers(202, None, '"state":"')
def the_glass_is_only_tried(ground: Ground) -> Answer:
    case = ground.ask()
    body = {"digest": case.revision(1)["digest"], "incident": "I", "reason": "r", "duration": "1h"}
    return ground.by("max").post(f"{case.at}/revisions/1/break-glass?dry_run=true", body)


@answers(201, None, '"missing":["approver"]')
def a_policy_is_only_tried(ground: Ground) -> Answer:
    ground.by("pia").put("/v1/policies/easy", {"auto": True})
    address = "/v1/policies/easy/versions/1/reviews?dry_run=true"
    assert ground.by("pat").post(address, {"verdict": "approve"}).json["state"] == "active"
    return ground.ask().made


def by_method(method: str) -> Callable[[Ground], Answer]:
    """Return who sends a good review by another method than POST."""

    def attempt(ground: Ground) -> Answer:
        case = ground.ask()
        body = {"verdict": "approve", "digest": case.revision(1)["digest"]}
        sent = {"content_type": "application/json", "X_HTTP_Method_Override": "POST"}
        return ground.by("eve")._open(method, f"{case.at}/revisions/1/reviews", sent, json=body)

    attempt.__name__ = f"a_review_comes_by_{method.lower()}"
    return attempt


for _method, _status, _code in (
    ("HEAD", 200, None),
    ("OPTIONS", 200, None),
    ("PUT", 405, "method-not-allowed"),
    ("PATCH", 405, "method-not-allowed"),
):
    answers(_status, _code, "")(by_method(_method))


# The database, as the application


def by_statement(name: str, statement: str) -> None:
    """Let the application's login try a statement on what was asked for."""

    def attempt(ground: Ground) -> Answer:
        ground.rules(TWO_OF_PLATFORM)
        ground.ask().review("eve", "comment", comment="yes")

        def execute() -> None:
            with ground.database.engine.begin() as login:
                login.execute(text(statement))

        return error_of(execute, ProgrammingError)

    attempt.__name__ = name
    answers(None, "f405", "permission denied")(attempt)


by_statement("a_comment_becomes_an_approval", "UPDATE review SET verdict = 'approve'")
by_statement("a_review_gets_another_reviewer", "UPDATE review SET person = 'liz'")
by_statement("a_review_gets_another_seat", "UPDATE review SET seats = '{platform}'")
by_statement("an_event_is_written_over", "UPDATE event SET kind = 'approved'")
by_statement("an_event_is_taken_out", "DELETE FROM event")
by_statement("what_the_platform_did_is_taken_out", "DELETE FROM audit_event")
by_statement("a_digest_is_written_over", "UPDATE revision SET digest = 'sha256:0'")
by_statement("who_asked_for_an_adoption_is_written_over", "UPDATE adoption SET requested_by = '{}'")
by_statement("an_adoption_is_taken_out", "DELETE FROM adoption")
by_statement("the_seats_are_written_over", "UPDATE revision SET verdict = '{}'")
by_statement("the_editors_are_written_over", "UPDATE revision SET editors = '{}'")
