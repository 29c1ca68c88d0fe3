"""Two revisions side by side: which fields differ, and the two Services as a text for people."""

from typing import Any

import pytest

from service.api.difference import unified
from service.domain.difference import differences
from service.domain.exposure import Allocation, NodePort, PortOrigin, Revision
from service.domain.spec import ExposureType, LoadBalancer, ServicePort, Spec
from tests.builders import make_revision, make_spec


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({}, {}, []),
        ({"a": 1, "b": [{"c": None}]}, {"b": [{"c": None}], "a": 1}, []),
        ({"a": 1}, {"a": 2}, [("#/a", 1, 2)]),
        ({}, {"a": 1}, [("#/a", None, 1)]),
        ({"a": 1}, {}, [("#/a", 1, None)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("#/a/c", 2, 3)]),
        ({"a": {}}, {}, [("#/a", {}, None)]),
        ({"a": {"b": 1}}, {"a": None}, [("#/a", {"b": 1}, None)]),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, [("#/a/1", 2, 3), ("#/a/2", None, 4)]),
        ({"a": [1, 2]}, {"a": [1]}, [("#/a/1", 2, None)]),
        ({"a": True}, {"a": 1}, [("#/a", True, 1)]),
        ({"a": 80}, {"a": "80"}, [("#/a", 80, "80")]),
        ({"x.io/a~b": "1"}, {"x.io/a~b": "2"}, [("#/x.io~1a~0b", "1", "2")]),
    ],
)
def test_each_leaf_that_differs_is_named(
    before: dict[str, Any], after: dict[str, Any], found: list[tuple[str, Any, Any]]
) -> None:
    assert [(d["pointer"], d["before"], d["after"]) for d in differences(before, after)] == found


def revision(number: int, spec: Spec, *ports: int) -> Revision:
    allocation = Allocation(tuple(NodePort(port, PortOrigin.CHOSEN) for port in ports))
    return make_revision(number=number, spec=spec, allocation=allocation)


def test_the_services_are_compared_line_by_line() -> None:
    one = make_spec(type=ExposureType.CLUSTER_IP, ports=(ServicePort(port=80),))
    other = make_spec(type=ExposureType.CLUSTER_IP, ports=(ServicePort(port=80, target_port=8080),))

    lines = unified(revision(1, one), revision(2, other)).splitlines()

    assert lines[:2] == ["--- revision 1", "+++ revision 2"]
    assert [line for line in lines[2:] if line[0] in "+-"] == ["-    targetPort: 80", "+    targetPort: 8080"]


def test_equal_services_have_no_lines() -> None:
    spec = make_spec()

    assert unified(revision(1, spec, 30001), revision(2, spec, 30001)) == ""


def test_a_node_port_that_was_chosen_anew_is_shown() -> None:
    spec = make_spec(type=ExposureType.NODE_PORT, ports=(ServicePort(port=80),))

    text = unified(revision(1, spec, 30001), revision(2, spec, 30002))

    assert "-  - nodePort: 30001\n+  - nodePort: 30002\n" in text


def test_without_a_base_all_of_the_service_is_new() -> None:
    lines = unified(None, revision(1, make_spec(), 30001)).splitlines()

    assert lines[:2] == ["--- nothing", "+++ revision 1"]
    assert {line[0] for line in lines[3:]} == {"+"}


def test_characters_that_would_deceive_a_reader_are_spelled_out() -> None:
    balancer = LoadBalancer(annotations={"example.com/note": "a\u202eb\u200bc"})
    spec = make_spec(type=ExposureType.LOAD_BALANCER, load_balancer=balancer)

    assert r'example.com/note: "a\u202Eb\u200Bc"' in unified(None, revision(1, spec))
