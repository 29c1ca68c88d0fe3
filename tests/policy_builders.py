"""Values for tests of policies: a request of a ClusterIP in development, and policies as documents."""

from typing import Any

from service.domain.exposure import Metadata
from service.domain.policy import Policy
from service.domain.policy_document import parse
from service.domain.principal import Role
from service.domain.spec import Spec
from service.domain.subject import Subject
from service.domain.verdict import Verdict, decide
from service.expressions.evaluator import CelEvaluator
from tests.builders import make_principal

SPEC: dict[str, Any] = {
    "type": "ClusterIP",
    "selector": {"app": "hello"},
    "ports": [{"name": "http", "port": 80, "target_port": "http"}],
    "lifetime": 259_200,
    "justification": "product demo on Thursday",
}
WIDENING: dict[str, Any] = {"kind": "widening", "changes": []}
NARROWING: dict[str, Any] = {"kind": "narrowing", "changes": []}


def spec_of(**fields: Any) -> Spec:
    """Return a ClusterIP for three days; a field is given as in the api's document, a lifetime in seconds."""
    return Spec.from_document(SPEC | fields)


def make_subject(spec: Spec | None = None, namespace: str = "team-a", **fields: Any) -> Subject:
    """Return a first request in a namespace of development that no other team has."""
    defaults: dict[str, Any] = {
        "metadata": Metadata(cluster="dev", namespace=namespace, name="hello", team="team-a"),
        "environment": "development",
        "shared": False,
        "requester": make_principal("ada", Role.REQUESTER, teams=frozenset({"team-a"})),
        "delta": WIDENING,
    }
    return Subject(spec=spec or spec_of(), **(defaults | fields))


def make_policy(name: str = "p", version: int = 1, **document: Any) -> Policy:
    """Return a policy of a document; one that says nothing approves everything."""
    return parse({"name": name} | (document or {"auto": True}), version)


EVALUATOR = CelEvaluator()
BROKEN = "object.nowhere == 1"
"""An expression that fails."""

DENY = [{"expression": "true", "message": "Never.", "field": "#/spec/type"}]
ALLOW = make_policy("allow")
TWO = make_policy("two", require=[{"group": "platform", "count": 2}])


def verdict_of(*policies: Policy, subject: Subject | None = None) -> Verdict:
    """Return what policies say together, of the request of ``make_subject`` unless it is another."""
    return decide(policies, subject or make_subject(), EVALUATOR)
