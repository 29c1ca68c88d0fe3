"""From an apiserver's answer to the error that the reconciler knows."""

from typing import Any

import pytest

from service.cluster.answers import classify
from service.domain.errors import (
    AddressRefused,
    ClusterAway,
    ClusterError,
    FieldFixed,
    NamespaceMissing,
    NamespaceTerminating,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    PortAllocated,
    WebhookFailed,
    WriteForbidden,
    WriteRefused,
)

Document = dict[str, Any]


def make_status(message: str = "said so", reason: str = "", *causes: Document) -> Document:
    return {"kind": "Status", "message": message, "reason": reason, "details": {"causes": list(causes)}}


def make_cause(
    message: str, field: str = "spec.ports[0].nodePort", reason: str = "FieldValueInvalid"
) -> Document:
    return {"reason": reason, "message": message, "field": field}


TAKEN = "Invalid value: 30180: provided port is already allocated"
OUTSIDE = (
    "Invalid value: 40000: provided port is not in the valid range. The range of valid ports is 30000-32767"
)
CLASS = make_cause('Invalid value: "example.com/b": may not change once set', "spec.loadBalancerClass")
HEALTH = make_cause("Forbidden: field is immutable", "spec.healthCheckNodePort", "FieldValueForbidden")
ADDRESS = make_cause("failed to allocate IP 10.0.0.9: provided IP is already allocated", "spec.clusterIPs")
ENDING = make_cause("namespace b is being terminated", "metadata.namespace", "NamespaceTerminating")
TROUBLE = make_cause("Invalid value: 30180: etcdserver: request timed out")


@pytest.mark.parametrize(
    ("method", "status", "answer", "expected"),
    [
        ("POST", 401, make_status(), WriteForbidden),
        ("POST", 403, make_status(), WriteForbidden),
        ("POST", 404, make_status(), ObjectMissing),
        ("POST", 409, make_status(reason="AlreadyExists"), ObjectExists),
        ("POST", 409, make_status(reason="Conflict"), ObjectChanged),
        ("PUT", 409, make_status(reason="Conflict"), ObjectChanged),
        ("PUT", 409, make_status(reason="AlreadyExists"), ObjectChanged),
        ("POST", 422, make_status(TAKEN, "Invalid", make_cause(TAKEN)), PortAllocated),
        (
            "POST",
            500,
            make_status(f"failed to allocate requested HealthCheck NodePort: {TAKEN}"),
            PortAllocated,
        ),
        ("POST", 422, make_status(OUTSIDE, "Invalid", make_cause(OUTSIDE)), WriteRefused),
        ("POST", 422, make_status("x", "Invalid", TROUBLE), ClusterAway),
        ("POST", 422, make_status("x", "Invalid", TROUBLE, make_cause("bad", "spec.selector")), WriteRefused),
        (
            "POST",
            422,
            make_status("x", "Invalid", make_cause("no", reason="FieldValueForbidden")),
            WriteRefused,
        ),
        ("POST", 422, make_status("x", "Invalid", make_cause("bad", "spec.ports[0].port")), WriteRefused),
        ("POST", 422, make_status("x", "Invalid"), WriteRefused),
        ("PUT", 422, make_status("x", "Invalid", CLASS, HEALTH), FieldFixed),
        ("PUT", 422, make_status("x", "Invalid", CLASS, make_cause("bad", "spec.selector")), WriteRefused),
        ("POST", 422, make_status("x", "Invalid", ADDRESS), AddressRefused),
        ("POST", 403, make_status("x", "Forbidden", ENDING), NamespaceTerminating),
        ("POST", 404, {"kind": "Status", "details": {"kind": "namespaces"}}, NamespaceMissing),
        ("POST", 400, make_status(), WriteRefused),
        ("POST", 413, make_status(), WriteRefused),
        ("POST", 408, make_status(), ClusterAway),
        ("POST", 429, make_status(), ClusterAway),
        ("POST", 500, make_status("failed to allocate a nodePort: range is full"), ClusterAway),
        (
            "POST",
            500,
            make_status('Internal error occurred: failed calling webhook "a.b": no'),
            WebhookFailed,
        ),
        ("POST", 504, make_status(), ClusterAway),
        ("GET", 404, make_status(), ObjectMissing),
        ("GET", 404, {}, ClusterAway),
        ("POST", 422, {}, ClusterAway),
    ],
)
def test_an_answer_becomes_the_error_that_the_reconciler_knows(
    method: str, status: int, answer: Document, expected: type[ClusterError]
) -> None:
    assert type(classify(method, status, answer)) is expected


def test_the_message_is_the_apiservers_own() -> None:
    assert str(classify("POST", 409, make_status('services "web" already exists'))) == (
        'services "web" already exists'
    )
