"""What expressions see of a request: every field, with its default, in one closed form."""

from typing import Any

from service.domain.subject import SHAPES, object_of, risk_of
from tests.policy_builders import make_subject, spec_of


def fits(shape: Any, value: Any) -> bool:
    """Return whether a value has exactly the fields of a shape."""
    if isinstance(shape, dict):
        return (
            isinstance(value, dict)
            and value.keys() == shape.keys()
            and all(map(fits, shape.values(), value.values()))
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(shape[0], item) for item in value)
    return True


def test_the_variables_have_the_form_that_expressions_are_checked_by():
    change = {"pointer": "#", "kind": "widening", "reason": "", "before": None, "after": 1}
    subject = make_subject(base=spec_of(), delta={"kind": "widening", "changes": [change]})
    variables = subject.variables()
    assert variables.keys() == SHAPES.keys()
    for name, value in variables.items():
        assert sorted(value) == sorted(SHAPES[name])
        assert fits({key: SHAPES[name][key] for key in value}, value)


def test_there_is_no_old_object_without_a_base():
    assert make_subject().variables()["oldObject"] is None


def test_a_target_port_that_was_left_out_is_the_port():
    subject = make_subject(spec_of(ports=[{"port": 22}, {"port": 80, "target_port": "http"}]))
    ports = subject.variables()["object"]["spec"]["ports"]
    assert [port["target_port"] for port in ports] == [22, "http"]


def test_a_load_balancer_that_was_left_out_has_its_defaults():
    subject = make_subject(spec_of(type="LoadBalancer"))
    balancer = subject.variables()["object"]["spec"]["load_balancer"]
    assert balancer == {"class": None, "source_ranges": [], "allocate_node_ports": False, "annotations": {}}


def test_a_namespace_without_an_environment_is_production():
    assert make_subject(environment=None).place() == "production"
    assert make_subject(environment="Production").place() == "production"


def test_risk_counts_reasons():
    subject = make_subject()
    calm = object_of(subject.metadata, spec_of())
    assert risk_of(calm, "development") == {"score": 0, "reasons": []}
    wild = object_of(
        subject.metadata,
        spec_of(
            type="LoadBalancer",
            lifetime=None,
            load_balancer={"source_ranges": ["0.0.0.0/0"], "allocate_node_ports": True},
        ),
    )
    assert risk_of(wild, "production")["score"] == 4
    node_port = object_of(subject.metadata, spec_of(type="NodePort"))
    assert risk_of(node_port, "development")["reasons"] == ["whoever reaches a node reaches it"]
