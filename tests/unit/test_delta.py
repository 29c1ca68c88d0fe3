"""What a change does against its base, by a table; test_delta_properties.py has the laws."""

from copy import deepcopy
from dataclasses import fields, replace
from typing import Any

import pytest

from service.domain import delta as module
from service.domain.delta import DeltaKind, delta_of
from service.domain.spec import ExposureType, LoadBalancer, ServicePort, Spec
from tests.builders import NOON, make_spec

NARROWING, EQUAL, WIDENING = DeltaKind

HTTP = ServicePort(name="http", port=80)
HTTPS = ServicePort(name="https", port=443)
BASE = make_spec(type=ExposureType.CLUSTER_IP, ports=(HTTP, HTTPS), lifetime=36_000)
SILENT = replace(BASE, type=ExposureType.LOAD_BALANCER)
BALANCED = replace(SILENT, load_balancer=LoadBalancer())
ASKED = replace(BASE, type=ExposureType.NODE_PORT, ports=(replace(HTTP, node_port=30007),))


def balanced(*ranges: str, **fields: Any) -> Spec:
    return replace(BALANCED, load_balancer=LoadBalancer(source_ranges=ranges, **fields))


@pytest.mark.parametrize(
    ("base", "wanted", "kind"),
    [
        (BASE, BASE, EQUAL),
        (BASE, replace(BASE, justification="other words"), EQUAL),
        (BASE, replace(BASE, ports=(HTTPS, HTTP)), EQUAL),
        (BASE, replace(BASE, ports=(replace(HTTP, target_port=80), HTTPS)), EQUAL),
        (SILENT, BALANCED, EQUAL),
        (SILENT, balanced("10.0.0.0/8"), NARROWING),
        (balanced(allocate_node_ports=True), SILENT, NARROWING),
        (BASE, replace(BASE, ports=(HTTP,)), NARROWING),
        (BASE, replace(BASE, lifetime=3600), NARROWING),
        (replace(BASE, lifetime=None), BASE, NARROWING),
        (BASE, replace(BASE, selector={"app": "hello", "tier": "web"}), NARROWING),
        (balanced("10.0.0.0/8"), balanced("10.1.0.0/16"), NARROWING),
        (balanced(), balanced("10.1.0.0/16"), NARROWING),
        (balanced("10.0.0.0/9", "10.128.0.0/9"), balanced("10.0.0.0/8"), EQUAL),
        (balanced("0.0.0.0/0", "::/0"), balanced(), EQUAL),
        (balanced(allocate_node_ports=True), balanced(), NARROWING),
        (BASE, replace(BASE, lifetime=360_000), WIDENING),
        (BASE, replace(BASE, lifetime=None), WIDENING),
        (BASE, replace(BASE, selector={"app": "other"}), WIDENING),
        (BASE, replace(BASE, selector={}), WIDENING),
        (BASE, replace(BASE, ports=(HTTP, replace(HTTPS, target_port=22))), WIDENING),
        (BASE, replace(BASE, ports=(HTTP, replace(HTTPS, protocol="UDP"))), WIDENING),
        (BASE, replace(BASE, ports=(HTTP, HTTPS, ServicePort(port=8080))), WIDENING),
        (BASE, replace(BASE, ports=(replace(HTTP, name="web"), HTTPS)), WIDENING),
        (BASE, replace(BASE, type=ExposureType.NODE_PORT), WIDENING),
        (replace(BASE, type=ExposureType.NODE_PORT), BASE, WIDENING),
        (ASKED, replace(ASKED, ports=(replace(HTTP, node_port=30008),)), WIDENING),
        (ASKED, replace(ASKED, ports=(HTTP,)), WIDENING),
        (replace(ASKED, ports=(HTTP,)), ASKED, WIDENING),
        (BASE, replace(BASE, ports=(replace(HTTP, app_protocol="http"), HTTPS)), WIDENING),
        (replace(BASE, selector={}), BASE, WIDENING),
        (BASE, replace(BASE, not_before=NOON), WIDENING),
        (replace(BASE, not_before=NOON), BASE, WIDENING),
        (BASE, replace(BASE, replace=True), WIDENING),
        (BASE, replace(BASE, session_affinity="ClientIP"), WIDENING),
        (BASE, replace(BASE, external_traffic_policy="Local"), WIDENING),
        (BASE, replace(BASE, internal_traffic_policy="Local"), WIDENING),
        (BASE, replace(BASE, ip_family_policy="PreferDualStack"), WIDENING),
        (BASE, BALANCED, WIDENING),
        (SILENT, balanced(allocate_node_ports=True), WIDENING),
        (SILENT, balanced(annotations={"x/internal": "false"}), WIDENING),
        (balanced("10.0.0.0/8"), SILENT, WIDENING),
        (balanced("10.0.0.0/8"), balanced("10.0.0.0/8", "192.0.2.0/24"), WIDENING),
        (balanced("10.0.0.0/8"), balanced("11.0.0.0/8"), WIDENING),
        (balanced("10.0.0.0/8"), balanced(), WIDENING),
        (balanced("10.0.0.0/8"), balanced("::/0"), WIDENING),
        (balanced(), balanced(allocate_node_ports=True), WIDENING),
        (balanced(), balanced(annotations={"x/internal": "false"}), WIDENING),
        (balanced(annotations={"x/internal": "true"}), balanced(), WIDENING),
        (balanced(), balanced(class_="other/lb"), WIDENING),
        (BASE, replace(BASE, lifetime=3600, selector={"app": "other"}), WIDENING),
    ],
)
def test_a_change_is_classified(base: Spec, wanted: Spec, kind: DeltaKind) -> None:
    delta = delta_of(base, wanted)

    assert delta.kind is kind
    assert not [change for change in delta.changes if "not weighed" in change.reason]


def test_without_a_base_everything_is_new() -> None:
    assert delta_of(None, BASE).kind is WIDENING


def test_each_change_names_its_place_its_reason_and_both_values() -> None:
    [change] = delta_of(BASE, replace(BASE, lifetime=3600)).document()["changes"]

    assert change == {
        "pointer": "#/spec/lifetime",
        "kind": "narrowing",
        "reason": "It ends earlier.",
        "before": 36_000,
        "after": 3600,
    }


def test_a_new_and_a_dropped_port_show_what_comes_and_what_goes() -> None:
    new, gone = delta_of(BASE, replace(BASE, ports=(HTTP, ServicePort(port=53)))).changes

    assert (new.pointer, new.before, new.after["port"]) == ("#/spec/ports/1", None, 53)
    assert (gone.pointer, gone.before["port"], gone.after) == ("#/spec/ports", 443, None)


@pytest.mark.parametrize(
    ("steps", "pointer"),
    [
        ((), "#/spec/colour"),
        (("ports", 1), "#/spec/ports/1/colour"),
        (("load_balancer",), "#/spec/load_balancer/colour"),
    ],
)
@pytest.mark.parametrize(("before", "after"), [("red", "green"), (None, "green"), ("red", None)])
def test_a_field_that_the_rules_do_not_know_widens(
    steps: tuple[Any, ...], pointer: str, before: str | None, after: str | None
) -> None:
    def coloured(colour: str | None) -> dict[str, Any]:
        document = deepcopy(BALANCED.document())
        place = document
        for step in steps:
            place = place[step]
        place["colour"] = colour
        return document

    [change] = module.changes_of(coloured(before), coloured(after))

    assert (change.pointer, change.kind) == (pointer, WIDENING)


@pytest.mark.parametrize(
    ("value", "document"),
    [
        (BALANCED, BALANCED.document()),
        (HTTP, BALANCED.document()["ports"][0]),
        (LoadBalancer(), BALANCED.document()["load_balancer"]),
    ],
)
def test_no_field_is_kept_from_the_classification(value: Any, document: dict[str, Any]) -> None:
    assert {field.name.rstrip("_") for field in fields(value)} == set(document)
