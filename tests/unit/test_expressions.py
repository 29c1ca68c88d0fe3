"""CEL with every way out closed: errors that come as values, loops without end, too much of anything."""

from collections.abc import Mapping
from typing import Any

import pytest

from service.domain.policy import Failure, Kind, Scope
from service.domain.subject import person_of
from service.expressions.evaluator import MAX_EXPRESSION_BYTES, MAX_INPUT_BYTES, CelBinding, CelEvaluator
from tests.builders import make_principal
from tests.policy_builders import make_subject

EVALUATOR = CelEvaluator()
LONG_LIST = f"[{','.join('1' * 101)}]"
TOO_LONG = f'"{"x" * MAX_EXPRESSION_BYTES}" == ""'


def bound(params: Mapping[str, Any] | None = None, **variables: Any) -> CelBinding:
    """Return the values of a request; these parameters are those of policy p."""
    values = make_subject().variables() | variables
    binding = EVALUATOR.bind(Scope.REQUEST, values, {} if params is None else {"p": params})
    assert isinstance(binding, CelBinding)
    return binding.under("p") if params is not None else binding


def faults(
    expression: str,
    kind: Kind = Kind.TRUTH,
    scope: Scope = Scope.REQUEST,
    params: Mapping[str, Any] | None = None,
) -> list[str]:
    return [str(fault) for fault in EVALUATOR.faults(expression, kind, scope, params or {})]


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("object.spec.ports.exists(port, port.target_port == 'http')", True),
        ("object.spec.type == 'NodePort'", False),
        ("oldObject == null && namespaceObject.environment == 'development'", True),
        ("'team-a' in requester.teams && delta.kind == 'widening'", True),
        ("true || object.nowhere == 1", True),
    ],
)
def test_a_condition_is_true_or_false(expression, answer):
    assert bound().truth(expression) is answer


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("object.nowhere == 1", "Key not found"),
        ("object.spec.not_before <= 5", "No matching overloads"),
        ("1 / 0 == 1", "divide by zero"),
        ("9223372036854775807 + size(object) > 0", "integer overflow"),
        ("object.spec.lifetime", "did not give true or false"),
        ("object.spec.justification", "did not give true or false"),
        ("'true'", "did not give true or false"),
        ("1", "did not give true or false"),
        ("null", "did not give true or false"),
    ],
)
def test_an_error_that_comes_as_a_value_is_a_failure(expression, reason):
    answer = bound().truth(expression)
    assert isinstance(answer, Failure)
    assert reason in answer.reason


@pytest.mark.parametrize(
    "expression",
    [
        f"{LONG_LIST}.all(x, {LONG_LIST}.all(y, x == y))",
        f"{LONG_LIST}.exists(x, {LONG_LIST}.exists(y, false)) || true",
    ],
)
def test_more_than_ten_thousand_iterations_are_a_failure(expression):
    answer = bound().truth(expression)
    assert isinstance(answer, Failure)
    assert "budget" in answer.reason


def test_what_cannot_be_converted_is_a_failure():
    assert isinstance(bound(object={"x": "\ud800"}).truth("object.x == 'a'"), Failure)
    assert isinstance(bound(object={"x": 2**70}).truth("object.x == 1"), Failure)
    assert isinstance(bound(object=5).truth("object.x == 1"), Failure)


@pytest.mark.parametrize("expression", ["1 +", "nobody == 1", "", TOO_LONG, "(" * 200 + "true" + ")" * 200])
def test_an_expression_that_does_not_compile_is_a_failure(expression):
    assert isinstance(bound().truth(expression), Failure)


def test_too_large_a_request_is_not_evaluated():
    answer = EVALUATOR.bind(Scope.REQUEST, {"object": {"x": "a" * MAX_INPUT_BYTES}}, {})
    assert isinstance(answer, Failure)
    assert "too large" in answer.reason


def test_a_text_is_a_text_and_an_error_is_none():
    assert bound().text("'of ' + object.metadata.team") == "of team-a"
    assert isinstance(bound().text("string(object.spec.not_before)"), Failure)
    assert isinstance(bound().text("1 == 1"), Failure)


def test_each_policy_has_its_own_parameters():
    values = make_subject().variables()
    binding = EVALUATOR.bind(Scope.REQUEST, values, {"a-b": {"n": 1}, "c": {"n": 2}})
    assert isinstance(binding, CelBinding)
    assert binding.under("a-b").truth("params.n == 1") is True
    assert binding.under("c").truth("params.n == 1") is False
    assert isinstance(binding.truth("params.n == 1"), Failure)
    assert isinstance(binding.under("nobody").truth("params.n == 1"), Failure)


def test_a_filter_sees_the_reviewer_and_what_was_asked_for():
    reviewer = make_principal("grace", groups=frozenset({"platform"}))
    variables = {"object": make_subject().variables()["object"], "reviewer": person_of(reviewer)}
    binding = EVALUATOR.bind(Scope.REVIEWER, variables, {})
    assert isinstance(binding, CelBinding)
    assert binding.truth("'platform' in reviewer.groups && object.metadata.team == 'team-a'") is True
    assert isinstance(binding.truth("requester.person == 'ada'"), Failure)


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("nobody == 1", "Line 1, column 1: undeclared reference to 'nobody'"),
        ("object.spec.type == 'x'\n  && nobody.name == 'x'", "Line 2, column 6: undeclared reference"),
        ("1 +", "Line 1, column 4: Syntax error"),
        ("'é😀' == nobody", "Line 1, column 9: undeclared reference"),
        ("object.spec.typ == 'NodePort'", "Line 1, column 13: there is no field typ; known are type"),
        ("object['spek'] == 1", "Line 1, column 8: there is no field spek"),
        ("oldObject.spec.ports[0].prot == 1", "Line 1, column 25: there is no field prot"),
        ("object.spec.ports.all(p,\np.target == 80)", "Line 2, column 3: there is no field target"),
        ("params.port == 80", "Line 1, column 8: there is no field port; known are ports"),
        ("object.spec.type == 5 + 'x'", "Line 1, column 23: found no matching overload"),
        ("reviewer.person == 'eve'", "Line 1, column 1: undeclared reference to 'reviewer.person'"),
        ("namespace.name == 'x'", "Line 1, column 1: reserved identifier: namespace"),
        ("'x'", "This gives string, and bool is wanted"),
        ("object.spec.replace", "This gives dyn, and bool is wanted"),
        ("[1].all(a, [1].all(b, [1].all(c, true)))", "Line 1, column 30: loops deeper than 2"),
        ("['a'].exists(a, a + a == 'aa')", "Line 1, column 19: an addition inside a loop"),
        ("['a'].map(a, a + a) == []", "Line 1, column 16: an addition inside a loop"),
        ("['a'].exists(a, [a + a].exists(b, b == a))", "Line 1, column 20: an addition inside a loop"),
        ("'a'.matches(object.metadata.name)", "Line 1, column 12: a pattern that comes with the request"),
        (
            "object.spec.ports.all(params, params.port > 80)",
            "whose variable has the name of another one, params",
        ),
        ("[1].map(object, object > 80) == []", "whose variable has the name of another one, object"),
        (TOO_LONG, "at most 2048 may be"),
        ("1" + " + 1" * 100 + " == 1", "recursion depth"),
    ],
)
def test_a_faulty_expression_is_told_with_its_place(expression, fault):
    found = faults(expression, params={"ports": [22]})
    assert any(fault in one for one in found), found


def test_every_fault_of_an_expression_is_told():
    assert len(faults("nobody == 1 && nothing == 2")) == 2
    assert len(faults("object.a == 1 && object.b == 2")) == 2


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.ports.filter(p, p.port > 80).map(p, p.port) == [443]",
        "object.spec.ports.map(p, p.port > 80, p.name).size() + 1 == 2",
        "object.spec.selector.anything == 'x' && object.spec.load_balancer.annotations['a/b'] == 'c'",
        "delta.changes.exists(c, c.after == 1) || risk.score > 2",
        "has(oldObject.spec) && !('x' in params.ports)",
        "timestamp(object.spec.not_before) > timestamp('2030-01-01T00:00:00Z')",
        "object.metadata.name.matches('^[a-z]+$') || object.metadata.name.matches(params.pattern)",
        "{'a': object.spec.type}['a'] == 'x'",
    ],
)
def test_an_expression_that_keeps_the_laws_has_no_fault(expression):
    assert faults(expression, params={"ports": [22], "pattern": "^a"}) == []


def test_a_message_has_to_be_a_text():
    assert faults("'Port ' + string(object.spec.ports[0].port)", Kind.TEXT) == []
    assert faults("object.spec.type == 'x'", Kind.TEXT) == [
        "Line 1, column 1: This gives bool, and string is wanted."
    ]


def test_a_filter_may_speak_of_the_reviewer_alone():
    scope = Scope.REVIEWER
    assert faults("object.metadata.team in reviewer.teams", scope=scope) == []
    assert "column 1: undeclared reference to 'params.x'" in faults("params.x == 1", scope=scope)[0]
    assert "there is no field group;" in faults("reviewer.group == 'x'", scope=scope)[0]
