"""What a change does against its base, by a table and by properties over random specifications."""

import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import delta as module
from service.domain.delta import DeltaKind, delta_of
from service.domain.spec import ExposureType, LoadBalancer, ServicePort, Spec
from tests.builders import NOON, make_spec

NARROWING, EQUAL, WIDENING = DeltaKind

HTTP = ServicePort(name="http", port=80)
HTTPS = ServicePort(name="https", port=443)
BASE = make_spec(type=ExposureType.CLUSTER_IP, ports=(HTTP, HTTPS), lifetime=36_000)
BALANCED = replace(BASE, type=ExposureType.LOAD_BALANCER, load_balancer=LoadBalancer())


def balanced(*ranges: str, **fields: Any) -> Spec:
    return replace(BALANCED, load_balancer=LoadBalancer(source_ranges=ranges, **fields))


@pytest.mark.parametrize(
    ("base", "wanted", "kind"),
    [
        (BASE, BASE, EQUAL),
        (BASE, replace(BASE, justification="other words"), EQUAL),
        (BASE, replace(BASE, ports=(HTTPS, HTTP)), EQUAL),
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
        (BASE, replace(BASE, not_before=NOON), WIDENING),
        (BASE, replace(BASE, replace=True), WIDENING),
        (BASE, replace(BASE, session_affinity="ClientIP"), WIDENING),
        (BASE, replace(BASE, external_traffic_policy="Local"), WIDENING),
        (BASE, BALANCED, WIDENING),
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
    assert delta_of(base, wanted).kind is kind


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


def test_a_field_that_the_rules_do_not_know_widens() -> None:
    before, after = BASE.document() | {"colour": "red"}, BASE.document() | {"colour": "green"}

    [change] = module.changes_of(before, after)

    assert (change.pointer, change.kind) == ("#/spec/colour", WIDENING)


NETWORKS = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16", "192.0.2.0/24", "::/0"]
ports = st.lists(
    st.builds(
        ServicePort,
        port=st.sampled_from([80, 443]),
        protocol=st.sampled_from(["TCP", "UDP"]),
        target_port=st.sampled_from([None, 8080, "http"]),
        node_port=st.sampled_from([None, 30001]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda port: (port.port, port.protocol),
).map(tuple)
balancers = st.builds(
    LoadBalancer,
    source_ranges=st.lists(st.sampled_from(NETWORKS), max_size=3, unique=True).map(tuple),
    allocate_node_ports=st.booleans(),
    annotations=st.sampled_from([{}, {"a": "1"}]),
    class_=st.sampled_from([None, "x"]),
)
specs = st.builds(
    Spec,
    type=st.sampled_from(ExposureType),
    selector=st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")),
    ports=ports,
    justification=st.sampled_from(["one", "two"]),
    lifetime=st.sampled_from([None, 60, 3600]),
    not_before=st.sampled_from([None, NOON]),
    replace=st.booleans(),
    session_affinity=st.sampled_from([None, "ClientIP"]),
    load_balancer=st.none() | balancers,
)


@st.composite
def steps(draw: st.DrawFn) -> tuple[Spec, Spec, Spec]:
    """Return three specifications, each like the one before but for a few fields."""
    found = [draw(specs)]
    for _ in range(2):
        other = draw(specs)
        fields = draw(
            st.sets(st.sampled_from(["selector", "ports", "lifetime", "load_balancer"]), max_size=2)
        )
        found.append(replace(found[-1], **{field: getattr(other, field) for field in fields}))
    return found[0], found[1], found[2]


@given(specs)
def test_equal_is_reflexive(spec: Spec) -> None:
    assert delta_of(spec, spec).kind is EQUAL


@given(steps())
def test_what_narrows_one_way_widens_the_other(found: tuple[Spec, Spec, Spec]) -> None:
    base, wanted, _ = found
    if delta_of(base, wanted).kind is NARROWING:
        assert delta_of(wanted, base).kind is WIDENING


@given(steps())
def test_equal_is_equal_both_ways(found: tuple[Spec, Spec, Spec]) -> None:
    base, wanted, _ = found
    assert (delta_of(base, wanted).kind is EQUAL) == (delta_of(wanted, base).kind is EQUAL)


@given(steps())
def test_a_change_with_both_sides_in_it_widens_both_ways(found: tuple[Spec, Spec, Spec]) -> None:
    base, wanted, _ = found
    kinds = {change.kind for change in delta_of(base, wanted).changes}
    if {NARROWING, WIDENING} <= kinds:
        assert delta_of(base, wanted).kind is delta_of(wanted, base).kind is WIDENING


@given(steps())
def test_two_steps_never_add_up_to_more_than_one_was_allowed(found: tuple[Spec, Spec, Spec]) -> None:
    first, second, third = found
    if WIDENING not in (delta_of(first, second).kind, delta_of(second, third).kind):
        assert delta_of(first, third).kind is not WIDENING


SOURCES = ["10.1.0.1", "10.2.0.1", "10.200.0.1", "192.0.2.1", "198.51.100.1", "2001:db8::1"]


def reached(spec: Spec) -> set[tuple[Any, ...]]:
    """Return what is let through, by samples: from where, to which port, target and pod, until when."""

    balancer = spec.load_balancer or LoadBalancer()
    ranges = [ipaddress.ip_network(text) for text in balancer.source_ranges or ("0.0.0.0/0", "::/0")]
    sources = [
        source
        for source in SOURCES
        if any(
            ipaddress.ip_address(source).version == network.version
            and ipaddress.ip_address(source) in network
            for network in ranges
        )
    ]
    pods = [
        (a, b)
        for a in "xyz"
        for b in "xyz"
        if spec.selector and all({"a": a, "b": b}[name] == value for name, value in spec.selector.items())
    ]
    hours = [hour for hour in (1, 2, 9) if spec.lifetime is None or hour * 1800 <= spec.lifetime]
    return {
        (source, port.port, port.protocol, port.target_port or port.port, pod, hour)
        for source in sources
        for port in spec.ports
        for pod in pods
        for hour in hours
    }


@given(steps())
def test_what_does_not_widen_reaches_nothing_new(found: tuple[Spec, Spec, Spec]) -> None:
    base, wanted, _ = found
    if delta_of(base, wanted).kind is not WIDENING:
        assert reached(wanted) <= reached(base)
