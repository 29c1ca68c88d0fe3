"""Who is in the way, in words that a person can act on."""

from typing import Any

import pytest

from service.domain.exposure import Allocation, NodePort, PortOrigin
from service.domain.manifest import with_ports
from service.domain.plan import Desired, Ref
from service.domain.spec import Document, ExposureType
from service.reconciler.clashes import explain_changed, explain_foreign, explain_taken_port
from tests.builders import NUMBER, make_foreign, make_manifest, make_port, make_spec, make_wish


def make_thief(*numbers: int, name: str = "thief", **spec: Any) -> Document:
    service = make_foreign(Ref("shop", name)).service
    service["spec"] |= {"ports": [{"port": 80, "nodePort": number} for number in numbers], **spec}
    return service


def make_two_port_wish(**fields: Any) -> Desired:
    ports = (make_port(node_port=NUMBER), make_port(name="admin", port=81, node_port=NUMBER + 1))
    return make_wish(manifest=make_manifest(make_spec(ports=ports)), **fields)


def test_a_foreign_service_is_named_with_what_to_do() -> None:
    assert explain_foreign(make_foreign().service) == (
        "Service team-a/hello exists and was not made by Wharfinger. "
        "It is left alone: remove it, or ask under another name."
    )


def test_who_wrote_a_foreign_service_is_named_once() -> None:
    fields = [{"manager": "helm"}, {"manager": "kubectl-edit"}, {"manager": "helm"}, {}]

    assert "(written by helm, kubectl-edit, ?)" in explain_foreign(make_foreign(managedFields=fields).service)


def test_what_the_cluster_changed_is_named_with_whom_to_ask() -> None:
    assert explain_changed(["spec.ports", "spec.type"]) == (
        "The cluster took it and changed spec.ports, spec.type, so it is not what was approved. "
        "Something there rewrites Services (a mutating webhook?): ask who runs it. It is tried again."
    )


def test_an_asked_port_that_is_taken_needs_its_requester() -> None:
    failure = explain_taken_port([make_thief(NUMBER)], make_wish())

    assert (failure.reason, failure.retryable, failure.unknown) == ("NodePortTaken", False, False)
    assert failure.message == (
        f"Taken in the cluster: node port {NUMBER} by Service shop/thief. "
        "Delete this exposure and ask again without that node_port."
    )


def test_a_chosen_port_that_is_taken_is_tried_again() -> None:
    failure = explain_taken_port([make_thief(NUMBER)], make_wish(asked_ports=frozenset()))

    assert failure.retryable
    assert (
        failure.message
        == f"Taken in the cluster: node port {NUMBER} by Service shop/thief. It is tried again."
    )


def test_a_chosen_port_beside_an_asked_one_is_tried_again() -> None:
    wish = make_two_port_wish(asked_ports=frozenset({NUMBER}))

    assert explain_taken_port([make_thief(NUMBER + 1)], wish).retryable


def test_every_owner_is_named_by_port() -> None:
    services = [make_thief(NUMBER + 1, name="b"), make_thief(NUMBER, 30500, name="a")]

    message = explain_taken_port(services, make_two_port_wish()).message

    assert f"node port {NUMBER} by Service shop/a, node port {NUMBER + 1} by Service shop/b." in message


def test_a_port_for_health_checks_counts() -> None:
    thief = make_thief(type="LoadBalancer", healthCheckNodePort=NUMBER)

    assert "Service shop/thief" in explain_taken_port([thief], make_wish()).message


def test_our_own_port_for_health_checks_counts() -> None:
    allocation = Allocation(health_check=NodePort(NUMBER, PortOrigin.CHOSEN))
    manifest = with_ports(make_manifest(make_spec(type=ExposureType.LOAD_BALANCER)), allocation)
    wish = make_wish(manifest=manifest, asked_ports=frozenset())

    assert "Service shop/thief" in explain_taken_port([make_thief(NUMBER)], wish).message


@pytest.mark.parametrize(
    "services",
    [[], [make_thief(30500)], [make_foreign().service]],
    ids=["none", "other-port", "no-node-port"],
)
def test_a_port_that_nobody_has_is_tried_again(services: list[Document]) -> None:
    failure = explain_taken_port(services, make_wish())

    assert failure.retryable
    assert failure.message == (
        f"The cluster says that node port {NUMBER} is taken, but no Service has it. A kube-apiserver that "
        "ended in the middle of a change leaves its number taken; its repair frees it, within about ten "
        "minutes. It is tried again."
    )
