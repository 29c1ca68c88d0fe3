"""The nouns: documents read as they were written, and the questions that a value answers by itself."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.schemas import SpecSchema
from service.domain.claim import ClaimState
from service.domain.exposure import Allocation, NodePort, PortOrigin
from service.domain.manifest import digest, render
from service.domain.principal import Role
from service.domain.spec import ExposureType, LoadBalancer, ServicePort, Spec
from tests.builders import EARLIER, LATER, METADATA, NOON, make_claim, make_port, make_principal, make_spec

words = st.text("abc-é", max_size=5)
maybe_word = st.none() | words
numbers = st.integers(1, 65535)
labels = st.dictionaries(words, words, max_size=3)
zones = st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))

ports = st.builds(
    ServicePort,
    port=numbers,
    name=maybe_word,
    target_port=st.none() | numbers | words,
    protocol=st.sampled_from(["TCP", "UDP", "SCTP"]),
    app_protocol=maybe_word,
    node_port=st.none() | numbers,
)
balancers = st.builds(
    LoadBalancer,
    class_=maybe_word,
    source_ranges=st.lists(words, max_size=2).map(tuple),
    allocate_node_ports=st.booleans(),
    annotations=labels,
)
specs = st.builds(
    Spec,
    selector=labels,
    ports=st.lists(ports, max_size=3).map(tuple),
    justification=words,
    type=st.sampled_from(ExposureType),
    lifetime=st.none() | numbers,
    not_before=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=zones),
    replace=st.booleans(),
    external_traffic_policy=st.sampled_from([None, "Cluster", "Local"]),
    internal_traffic_policy=st.sampled_from([None, "Cluster", "Local"]),
    session_affinity=st.sampled_from([None, "None", "ClientIP"]),
    ip_family_policy=st.sampled_from([None, "SingleStack"]),
    load_balancer=st.none() | balancers,
)
node_ports = st.builds(NodePort, numbers, st.sampled_from(PortOrigin))
allocations = st.builds(
    Allocation, ports=st.lists(node_ports, max_size=3).map(tuple), health_check=st.none() | node_ports
)


def stored(document: Any) -> Any:
    """Return a document as a JSON column gives it back."""
    return json.loads(json.dumps(document))


# Documents.


@given(specs)
def test_a_specification_reads_as_it_was_written(spec: Spec) -> None:
    assert Spec.from_document(stored(spec.document())) == spec


@given(specs)
def test_a_stored_specification_has_the_digest_that_was_approved(spec: Spec) -> None:
    again = Spec.from_document(stored(spec.document()))

    assert digest(METADATA, again, render(METADATA, again)) == digest(METADATA, spec, render(METADATA, spec))


@given(allocations)
def test_an_allocation_reads_as_it_was_written(allocation: Allocation) -> None:
    assert Allocation.from_document(stored(allocation.document())) == allocation


def test_what_the_api_reads_with_all_left_out_is_the_default() -> None:
    sent = {"selector": {"app": "hello"}, "ports": [{"port": 80}], "justification": "a demo"}

    assert Spec.from_document(SpecSchema().load(sent)) == Spec(
        selector={"app": "hello"}, ports=(ServicePort(port=80),), justification="a demo"
    )


def test_what_the_api_reads_in_full_is_kept_in_full() -> None:
    sent = {
        "type": "LoadBalancer",
        "selector": {"app": "hello"},
        "ports": [{"name": "http", "port": 80, "target_port": "http", "node_port": 30007}],
        "justification": "a demo",
        "lifetime": "72h",
        "not_before": "2030-01-01T12:00:00Z",
        "load_balancer": {
            "class": "example.com/a",
            "source_ranges": ["192.0.2.0/24"],
            "allocate_node_ports": True,
            "annotations": {"example.com/scheme": "internal"},
        },
    }

    assert Spec.from_document(SpecSchema().load(sent)) == Spec(
        type=ExposureType.LOAD_BALANCER,
        selector={"app": "hello"},
        ports=(ServicePort(name="http", port=80, target_port="http", node_port=30007),),
        justification="a demo",
        lifetime=259_200,
        not_before=NOON,
        load_balancer=LoadBalancer(
            class_="example.com/a",
            source_ranges=("192.0.2.0/24",),
            allocate_node_ports=True,
            annotations={"example.com/scheme": "internal"},
        ),
    )


def test_an_empty_load_balancer_is_one_with_the_defaults() -> None:
    document = {**make_spec(type=ExposureType.LOAD_BALANCER).document(), "load_balancer": {}}

    assert Spec.from_document(document).load_balancer == LoadBalancer()


def test_a_principal_is_kept_without_teams_groups_and_roles() -> None:
    document = make_principal("ann", Role.ADMIN, acted_for="ben", teams=frozenset({"team-a"})).document()

    assert document == {"kind": "person", "person": "ann", "acted_for": "ben"}


# Node ports.


@pytest.mark.parametrize(
    ("kind", "balancer", "needs"),
    [
        (ExposureType.CLUSTER_IP, None, False),
        (ExposureType.NODE_PORT, None, True),
        (ExposureType.LOAD_BALANCER, None, False),
        (ExposureType.LOAD_BALANCER, LoadBalancer(), False),
        (ExposureType.LOAD_BALANCER, LoadBalancer(allocate_node_ports=True), True),
    ],
    ids=["ClusterIP", "NodePort", "LoadBalancer", "by-default", "when-asked"],
)
def test_which_types_take_node_ports(kind: ExposureType, balancer: Any, needs: bool) -> None:
    assert make_spec(type=kind, load_balancer=balancer).needs_node_ports() is needs


@pytest.mark.parametrize(
    ("kind", "policy", "needs"),
    [
        (ExposureType.LOAD_BALANCER, "Local", True),
        (ExposureType.LOAD_BALANCER, "Cluster", False),
        (ExposureType.LOAD_BALANCER, None, False),
        (ExposureType.NODE_PORT, "Local", False),
    ],
)
def test_only_a_local_load_balancer_takes_a_port_for_health_checks(
    kind: ExposureType, policy: str | None, needs: bool
) -> None:
    assert make_spec(type=kind, external_traffic_policy=policy).needs_health_check_port() is needs


def test_an_allocation_counts_a_shared_number_once_and_the_health_check_too() -> None:
    chosen = NodePort(30001, PortOrigin.CHOSEN)

    assert Allocation((chosen, chosen), NodePort(30002, PortOrigin.CHOSEN)).numbers() == {30001, 30002}
    assert Allocation().numbers() == frozenset()


@pytest.mark.parametrize(
    ("state", "until", "over"),
    [
        (ClaimState.COOLING, EARLIER, True),
        (ClaimState.COOLING, NOON, True),
        (ClaimState.COOLING, LATER, False),
        (ClaimState.COOLING, None, False),
        (ClaimState.HELD, EARLIER, False),
        (ClaimState.BOUND, EARLIER, False),
        (ClaimState.FOREIGN, EARLIER, False),
    ],
)
def test_a_number_is_free_again_when_it_has_cooled(state: ClaimState, until: Any, over: bool) -> None:
    assert make_claim(state=state, until=until).is_over(NOON) is over


# Who sees.


@pytest.mark.parametrize(
    ("role", "sees"),
    [(Role.REQUESTER, False), (Role.APPROVER, True), (Role.AUDITOR, True), (Role.ADMIN, True)],
)
def test_which_roles_see_every_team(role: Role, sees: bool) -> None:
    assert make_principal("ann", role).sees_all() is sees


def test_a_port_is_asked_for_only_by_its_number() -> None:
    assert make_port().node_port is None
