"""Each policy that ships, by the examples in tests/policies: what it lets through and what not, and why."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from service.domain.duration import seconds_of
from service.domain.policy_document import check, parse
from service.domain.spec import Spec
from service.domain.verdict import Verdict, decide
from service.expressions.evaluator import CelEvaluator
from service.policies import DEFAULTS, DEV, shipped
from tests.policy_builders import SPEC, WIDENING, make_subject

EXAMPLES = Path(__file__).parents[1] / "policies"
EVALUATOR = CelEvaluator()


def cases_of(folder: str, name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = yaml.safe_load((EXAMPLES / folder / f"{name}.yaml").read_text())
    return cases


POLICIES = [(folder, document["name"]) for folder in (DEFAULTS, DEV) for document in shipped(folder)]
CASES = [
    pytest.param(folder, name, case, id=f"{folder or 'default'}: {name}: {case['case']}")
    for folder, name in POLICIES
    for case in cases_of(folder, name)
]


def as_spec(fields: dict[str, Any]) -> Spec:
    """Return a specification whose lifetime is written as people write it."""
    document = SPEC | fields
    if isinstance(document["lifetime"], str):
        document["lifetime"] = seconds_of(document["lifetime"])
    return Spec.from_document(document)


def judged(folder: str, case: dict[str, Any]) -> Verdict:
    """Return what all policies of a folder say together of an example."""
    subject = make_subject(
        as_spec(case.get("spec", {})),
        case.get("metadata", {}).get("namespace", "team-a"),
        environment=case.get("environment", "development"),
        shared=case.get("shared", False),
        base=as_spec(case["base"]) if "base" in case else None,
        delta=WIDENING | {"kind": case.get("delta", "widening")},
    )
    return decide([parse(document, 1) for document in shipped(folder)], subject, EVALUATOR)


@pytest.mark.parametrize(("folder", "name", "case"), CASES)
def test_an_example_comes_out_as_written(folder, name, case):
    verdict = judged(folder, case)
    assert verdict.document()["outcome"] == case["outcome"]
    messages = [reason.message for reason in verdict.denied]
    assert any(case.get("reason", "") in message for message in messages or [""]), messages
    if "pointer" in case:
        assert case["pointer"] in {reason.pointer for reason in verdict.denied}
    if "seats" in case:
        assert {seat.key: seat.count for seat in verdict.seats} == case["seats"]
    assert any(case.get("warning", "") in warning for warning in verdict.warnings or [""])


@pytest.mark.parametrize(("folder", "name", "case"), CASES)
def test_what_stops_an_example_is_the_policy_that_it_is_about(folder, name, case):
    verdict = judged(folder, case)
    refused = {reason.policy for reason in verdict.denied}
    named = refused or {ref for seat in verdict.seats for ref in seat.policies}
    if verdict.document()["outcome"] != "automatic":
        assert named == {f"{case.get('by', name)}@1"}


@pytest.mark.parametrize(("folder", "name"), POLICIES)
def test_the_examples_of_a_policy_show_both_ways(folder, name):
    assert len({case["outcome"] for case in cases_of(folder, name)}) > 1


@pytest.mark.parametrize("document", [*shipped(), *shipped(DEV)], ids=lambda document: document["name"])
def test_a_shipped_policy_passes_its_own_check(document):
    assert check(document, EVALUATOR) == []


def test_a_policy_and_its_file_have_one_name():
    files = {path.stem for path in (Path(__file__).parents[2] / "service" / "policies").rglob("*.yaml")}
    assert files == {name for _, name in POLICIES}


def test_the_forbidden_target_ports_are_a_parameter():
    [document] = [document for document in shipped() if document["name"] == "target-ports"]
    changed = parse(document | {"params": {"ports": [5432]}}, 2)
    policies = [changed, parse({"name": "yes", "auto": True}, 1)]
    assert decide(policies, make_subject(as_spec({"ports": [{"port": 22}]})), EVALUATOR).is_automatic()
    refused = decide(policies, make_subject(as_spec({"ports": [{"port": 5432}]})), EVALUATOR)
    assert "Target port 5432" in refused.denied[0].message
