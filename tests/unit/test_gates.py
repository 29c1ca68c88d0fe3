"""What each policy says by itself: warnings, notes, the stored gates; and who fits a seat."""

from typing import Any

import pytest

from service.domain.principal import Role
from service.domain.seat import Seat
from service.domain.verdict import may_sit
from tests.builders import make_principal
from tests.policy_builders import ALLOW, BROKEN, DENY, EVALUATOR, TWO, make_policy, make_subject, verdict_of


@pytest.mark.parametrize(
    ("document", "warning"),
    [
        ({"deny": DENY}, "Never. (policy p@1 only warns)"),
        ({"deny": [{"expression": BROKEN, "message": "x"}]}, "deny/0 of policy p@1 could not be evaluated"),
        ({"match": {"expression": BROKEN}, "auto": True}, "match of policy p@1 could not be evaluated"),
        ({"lifetime": {"max": "1h"}}, "It lasts 72h, and policy p allows at most 1h"),
        ({"require": [{"group": "platform", "count": 2}]}, "2 approval(s) by people of group platform"),
        ({"warn": [{"expression": "true", "message": "Think."}]}, "Think."),
    ],
)
def test_a_policy_in_warn_tells_and_decides_nothing(document, warning):
    verdict = verdict_of(ALLOW, make_policy("p", mode="warn", **document))
    assert verdict.is_automatic()
    assert verdict.approved_by == ("allow@1",)
    assert warning in verdict.warnings[0]


def test_a_policy_in_audit_is_written_down_and_tells_nothing():
    verdict = verdict_of(
        ALLOW,
        make_policy(
            mode="audit",
            deny=DENY,
            require=[{"count": 1}],
            warn=[{"expression": "true", "message": "Think."}],
        ),
    )
    assert verdict.is_automatic()
    assert verdict.warnings == ()
    assert verdict.notes == ("p@1: Never.", "p@1: Think.")


def test_a_policy_in_audit_that_fails_is_told():
    verdict = verdict_of(ALLOW, make_policy(mode="audit", deny=[{"expression": BROKEN, "message": "x"}]))
    assert verdict.is_automatic()
    assert "could not be evaluated" in verdict.warnings[0]


def test_a_warning_of_an_enforced_policy_is_told_and_one_that_fails_too():
    rules: list[dict[str, Any]] = [
        {"expression": "true", "message": "Think."},
        {"expression": "false", "message": "Not this."},
        {"expression": BROKEN, "message": "x"},
    ]
    verdict = verdict_of(make_policy(auto=True, warn=rules))
    assert verdict.is_automatic()
    assert verdict.warnings[0] == "Think."
    assert "warn/2 of policy p@1 could not be evaluated" in verdict.warnings[1]


def test_a_verdict_is_stored_with_every_gate():
    policies = (TWO, make_policy("node", auto=True, match={"types": ["NodePort"]}))
    document = verdict_of(*policies).document()
    assert document["outcome"] == "pending"
    assert [Seat.from_document(seat) for seat in document["seats"]] == list(verdict_of(*policies).seats)
    assert document["gates"] == [
        {
            "policy": "two",
            "version": 1,
            "mode": "enforce",
            "matched": True,
            "outcome": "requires",
            "reasons": [],
            "requires": [{"group": "platform", "count": 2, "filter": None, "reason": None}],
            "warnings": [],
        },
        {
            "policy": "node",
            "version": 1,
            "mode": "enforce",
            "matched": False,
            "outcome": "not-matched",
            "reasons": [],
            "requires": [],
            "warnings": [],
        },
    ]


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [
        (ALLOW, "approves"),
        (make_policy(deny=DENY), "denies"),
        (TWO, "requires"),
        (make_policy(auto="false"), "silent"),
    ],
)
def test_a_gate_says_its_outcome_in_one_word(policy, outcome):
    assert verdict_of(policy).gates[0].outcome() == outcome


TEAM_SEAT = Seat("platform", "platform", 1, "!(object.metadata.team in reviewer.teams)")


@pytest.mark.parametrize(
    ("seat", "reviewer", "fits"),
    [
        (Seat("approver"), make_principal("eve", Role.APPROVER), True),
        (Seat("approver"), make_principal("eve", Role.ADMIN), False),
        (Seat("platform", "platform"), make_principal("eve", groups=frozenset({"platform"})), True),
        (Seat("platform", "platform"), make_principal("eve", groups=frozenset({"platforms"})), False),
        (TEAM_SEAT, make_principal("eve", groups=frozenset({"platform"})), True),
        (
            TEAM_SEAT,
            make_principal("eve", groups=frozenset({"platform"}), teams=frozenset({"team-a"})),
            False,
        ),
        (Seat("approver", filter="reviewer.nowhere == 1"), make_principal("eve"), False),
        (Seat("approver", filter="reviewer.person"), make_principal("eve"), False),
        (Seat("approver", filter="("), make_principal("eve"), False),
    ],
)
def test_a_seat_is_for_those_whom_its_group_and_its_filter_let_in(seat, reviewer, fits):
    assert may_sit(seat, reviewer, make_subject().variables()["object"], EVALUATOR) is fits
