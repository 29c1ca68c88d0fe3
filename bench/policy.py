"""One decision with 50 active policies, beside the bare evaluation of the same 50 expressions.

The yardstick is the language alone: compiled expressions and ready values, in a loop that throws the answers
away. A decision does the same and what makes it one: it builds the values of the request, matches, reads each
answer, and joins what was said into a verdict. Both are measured in turns in the same run.
"""

import statistics
import time
from collections.abc import Callable

from bench._goals import at_most
from service.domain.exposure import Metadata
from service.domain.policy import Policy, Scope
from service.domain.policy_document import check, parse
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.spec import Document, ExposureType, ServicePort, Spec
from service.domain.subject import Subject
from service.domain.verdict import decide
from service.expressions.evaluator import CelBinding, CelEvaluator, Program

POLICIES, ROUNDS, REPEATS = 50, 25, 40
BOUND = 3.0

EXPRESSIONS = (
    "object.spec.ports.exists(port, port.target_port in params.ports)",
    'namespaceObject.environment == "place-{number}" && object.spec.type == "NodePort"',
    'object.metadata.name.startsWith("forbidden-{number}")',
    '"label-{number}" in object.spec.selector',
    "object.spec.lifetime != null && object.spec.lifetime > 86400 * 365 + {number}",
)
"""None is true of the request, so that all are evaluated; all policies but the last deny by one of them."""

PARAMS = {"ports": [22, 2379, 2380, 6443, 10250, 10255]}

SUBJECT = Subject(
    metadata=Metadata(cluster="dev", namespace="team-a", name="hello", team="team-a"),
    spec=Spec(
        type=ExposureType.NODE_PORT,
        selector={"app": "hello", "tier": "web"},
        ports=(ServicePort(name="http", port=80, target_port=8080), ServicePort(name="https", port=443)),
        lifetime=259_200,
        justification="product demo on Thursday",
    ),
    environment="development",
    shared=False,
    requester=Principal(
        PrincipalKind.PERSON, "ada", teams=frozenset({"team-a"}), roles=frozenset({Role.REQUESTER})
    ),
    delta={"kind": "widening", "changes": []},
)


def main() -> None:
    """Measure, and print both in microseconds with their ratio."""
    evaluator = CelEvaluator()
    policies = [policy_of(number, evaluator) for number in range(POLICIES)]
    bare, decision = bare_evaluation(policies, evaluator), lambda: decide(policies, SUBJECT, evaluator)
    if not decide(policies, SUBJECT, evaluator).is_automatic():
        raise RuntimeError("the request was to pass every policy")
    turns = [(microseconds(bare), microseconds(decision)) for _ in range(ROUNDS)]
    yardstick, ours = (statistics.median(column) for column in zip(*turns, strict=True))
    ratio = statistics.median(ours / bare for bare, ours in turns)
    print(f"{POLICIES} policies, medians of {ROUNDS} turns of {REPEATS} each")
    print(f"bare evaluation of {POLICIES} expressions   {yardstick:8.1f} us")
    print(f"one decision                      {ours:8.1f} us")
    goal = at_most("a decision", ratio, BOUND)
    print(f"a decision costs                  {ratio:8.2f} bare evaluations, {goal}")


def policy_of(number: int, evaluator: CelEvaluator) -> Policy:
    """Return a policy with one expression; the last one approves by it."""
    text = EXPRESSIONS[number % len(EXPRESSIONS)].format(number=number)
    document: Document = {"name": f"policy-{number}", "match": {"types": ["NodePort", "ClusterIP"]}}
    if "params" in text:
        document["params"] = PARAMS
    if number == POLICIES - 1:
        document["auto"] = f"!({text})"
    else:
        document["deny"] = [{"expression": text, "message": "It is refused.", "field": "#/spec"}]
    if faults := check(document, evaluator):
        raise RuntimeError(str(faults))
    return parse(document, 1)


def bare_evaluation(policies: list[Policy], evaluator: CelEvaluator) -> Callable[[], None]:
    """Return what evaluates the expression of each policy, compiled before, with values made before."""
    named = {policy.name: policy.params for policy in policies if policy.params}
    values = evaluator.bind(Scope.REQUEST, SUBJECT.variables(), named)
    assert isinstance(values, CelBinding)
    activation = values.activation
    expressions = []
    for policy in policies:
        text = policy.auto if isinstance(policy.auto, str) else policy.deny[0].expression
        binding = values.under(policy.name) if policy.params else values
        program = binding.compiled(binding.room, text)
        assert isinstance(program, Program)
        expressions.append(program.expression)

    def evaluate() -> None:
        for expression in expressions:
            expression.eval(activation).value()

    return evaluate


def microseconds(act: Callable[[], object]) -> float:
    """Return what one act takes, of a few in a row."""
    began = time.perf_counter()
    for _ in range(REPEATS):
        act()
    return (time.perf_counter() - began) / REPEATS * 1e6
