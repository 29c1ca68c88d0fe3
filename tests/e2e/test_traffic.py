"""Real packets through the real kube-proxy: an exposure answers where ``status.access`` says, while it may.

Who should get no answer is shown to get one elsewhere at that moment, what was put right to have been wrong.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from devcluster.kube_proxy import KubeProxy
from devcluster.network import NodeNetwork
from devcluster.workload import NODE
from tests.e2e.conftest import NODE_ADDRESS
from tests.e2e.parts import wait_until
from tests.e2e.traffic import CLIENTS, PODS, Traffic, service_path
from tests.e2e.world import Document, World
from tests.real_traffic import need_real_traffic

OTHER_NODE_ADDRESS = "192.0.2.2"
SOON_SECONDS = 3.0
OVER = """
    UPDATE exposure SET clock_started_at = clock_started_at - interval '72 hours', next_deadline_at = now()
    WHERE id = :id
"""


@pytest.fixture(scope="module", autouse=True)
def _real_traffic() -> None:
    need_real_traffic()


@pytest.fixture(scope="module")
def traffic(world: World) -> Iterator[Traffic]:
    """Give a world with real traffic, and an exposure of the Pod ``hello`` that answers all the time."""
    log = world.folder / "kube-proxy.log"
    with (
        NodeNetwork(NODE_ADDRESS) as node,
        KubeProxy(world.control_plane, NODE, node.namespace, PODS, log) as proxy,
    ):
        made = Traffic(world, node, proxy)
        with made.pod("hello"):
            made.keep_steady("hello")
            yield made


def balanced(traffic: Traffic, name: str, address: str) -> Document:
    """Return a LoadBalancer for CLIENTS that is live, and got this address of the cluster's load balancer."""
    balancer = {"type": "LoadBalancer", "load_balancer": {"source_ranges": [CLIENTS]}}
    exposure = traffic.ask_for(name, name, **balancer)
    traffic.approve(exposure)
    traffic.world.wait_for(exposure, "Degraded")
    traffic.patch_by_hand(exposure, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}, "/status")
    return traffic.world.wait_for(exposure, "Active")


def by_dns(traffic: Traffic, address: str) -> str:
    """Return an address with its name looked up as the cluster's DNS does."""
    name, _, port = address.partition(":")
    service = traffic.world.service(name.split(".")[0])
    assert service is not None
    assert name == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    return f"{service['spec']['clusterIP']}:{port}"


def end_lifetime(traffic: Traffic, exposure: Document) -> None:
    """Let its 72 hours be over."""
    with traffic.world.database.transaction() as session:
        session.execute(text(OVER), {"id": exposure["metadata"]["id"]})


def test_a_node_port_is_silent_before_its_approval_and_answers_from_the_right_pod_after_it(traffic: Traffic):
    exposure = traffic.ask_for("approved", "hello", node_port=30101)
    address = f"{NODE_ADDRESS}:30101"
    traffic.check_silence(traffic.client, address)

    traffic.approve(exposure)

    traffic.wait_for_answer(traffic.client, address, "hello")
    assert traffic.address(traffic.world.wait_for(exposure, "Active")) == address


def test_a_change_is_silent_until_its_approval_and_the_old_number_answers_until_then(traffic: Traffic):
    exposure = traffic.expose("changed", "hello", node_port=30102)
    old, new = f"{NODE_ADDRESS}:30102", f"{NODE_ADDRESS}:30103"
    traffic.change(exposure, {"ports": [{**exposure["spec"]["ports"][0], "node_port": 30103}]})
    traffic.check_silence(traffic.client, new)
    assert traffic.address(exposure) == old
    traffic.wait_for_answer(traffic.client, old, "hello")

    traffic.approve(exposure)

    traffic.wait_for_answer(traffic.client, new, "hello")
    wait_until(lambda: traffic.address(exposure) == new, traffic.logs, SOON_SECONDS)
    traffic.wait_for_silence(traffic.client, old)


def test_a_selector_that_was_changed_by_hand_leads_to_the_right_pod_again(traffic: Traffic):
    exposure = traffic.expose("misled", "hello")
    address = traffic.address(exposure)
    with traffic.pod("impostor"):
        with traffic.worker_stands_still():
            traffic.patch_by_hand(exposure, {"spec": {"selector": {"app": "impostor"}}})
            traffic.wait_for_answer(traffic.client, address, "impostor")

        traffic.wait_for_answer(traffic.client, address, "hello")

        traffic.check_answers(traffic.client, address, "hello")


def test_a_node_port_that_was_moved_by_hand_answers_at_its_own_number_again(traffic: Traffic):
    exposure = traffic.expose("moved", "hello", node_port=30106)
    address, elsewhere = traffic.address(exposure), f"{NODE_ADDRESS}:30190"
    with traffic.worker_stands_still():
        port: dict[str, Any] = {"port": 80, "targetPort": "http", "nodePort": 30190}
        traffic.patch_by_hand(exposure, {"spec": {"ports": [port]}})
        traffic.wait_for_answer(traffic.client, elsewhere, "hello")
        traffic.check_silence(traffic.client, address)

    traffic.wait_for_answer(traffic.client, address, "hello")

    traffic.wait_for_silence(traffic.client, elsewhere)


def test_a_service_that_was_deleted_by_hand_answers_again(traffic: Traffic):
    exposure = traffic.expose("deleted-by-hand", "hello")
    address = traffic.address(exposure)
    traffic.wait_for_answer(traffic.client, address, "hello")
    with traffic.worker_stands_still():
        traffic.world.admin.request("DELETE", service_path(exposure))
        traffic.wait_for_silence(traffic.client, address)

    traffic.wait_for_answer(traffic.client, address, "hello")


def test_a_nodes_new_address_is_named_and_answers(traffic: Traffic):
    exposure = traffic.expose("moved-node", "hello", node_port=30104)
    old, new = f"{NODE_ADDRESS}:30104", f"{OTHER_NODE_ADDRESS}:30104"
    traffic.wait_for_answer(traffic.client, old, "hello")
    try:
        traffic.change_node_address(OTHER_NODE_ADDRESS)

        wait_until(lambda: traffic.address(exposure) == new, traffic.logs, SOON_SECONDS)
        traffic.wait_for_answer(traffic.client, new, "hello")
        traffic.wait_for_silence(traffic.client, old)
    finally:
        traffic.change_node_address(NODE_ADDRESS)
    wait_until(lambda: traffic.address(exposure) == old, traffic.logs, SOON_SECONDS)
    traffic.wait_for_answer(traffic.client, old, "hello")


@pytest.mark.parametrize("port", [8000, 9000], ids=["same port", "named port moved"])
def test_traffic_follows_a_pod_that_was_replaced(traffic: Traffic, port: int):
    app = f"replaced-{port}"
    with traffic.pod(f"{app}-before", app=app):
        exposure = traffic.expose(app, app)
        address = traffic.address(exposure)
        traffic.wait_for_answer(traffic.client, address, f"{app}-before")
    traffic.wait_for_silence(traffic.client, address)

    with traffic.pod(f"{app}-after", port, app):
        traffic.wait_for_answer(traffic.client, address, f"{app}-after")

        assert traffic.address(exposure) == address


def test_tcp_and_udp_answer_at_one_number_and_end_together(traffic: Traffic):
    ports = [
        {"name": protocol.lower(), "port": 80, "target_port": 8000, "protocol": protocol, "node_port": 30105}
        for protocol in ("TCP", "UDP")
    ]
    exposure = traffic.expose("both", "hello", ports=ports)
    address = f"{NODE_ADDRESS}:30105"
    assert [traffic.address(exposure, index) for index in range(2)] == [address, address]
    for protocol in ("TCP", "UDP"):
        traffic.wait_for_answer(traffic.client, address, "hello", protocol)

    traffic.world.delete(exposure)

    for protocol in ("TCP", "UDP"):
        traffic.wait_for_silence(traffic.client, address, protocol)


def test_a_load_balancer_lets_in_its_source_ranges_alone_and_no_node_port_leads_round_them(traffic: Traffic):
    with traffic.pod("balanced"):
        exposure = balanced(traffic, "balanced", "203.0.113.7")

        address = traffic.address(exposure)

        assert address == "203.0.113.7:80"
        traffic.wait_for_answer(traffic.client, address, "balanced")
        traffic.check_silence(traffic.stranger, address)
        assert set(traffic.answering_node_ports(traffic.stranger).values()) == {"hello"}


def test_source_ranges_that_were_opened_by_hand_are_closed_again(traffic: Traffic):
    with traffic.pod("opened"):
        exposure = balanced(traffic, "opened", "203.0.113.8")
        address = traffic.address(exposure)
        with traffic.worker_stands_still():
            traffic.patch_by_hand(exposure, {"spec": {"loadBalancerSourceRanges": None}})
            traffic.wait_for_answer(traffic.stranger, address, "opened")

        traffic.wait_for_silence(traffic.stranger, address)

        traffic.wait_for_answer(traffic.client, address, "opened")


def test_a_cluster_ip_answers_the_node_and_pods_and_nobody_outside(traffic: Traffic):
    with traffic.pod("inside"), traffic.pod("neighbour") as neighbour:
        exposure = traffic.expose("inside", "inside", type="ClusterIP")

        address = by_dns(traffic, traffic.address(exposure))

        for caller in (traffic.on_node, neighbour):
            traffic.wait_for_answer(caller, address, "inside")
        traffic.check_silence(traffic.client, address)
        assert set(traffic.answering_node_ports(traffic.client).values()) == {"hello"}


def test_a_suspended_exposure_is_silent_until_it_is_resumed(traffic: Traffic):
    exposure = traffic.expose("suspended", "hello")
    address = traffic.address(exposure)
    traffic.wait_for_answer(traffic.client, address, "hello")

    traffic.post(exposure, "suspend")

    traffic.wait_for_silence(traffic.client, address)
    assert traffic.world.wait_for(exposure, "Suspended")["status"]["access"] == []
    traffic.post(exposure, "resume")
    traffic.wait_for_answer(traffic.client, address, "hello")
    assert traffic.address(traffic.world.wait_for(exposure, "Active")) == address


def test_an_exposure_whose_lifetime_is_over_is_silent_until_it_is_renewed(traffic: Traffic):
    exposure = traffic.expose("expired", "hello")
    address = traffic.address(exposure)
    traffic.wait_for_answer(traffic.client, address, "hello")

    end_lifetime(traffic, exposure)

    traffic.wait_for_silence(traffic.client, address)
    assert traffic.world.wait_for(exposure, "Suspended")["status"]["access"] == []
    traffic.post(exposure, "renewals", {"justification": "the demo goes on"})
    traffic.approve(exposure)
    traffic.wait_for_answer(traffic.client, address, "hello")


def test_a_deleted_exposure_is_silent(traffic: Traffic):
    exposure = traffic.expose("deleted", "hello")
    address = traffic.address(exposure)
    traffic.wait_for_answer(traffic.client, address, "hello")

    assert traffic.world.delete(exposure).status == 202

    traffic.wait_for_silence(traffic.client, address)
    assert traffic.world.wait_for(exposure, "Ended")["status"]["access"] == []
