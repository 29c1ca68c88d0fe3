"""The laws of a delta, over random steps and over steps that open less; an oracle says what is reached."""

import ipaddress
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.domain.delta import DeltaKind, delta_of
from service.domain.manifest import digest, render
from service.domain.spec import ExposureType, LoadBalancer, ServicePort, Spec
from tests.builders import METADATA, NOON

NARROWING, EQUAL, WIDENING = DeltaKind

NETWORKS = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16", "192.0.2.0/24", "::/0"]
LIFETIMES = [None, 1800, 3600, 16_200]
LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"))
KEYS = st.sampled_from([(port, protocol) for port in (80, 443) for protocol in ("TCP", "UDP")])
REST = st.sampled_from([(target, number) for target in (None, 80, 8080, "http") for number in (None, 30001)])
PORTS = st.dictionaries(KEYS, REST, min_size=1, max_size=3).map(
    lambda found: tuple(
        ServicePort(port=port, protocol=protocol, target_port=target, node_port=number)
        for (port, protocol), (target, number) in found.items()
    )
)
BALANCERS = st.builds(
    LoadBalancer,
    source_ranges=st.lists(st.sampled_from(NETWORKS), max_size=3, unique=True).map(tuple),
    allocate_node_ports=st.booleans(),
    annotations=st.sampled_from([{}, {"a": "1"}]),
    class_=st.sampled_from([None, "x"]),
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(ExposureType),
    "selector": LABELS,
    "ports": PORTS,
    "justification": st.sampled_from(["one", "two"]),
    "lifetime": st.sampled_from(LIFETIMES),
    "not_before": st.sampled_from([None, NOON]),
    "replace": st.booleans(),
    "session_affinity": st.sampled_from([None, "ClientIP"]),
    "load_balancer": st.none() | BALANCERS,
}
specs = st.builds(Spec, **FIELDS)


@st.composite
def steps(draw: st.DrawFn) -> tuple[Spec, Spec, Spec]:
    """Return three specifications, each like the one before but for a few fields."""
    found = [draw(specs)]
    for _ in range(2):
        changed = draw(st.sets(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3))
        found.append(replace(found[-1], **{field: draw(FIELDS[field]) for field in sorted(changed)}))
    return found[0], found[1], found[2]


def inside(one: str, other: str) -> bool:
    inner, outer = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return inner.version == outer.version and all(a in outer for a in (inner[0], inner[-1]))


@st.composite
def less(draw: st.DrawFn, spec: Spec) -> Spec:
    """Return a specification of which each field opens the same as another's or less."""
    balancer = spec.load_balancer or LoadBalancer()
    ranges = [n for n in NETWORKS if any(inside(n, o) for o in balancer.source_ranges or NETWORKS)]
    sources = st.lists(st.sampled_from(ranges), min_size=1, max_size=3, unique=True).map(tuple)
    lifetimes = [n for n in LIFETIMES if n is not None and n <= (spec.lifetime or n)]
    return replace(
        spec,
        selector=draw(st.just({}) | LABELS) | spec.selector if spec.selector else {},
        ports=tuple(draw(st.lists(st.sampled_from(spec.ports), min_size=1, unique=True))),
        lifetime=draw(st.just(spec.lifetime) | st.sampled_from(lifetimes)),
        load_balancer=draw(
            st.just(spec.load_balancer)
            | st.builds(
                replace,
                st.just(balancer),
                source_ranges=st.just(balancer.source_ranges) | sources,
                allocate_node_ports=st.booleans() if balancer.allocate_node_ports else st.just(False),
            )
        ),
    )


@st.composite
def descents(draw: st.DrawFn) -> tuple[Spec, Spec, Spec]:
    """Return three specifications, each the same as the one before or less."""
    first = draw(specs)
    second = draw(less(first))
    return first, second, draw(less(second))


chains = steps() | descents()


@given(descents())
def test_less_of_everything_never_widens(found: tuple[Spec, Spec, Spec]) -> None:
    first, second, third = found
    kinds = {delta_of(*pair).kind for pair in ((first, second), (second, third), (first, third))}
    assert WIDENING not in kinds


@given(specs)
def test_equal_is_reflexive(spec: Spec) -> None:
    assert delta_of(spec, spec).kind is EQUAL


@given(chains)
def test_what_narrows_one_way_widens_the_other(found: tuple[Spec, Spec, Spec]) -> None:
    base, wanted, _ = found
    if delta_of(base, wanted).kind is NARROWING:
        assert delta_of(wanted, base).kind is WIDENING


@given(chains)
def test_equal_is_equal_both_ways(found: tuple[Spec, Spec, Spec]) -> None:
    base, wanted, _ = found
    assert (delta_of(base, wanted).kind is EQUAL) == (delta_of(wanted, base).kind is EQUAL)


@given(chains)
def test_a_change_with_both_sides_in_it_widens_both_ways(found: tuple[Spec, Spec, Spec]) -> None:
    base, wanted, _ = found
    kinds = {change.kind for change in delta_of(base, wanted).changes}
    if {NARROWING, WIDENING} <= kinds:
        assert delta_of(base, wanted).kind is delta_of(wanted, base).kind is WIDENING


@given(chains)
def test_two_steps_never_add_up_to_more_than_one_was_allowed(found: tuple[Spec, Spec, Spec]) -> None:
    first, second, third = found
    if WIDENING not in (delta_of(first, second).kind, delta_of(second, third).kind):
        assert delta_of(first, third).kind is not WIDENING


@given(specs)
def test_what_renders_to_the_same_service_is_equal(spec: Spec) -> None:
    ports = tuple(replace(p, target_port=p.target_port or p.port) for p in spec.ports)
    stated = replace(spec, ports=ports, load_balancer=spec.load_balancer or LoadBalancer())

    assert delta_of(spec, stated).kind is EQUAL
    assert digest(METADATA, spec, render(METADATA, spec)) == digest(
        METADATA, stated, render(METADATA, stated)
    )


SOURCES = ["10.1.0.1", "10.2.0.1", "10.200.0.1", "192.0.2.1", "198.51.100.1", "2001:db8::1"]


def reached(spec: Spec) -> set[tuple[Any, ...]]:
    """Return what is let through, by samples: which way, from where, to which port and pod, until when."""
    balancer = spec.load_balancer or LoadBalancer()
    let_in = [
        source
        for source in SOURCES
        if any(inside(source, network) for network in balancer.source_ranges or ("0.0.0.0/0", "::/0"))
    ]
    ways = [("balancer", source) for source in let_in]
    if balancer.allocate_node_ports:
        ways += [("node", source) for source in SOURCES]
    pods = [
        (a, b)
        for a in "xyz"
        for b in "xyz"
        if spec.selector and all({"a": a, "b": b}[name] == value for name, value in spec.selector.items())
    ]
    hours = [hour for hour in (1, 2, 9) if spec.lifetime is None or hour * 1800 <= spec.lifetime]
    return {
        (spec.type, way, port.port, port.protocol, port.target_port or port.port, port.node_port, pod, hour)
        for way in ways
        for port in spec.ports
        for pod in pods
        for hour in hours
    }


@given(chains)
def test_what_does_not_widen_reaches_nothing_new(found: tuple[Spec, Spec, Spec]) -> None:
    base, wanted, _ = found
    if delta_of(base, wanted).kind is not WIDENING:
        assert reached(wanted) <= reached(base)
