"""What the reconciler relies on when it changes and deletes, shown by the fake and by a kube-apiserver."""

from typing import Any

import pytest

from service.domain.errors import (
    ObjectChanged,
    ObjectMissing,
    PortAllocated,
    WriteRefused,
)
from tests.contract.builders import make_port, make_service, numbers
from tests.contract.clusters import Cluster

Document = dict[str, Any]


# Replacing.


def test_a_replace_puts_a_hand_edited_port_and_a_foreign_entry_right(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    wanted = cluster.gateway.create(make_service(namespace, ports=[make_port(80, cluster.first)]))

    def spoil(service: Document) -> None:
        service["spec"]["ports"] = [make_port(81, cluster.first), make_port(82, name="foreign")]

    changed = cluster.hand_edit(namespace, "web", spoil)
    changed["spec"] = wanted["spec"]
    replaced = cluster.gateway.replace(changed)

    assert replaced["spec"] == wanted["spec"]


def test_a_replace_of_something_older_is_refused(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    old = cluster.gateway.create(make_service(namespace))
    cluster.hand_edit(namespace, "web", lambda s: s["spec"].update(selector={"app": "other"}))

    with pytest.raises(ObjectChanged):
        cluster.gateway.replace(old)


def test_a_replace_never_makes_a_deleted_service_again(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    old = cluster.gateway.create(make_service(namespace))
    cluster.remove(namespace, "web")

    with pytest.raises(ObjectChanged):
        cluster.gateway.replace(old)

    assert cluster.gateway.service(namespace, "web") is None


def test_a_replace_never_touches_a_service_made_anew_under_the_name(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    old = cluster.gateway.create(make_service(namespace))
    cluster.remove(namespace, "web")
    new = cluster.gateway.create(make_service(namespace))
    old["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"]

    with pytest.raises(ObjectChanged):
        cluster.gateway.replace(old)


@pytest.mark.parametrize("fence", ["uid", "resourceVersion"])
def test_a_replace_without_its_fence_is_not_sent(cluster: Cluster, fence: str) -> None:
    service = cluster.gateway.create(make_service(cluster.add_namespace()))
    del service["metadata"][fence]

    with pytest.raises(ValueError, match="fenced"):
        cluster.gateway.replace(service)


def test_a_replace_that_changes_nothing_keeps_the_version(cluster: Cluster) -> None:
    service = cluster.gateway.create(make_service(cluster.add_namespace()))

    replaced = cluster.gateway.replace(service)

    assert replaced["metadata"]["resourceVersion"] == service["metadata"]["resourceVersion"]


def test_a_replace_that_changes_something_moves_the_version(cluster: Cluster) -> None:
    service = cluster.gateway.create(make_service(cluster.add_namespace()))
    version = service["metadata"]["resourceVersion"]
    service["spec"]["selector"] = {"app": "other"}

    assert cluster.gateway.replace(service)["metadata"]["resourceVersion"] != version


def test_a_replace_that_wants_a_taken_node_port_is_told_apart(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    cluster.gateway.create(make_service(namespace, ports=[make_port(80, cluster.first)]))
    other = cluster.gateway.create(make_service(namespace, "other"))
    other["spec"]["ports"] = [make_port(80, cluster.first)]

    with pytest.raises(PortAllocated):
        cluster.gateway.replace(other)


def test_a_replace_moves_the_service_port_on_the_same_node_port(cluster: Cluster) -> None:
    service = cluster.gateway.create(
        make_service(cluster.add_namespace(), ports=[make_port(80, cluster.first)])
    )
    service["spec"]["ports"] = [make_port(8080, cluster.first)]

    assert cluster.gateway.replace(service)["spec"]["ports"] == [make_port(8080, cluster.first)]


def test_a_replace_gives_tcp_and_udp_one_number_whatever_their_service_ports(cluster: Cluster) -> None:
    service = cluster.gateway.create(
        make_service(cluster.add_namespace(), ports=[make_port(53, cluster.first, "tcp")])
    )
    ports = [make_port(53, cluster.first, "tcp"), make_port(54, cluster.first, "udp", "UDP")]
    service["spec"]["ports"] = ports

    assert cluster.gateway.replace(service)["spec"]["ports"] == ports


def test_a_renamed_port_without_its_node_port_loses_it(cluster: Cluster) -> None:
    service = cluster.gateway.create(
        make_service(cluster.add_namespace(), ports=[make_port(80, cluster.first)])
    )
    service["spec"]["ports"] = [make_port(80, name="renamed")]

    assert numbers(cluster.gateway.replace(service)) != [cluster.first]


def test_from_node_port_to_cluster_ip_releases_the_number(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    service = cluster.gateway.create(make_service(namespace, ports=[make_port(80, cluster.first)]))
    service["spec"] |= {"type": "ClusterIP", "ports": [make_port(80)]}
    del service["spec"]["externalTrafficPolicy"]

    replaced = cluster.gateway.replace(service)
    other = cluster.gateway.create(make_service(namespace, "other", ports=[make_port(80, cluster.first)]))

    assert numbers(replaced) == [None]
    assert numbers(other) == [cluster.first]


def test_a_health_check_port_cannot_change_while_it_is_needed(cluster: Cluster) -> None:
    local: Document = {
        "type": "LoadBalancer",
        "allocateLoadBalancerNodePorts": False,
        "externalTrafficPolicy": "Local",
    }
    service = cluster.gateway.create(
        make_service(cluster.add_namespace(), healthCheckNodePort=cluster.first, **local)
    )
    service["spec"]["healthCheckNodePort"] = cluster.first + 1

    with pytest.raises(WriteRefused, match="healthCheckNodePort"):
        cluster.gateway.replace(service)


def test_a_number_of_ones_own_cannot_become_the_health_check_port_in_one_step(cluster: Cluster) -> None:
    service = cluster.gateway.create(
        make_service(cluster.add_namespace(), ports=[make_port(80, cluster.first)])
    )
    service["spec"] |= {
        "type": "LoadBalancer",
        "ports": [make_port(80)],
        "allocateLoadBalancerNodePorts": False,
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": cluster.first,
    }

    with pytest.raises(PortAllocated, match="HealthCheck NodePort 30000"):
        cluster.gateway.replace(service)


def test_a_replace_that_is_silent_about_the_ip_families_keeps_their_policy(cluster: Cluster) -> None:
    wanted = make_service(cluster.add_namespace(), ipFamilyPolicy="PreferDualStack")
    service = cluster.gateway.create(wanted)
    del service["spec"]["ipFamilyPolicy"]

    assert cluster.gateway.replace(service)["spec"]["ipFamilyPolicy"] == "PreferDualStack"


# Deleting.


def test_a_delete_removes_the_service_and_releases_its_number(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    wanted = make_service(namespace, ports=[make_port(80, cluster.first)])
    metadata = cluster.gateway.create(wanted)["metadata"]

    cluster.gateway.delete(namespace, "web", metadata["uid"], metadata["resourceVersion"])

    assert cluster.gateway.service(namespace, "web") is None
    assert numbers(cluster.gateway.create(wanted)) == [cluster.first]


def test_a_delete_of_another_identity_is_refused(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    metadata = cluster.gateway.create(make_service(namespace))["metadata"]

    with pytest.raises(ObjectChanged):
        cluster.gateway.delete(
            namespace, "web", "00000000-0000-0000-0000-000000000000", metadata["resourceVersion"]
        )


def test_a_delete_of_something_older_is_refused(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    metadata = cluster.gateway.create(make_service(namespace))["metadata"]
    cluster.hand_edit(namespace, "web", lambda s: s["spec"].update(selector={"app": "other"}))

    with pytest.raises(ObjectChanged):
        cluster.gateway.delete(namespace, "web", metadata["uid"], metadata["resourceVersion"])


def test_a_delete_of_what_is_not_there_says_so(cluster: Cluster) -> None:
    with pytest.raises(ObjectMissing):
        cluster.gateway.delete(cluster.add_namespace(), "web", "a-uid", "1")


def test_a_finalizer_keeps_the_service_and_its_number(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    service = make_service(namespace, ports=[make_port(80, cluster.first)])
    service["metadata"]["finalizers"] = ["example.com/slow"]
    metadata = cluster.gateway.create(service)["metadata"]

    cluster.gateway.delete(namespace, "web", metadata["uid"], metadata["resourceVersion"])

    kept = cluster.gateway.service(namespace, "web")
    assert kept is not None
    assert "deletionTimestamp" in kept["metadata"]
    with pytest.raises(PortAllocated):
        cluster.gateway.create(make_service(namespace, "other", ports=[make_port(80, cluster.first)]))


def test_the_last_finalizer_lets_the_service_go(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    service = make_service(namespace)
    service["metadata"]["finalizers"] = ["example.com/slow"]
    metadata = cluster.gateway.create(service)["metadata"]
    cluster.gateway.delete(namespace, "web", metadata["uid"], metadata["resourceVersion"])

    cluster.hand_edit(namespace, "web", lambda s: s["metadata"].update(finalizers=[]))

    assert cluster.gateway.service(namespace, "web") is None
