"""What many policies say together: any denial wins, seats add up, times are the shortest, failures are no."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.policy import Lifetime
from service.domain.principal import Principal, PrincipalKind
from service.domain.seat import Seat
from service.domain.subject import Renewal
from service.domain.verdict import Verdict, decide
from service.expressions.evaluator import MAX_INPUT_BYTES, CelEvaluator
from tests.policy_builders import (
    ALLOW,
    BROKEN,
    DENY,
    NARROWING,
    TWO,
    WIDENING,
    make_policy,
    make_subject,
    spec_of,
    verdict_of,
)


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


def test_violations_are_what_deny_rules_say_and_what_nobody_can_say():
    subject = make_subject(spec_of(lifetime=None))
    overlong = make_policy("overlong", auto=True, lifetime={"max": "1h"})
    verdict = verdict_of(
        overlong, make_policy("never", deny=DENY), make_policy("b", auto=BROKEN), subject=subject
    )
    assert [reason.code for reason in verdict.denied] == ["lifetime", "denied", "not-evaluated"]
    assert [reason.policy for reason in verdict.violations()] == ["never@1", "b@1"]
    assert verdict_of().violations() == ()


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


def test_each_policy_is_judged_with_its_own_parameters():
    rule = [{"expression": "object.metadata.name == params.name", "message": "Taken."}]
    first = make_policy("a", params={"name": "hello"}, deny=rule)
    second = make_policy("b", params={"name": "other"}, deny=rule)
    assert [reason.policy for reason in verdict_of(first, second).denied] == ["a@1"]


KINDS = {
    "denies": make_policy("denies", deny=DENY),
    "broken": make_policy("broken", auto=BROKEN),
    "requires": TWO,
    "approves": ALLOW,
    "silent": make_policy("silent", deny=[{"expression": "false", "message": "x"}]),
    "elsewhere": make_policy("elsewhere", match={"types": ["NodePort"]}, deny=DENY),
    "warns": make_policy("warns", mode="warn", deny=DENY, require=[{"count": 1}]),
    "notes": make_policy("notes", mode="audit", auto=True),
}


@given(st.lists(st.sampled_from(sorted(KINDS)), max_size=8))
def test_the_strictest_policy_decides_whatever_stands_beside_it_and_in_any_order(kinds):
    verdict = verdict_of(*(KINDS[kind] for kind in kinds))
    if {"denies", "broken"} & set(kinds) or not {"requires", "approves"} & set(kinds):
        assert verdict.document()["outcome"] == "denied"
    else:
        assert verdict.document()["outcome"] == ("pending" if "requires" in kinds else "automatic")


def test_threads_share_an_evaluator():
    policies = [make_policy(f"p-{n}", params={"n": n}, auto=f"params.n == {n}") for n in range(8)]
    shared = CelEvaluator()

    def outcome(number: int) -> str:
        policy = policies[number % 8]
        return decide([policy], make_subject(), shared).approved_by[0]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(outcome, range(400)))
    assert found == [f"p-{number % 8}@1" for number in range(400)]


def test_the_requester_is_seen_with_teams_and_kind():
    robot = Principal(PrincipalKind.SERVICE_ACCOUNT, "ci", teams=frozenset({"team-a"}))
    policy = make_policy(auto="requester.kind == 'service_account' && requester.teams == ['team-a']")
    assert verdict_of(policy, subject=make_subject(requester=robot)).is_automatic()
