"""A policy's document: what it may say, and every fault of it at once with its pointer."""

from typing import Any

import pytest

from service.domain.errors import Invalid
from service.domain.policy import Lifetime, Mode
from service.domain.policy_document import BAD_EXPRESSION, RESERVED, check, parse
from service.expressions.evaluator import CelEvaluator

EVALUATOR = CelEvaluator()
FULL: dict[str, Any] = {
    "name": "node-port",
    "description": "Says everything that a policy can say.",
    "mode": "warn",
    "match": {
        "clusters": ["dev"],
        "environments": ["production"],
        "types": ["NodePort"],
        "namespaces": ["shop"],
        "expression": "cluster.name == 'dev'",
    },
    "deny": [
        {"expression": "object.spec.replace == true", "message": "Not so.", "field": "#/spec/replace"},
        {
            "expression": "risk.score > params.most",
            "message_expression": "'Too risky: ' + string(risk.score)",
        },
    ],
    "require": [
        {"group": "platform", "count": 2, "filter": "reviewer.kind == 'person'", "reason": "It is wide."}
    ],
    "auto": "delta.kind == 'equal'",
    "warn": [{"expression": "true", "message": "Think twice."}],
    "pending_ttl": "72h",
    "lifetime": {"max": "P7D"},
    "params": {"most": 3, "names": ["a", "b"], "strict": True},
}


def found(**changes: Any) -> dict[str, str]:
    """Return the faults of the full document with these changes, by pointer."""
    return {fault.pointer: fault.detail for fault in check(FULL | changes, EVALUATOR)}


def test_a_policy_that_says_everything_has_no_fault():
    assert found() == {}


@pytest.mark.parametrize("name", RESERVED)
def test_a_name_at_whose_address_the_api_has_something_else_is_no_policys(name):
    assert "take another name" in found(name=name)["#/name"]
    assert parse(FULL | {"name": name}).name == name, "one that was written before holds on"


def test_a_policy_is_read_as_values():
    policy = parse(FULL, 3)
    assert policy.ref() == "node-port@3"
    assert policy.mode is Mode.WARN
    assert policy.match.types == frozenset({"NodePort"})
    [requirement] = policy.require
    assert (requirement.group, requirement.count, requirement.reason) == ("platform", 2, "It is wide.")
    assert policy.pending_ttl == 72 * 3600
    assert policy.lifetime == Lifetime(7 * 86400, 28 * 86400)


def test_the_longest_total_can_be_said():
    assert parse(FULL | {"lifetime": {"max": "24h", "max_total": "36h"}}).lifetime == Lifetime(86400, 129600)


def test_a_short_policy_enforces_and_matches_everything():
    policy = parse({"name": "yes", "auto": True})
    assert (policy.mode, policy.auto, policy.match.types, policy.params) == (Mode.ENFORCE, True, None, {})


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"name": "Node Port"}, "#/name", "This must be a name"),
        ({"name": None}, "#/name", "This must be a name"),
        ({"denied": []}, "#/denied", "There is no such field. Known are name"),
        ({"a/b~": 1}, "#/a~1b~0", "There is no such field"),
        ({"mode": "dry-run"}, "#/mode", "one of enforce, warn, audit"),
        ({"description": "bell \a"}, "#/description", "without control characters"),
        ({"match": []}, "#/match", "This must be an object"),
        (
            {"match": {"types": ["ExternalName"]}},
            "#/match/types/0",
            "one of ClusterIP, NodePort, LoadBalancer",
        ),
        ({"match": {"types": [["x"]]}}, "#/match/types/0", "one of ClusterIP"),
        ({"match": {"clusters": []}}, "#/match/clusters", "a list of 1-64 items"),
        ({"match": {"namespaces": "shop"}}, "#/match/namespaces", "a list of 1-64 items"),
        ({"deny": [{"message": "x"}]}, "#/deny/0/expression", "This is missing"),
        ({"deny": [{"expression": "true"}]}, "#/deny/0", "Exactly one of message and message_expression"),
        ({"deny": ["true"]}, "#/deny/0", "This must be an object"),
        (
            {"deny": [{"expression": "true", "message": "x", "message_expression": "'x'"}]},
            "#/deny/0",
            "Exactly one of",
        ),
        ({"deny": [{"expression": "true", "message": "x", "field": "spec"}]}, "#/deny/0/field", "a pointer"),
        ({"require": [{"group": "platform"}]}, "#/require/0/count", "This is missing"),
        ({"require": [{"count": 0}]}, "#/require/0/count", "a whole number, 1-20"),
        ({"require": [{"count": True}]}, "#/require/0/count", "a whole number, 1-20"),
        ({"require": [{"count": 1.5}]}, "#/require/0/count", "a whole number, 1-20"),
        ({"auto": False}, "#/auto", "This must be true or an expression"),
        ({"pending_ttl": 3600}, "#/pending_ttl", "a duration such as 72h"),
        ({"lifetime": {}}, "#/lifetime/max", "This is missing"),
        ({"lifetime": {"max": "0h"}}, "#/lifetime/max", "longer than nothing"),
        ({"lifetime": {"max": "2h", "max_total": "1h"}}, "#/lifetime/max_total", "not be shorter than max"),
        ({"params": {"most": {"a": 1}}}, "#/params/most", "a text, a number, true, false, or a list"),
        ({"params": {"most": float("nan")}}, "#/params/most", "a text, a number"),
        ({"params": {"Most": 1}}, "#/params/Most", "There is no such field"),
    ],
)
def test_a_fault_is_told_with_its_pointer(changes, pointer, detail):
    faults = found(**changes)
    assert detail in faults.get(pointer, ""), faults


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"match": {"expression": "nobody"}}, "#/match/expression", "Line 1, column 1: undeclared"),
        ({"deny": [{"expression": "1", "message": "x"}]}, "#/deny/0/expression", "bool is wanted"),
        (
            {"deny": [{"expression": "true", "message_expression": "true"}]},
            "#/deny/0/message_expression",
            "string is wanted",
        ),
        (
            {"warn": [{"expression": "params.no == 1", "message": "x"}]},
            "#/warn/0/expression",
            "there is no field no",
        ),
        ({"require": [{"count": 1, "filter": "object"}]}, "#/require/0/filter", "bool is wanted"),
        ({"auto": "object.spec.typ == 'x'"}, "#/auto", "Line 1, column 13: there is no field typ"),
    ],
)
def test_a_faulty_expression_is_told_where_it_stands(changes, pointer, detail):
    assert detail in found(**changes).get(pointer, "")


def test_every_fault_is_told_at_once():
    faults = check({"nam": 1, "mode": "x", "deny": [{"expression": ""}], "params": 5}, EVALUATOR)
    pointers = ["#/nam", "#/mode", "#/deny/0/expression", "#/deny/0", "#/params", "#/name"]
    assert [fault.pointer for fault in faults] == pointers


def test_faults_of_expressions_have_a_code_of_their_own():
    assert {fault.code for fault in check(FULL | {"auto": "x && y"}, EVALUATOR)} == {BAD_EXPRESSION}


@pytest.mark.parametrize("document", [None, [], "name: x", 5])
def test_what_is_no_object_is_no_policy(document):
    with pytest.raises(Invalid) as caught:
        parse(document)
    assert [fault.pointer for fault in caught.value.faults] == ["#"]


def test_a_policy_that_says_nothing_is_refused():
    assert (
        "has to say something" in check({"name": "x", "match": {"types": ["NodePort"]}}, EVALUATOR)[0].detail
    )
