"""What many policies say together: any denial wins, seats add up, times are the shortest, failures are no."""

from typing import Any

import pytest

from service.domain.exposure import Principal, PrincipalKind, Role
from service.domain.policy import Lifetime, Policy
from service.domain.seat import Seat
from service.domain.subject import Renewal, Subject
from service.domain.verdict import Verdict, decide, may_sit
from service.expressions.evaluator import MAX_INPUT_BYTES, CelEvaluator
from tests.builders import make_principal
from tests.policy_builders import NARROWING, WIDENING, make_policy, make_subject, spec_of

EVALUATOR = CelEvaluator()
DENY = [{"expression": "true", "message": "Never.", "field": "#/spec/type"}]
BROKEN = "object.nowhere == 1"
ALLOW = make_policy("allow")
TWO = make_policy("two", require=[{"group": "platform", "count": 2}])


def verdict_of(*policies: Policy, subject: Subject | None = None) -> Verdict:
    return decide(policies, subject or make_subject(), EVALUATOR)


def messages(verdict: Verdict) -> list[str]:
    return [reason.message for reason in verdict.denied]


def test_what_every_policy_lets_through_needs_nobody():
    verdict = verdict_of(ALLOW, make_policy("also", 4, auto="object.spec.type == 'ClusterIP'"))
    assert verdict.is_automatic()
    assert verdict.approved_by == ("allow@1", "also@4")


def test_any_denial_wins_and_all_are_told():
    verdict = verdict_of(ALLOW, make_policy("never", 2, deny=DENY), make_policy("no", deny=DENY))
    assert not verdict.is_automatic()
    assert verdict.approved_by == ()
    assert [(r.policy, r.message, r.pointer) for r in verdict.denied] == [
        ("never@2", "Never.", "#/spec/type"),
        ("no@1", "Never.", "#/spec/type"),
    ]


def test_a_rule_that_is_not_true_denies_nothing():
    assert verdict_of(make_policy(auto=True, deny=[{"expression": "false", "message": "x"}])).is_automatic()


@pytest.mark.parametrize(
    "policies",
    [
        (),
        (make_policy(auto=True, match={"types": ["NodePort"]}),),
        (make_policy(auto="object.spec.type == 'NodePort'"),),
        (make_policy(deny=[{"expression": "false", "message": "x"}]),),
        (make_policy(auto=True, mode="warn"), make_policy("q", auto=True, mode="audit")),
    ],
)
def test_a_request_that_nobody_decides_is_denied(policies):
    verdict = verdict_of(*policies)
    assert [reason.policy for reason in verdict.denied] == [None]
    assert "No policy says who decides about type ClusterIP in namespace team-a" in messages(verdict)[0]


@pytest.mark.parametrize(
    ("match", "is_matched"),
    [
        ({"clusters": ["dev", "prod"]}, True),
        ({"clusters": ["prod"]}, False),
        ({"environments": ["development"], "types": ["ClusterIP"], "namespaces": ["team-a"]}, True),
        ({"environments": ["production"]}, False),
        ({"types": ["ClusterIP"], "namespaces": ["team-b"]}, False),
        ({"expression": "object.metadata.team == 'team-a'"}, True),
        ({"clusters": ["dev"], "expression": "false"}, False),
    ],
)
def test_a_policy_is_about_what_fits_all_of_its_match(match, is_matched):
    verdict = verdict_of(ALLOW, make_policy("never", match=match, deny=DENY))
    assert bool(verdict.denied) is is_matched
    assert verdict.gates[1].matched is is_matched


@pytest.mark.parametrize(
    "document",
    [
        {"match": {"expression": BROKEN}, "auto": True},
        {"deny": [{"expression": BROKEN, "message": "x"}]},
        {"auto": BROKEN},
        {"auto": "[1, 2, 3].all(a, 1 / 0 == a)"},
    ],
)
def test_what_cannot_be_evaluated_denies(document):
    verdict = verdict_of(ALLOW, make_policy("broken", **document))
    [reason] = verdict.denied
    assert (reason.policy, reason.code) == ("broken@1", "not-evaluated")
    assert "could not be evaluated" in reason.message


def test_too_large_a_request_is_denied_whatever_policies_say():
    subject = make_subject(delta=WIDENING | {"changes": ["x" * MAX_INPUT_BYTES]})
    verdict = verdict_of(ALLOW, subject=subject)
    assert "could not be evaluated" in messages(verdict)[0]


def test_a_message_can_be_made_from_the_request():
    policy = make_policy(deny=[{"expression": "true", "message_expression": "'Not ' + object.metadata.name"}])
    assert messages(verdict_of(policy)) == ["Not hello"]


def test_a_message_that_fails_leaves_the_denial():
    policy = make_policy(deny=[{"expression": "true", "message_expression": "string(object.nowhere)"}])
    assert "A rule of policy p@1 is true of it" in messages(verdict_of(policy))[0]


def test_seats_of_all_policies_are_joined_with_the_largest_count():
    more = make_policy(
        "more", require=[{"group": "platform", "count": 3}, {"count": 1}, {"group": "security", "count": 1}]
    )
    verdict = verdict_of(ALLOW, TWO, more)
    assert verdict.seats == (
        Seat("platform", "platform", 3, None, ("two@1", "more@1")),
        Seat("approver", None, 1, None, ("more@1",)),
        Seat("security", "security", 1, None, ("more@1",)),
    )
    assert not verdict.is_automatic()
    assert verdict.approved_by == ()


def test_seats_with_different_filters_are_different_seats():
    condition = "object.metadata.team in reviewer.teams"
    mine = make_policy("mine", require=[{"group": "platform", "count": 1, "filter": condition}])
    named = make_policy("named", require=[{"group": "approver", "count": 1}, {"count": 1}])
    keys = {seat.key: (seat.group, seat.filter) for seat in verdict_of(TWO, mine, named).seats}
    assert keys == {
        "platform": ("platform", None),
        "platform-2": ("platform", condition),
        "approver": ("approver", None),
        "approver-2": (None, None),
    }


def test_a_policy_that_approves_by_itself_asks_for_nobody():
    policy = make_policy(require=[{"count": 1}], auto="object.spec.type == 'ClusterIP'")
    assert verdict_of(policy).is_automatic()
    assert verdict_of(policy, TWO).seats == (Seat("platform", "platform", 2, None, ("two@1",)),)


def test_an_approval_that_does_not_hold_leaves_the_seats():
    policy = make_policy(require=[{"count": 1}], auto="object.spec.type == 'NodePort'")
    assert verdict_of(policy).seats == (Seat("approver", None, 1, None, ("p@1",)),)


@pytest.mark.parametrize(("lifetime", "is_denied"), [(3600, False), (3601, True), (None, True)])
def test_a_lifetime_beyond_the_longest_is_denied(lifetime, is_denied):
    policy = make_policy(auto=True, lifetime={"max": "1h"})
    verdict = verdict_of(policy, subject=make_subject(spec_of(lifetime=lifetime)))
    assert [reason.pointer for reason in verdict.denied] == ["#/spec/lifetime"] * is_denied


def test_the_shortest_times_hold():
    verdict = verdict_of(
        make_policy("a", auto=True, pending_ttl="48h", lifetime={"max": "100h"}),
        make_policy("b", auto=True, pending_ttl="24h", lifetime={"max": "200h", "max_total": "300h"}),
        make_policy("c", auto=True, mode="warn", pending_ttl="1h"),
        make_policy("d", auto=True, match={"types": ["NodePort"]}, pending_ttl="2h"),
    )
    assert verdict.pending_ttl == 24 * 3600
    assert verdict.lifetime == Lifetime(100 * 3600, 300 * 3600)


@pytest.mark.parametrize("kind", ["narrowing", "equal"])
def test_a_change_that_opens_nothing_needs_nobody(kind):
    subject = make_subject(base=spec_of(), delta=NARROWING | {"kind": kind})
    verdict = verdict_of(TWO, subject=subject)
    assert verdict.is_automatic()
    assert verdict.approved_by == ("two@1",)
    assert "opens nothing" in verdict.remarks[0]


def test_a_change_that_opens_nothing_is_still_denied_by_what_denies():
    subject = make_subject(base=spec_of(), delta=NARROWING)
    assert messages(verdict_of(TWO, make_policy("never", deny=DENY), subject=subject)) == ["Never."]
    assert verdict_of(subject=subject).denied


@pytest.mark.parametrize(
    "subject",
    [
        make_subject(delta=NARROWING),
        make_subject(base=spec_of(), delta=WIDENING),
        make_subject(base=spec_of(), delta={}),
        make_subject(base=spec_of(), delta={"kind": "equal", "changes": []}, renewal=Renewal(True, 0)),
    ],
)
def test_what_opens_something_needs_its_seats(subject):
    assert verdict_of(TWO, subject=subject).seats[0].count == 2


@pytest.mark.parametrize(
    ("renewal", "remark"),
    [
        (Renewal(endpoints_seen=True, total=4 * 604800), None),
        (Renewal(endpoints_seen=False, total=604800), "Nothing was ever ready behind it"),
        (Renewal(endpoints_seen=True, total=4 * 604800 + 1), "more than 672h in all"),
    ],
)
def test_a_renewal_needs_nobody_while_it_is_used_and_not_for_ever(renewal, remark):
    policy = make_policy(auto=True, lifetime={"max": "168h"})
    verdict = verdict_of(policy, subject=make_subject(base=spec_of(), renewal=renewal))
    if remark is None:
        assert verdict.is_automatic()
    else:
        assert verdict.seats == (Seat("approver", None, 1, None, ("p@1",)),)
        assert remark in verdict.remarks[0]


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


def test_each_policy_is_judged_with_its_own_parameters():
    rule = [{"expression": "object.metadata.name == params.name", "message": "Taken."}]
    first = make_policy("a", params={"name": "hello"}, deny=rule)
    second = make_policy("b", params={"name": "other"}, deny=rule)
    assert [reason.policy for reason in verdict_of(first, second).denied] == ["a@1"]


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
    assert may_sit(seat, reviewer, make_subject(), EVALUATOR) is fits


def test_the_requester_is_seen_with_teams_and_kind():
    robot = Principal(PrincipalKind.SERVICE_ACCOUNT, "ci", teams=frozenset({"team-a"}))
    policy = make_policy(auto="requester.kind == 'service_account' && requester.teams == ['team-a']")
    assert verdict_of(policy, subject=make_subject(requester=robot)).is_automatic()
