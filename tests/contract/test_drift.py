"""What the apiserver makes of our manifests never looks like drift; what is drift is healed by one PUT."""

from collections.abc import Callable

import pytest

from service.domain.errors import FieldFixed
from service.domain.manifest import Mark, differs, merged
from service.domain.spec import Spec
from tests.contract.clusters import Cluster
from tests.contract.specs import CLASSED, SPECS, Document, make_manifest


@pytest.mark.parametrize("spec", [*SPECS.values(), CLASSED], ids=[*SPECS, "load-balancer-class"])
def test_the_servers_defaults_never_look_like_drift(cluster: Cluster, spec: Spec) -> None:
    wanted = make_manifest(cluster.add_namespace(), spec)

    stored = cluster.gateway.create(wanted)

    assert differs(stored, wanted) == ()
    assert Mark.of(stored) == Mark.of(wanted)


@pytest.mark.parametrize("spec", [*SPECS.values(), CLASSED], ids=[*SPECS, "load-balancer-class"])
def test_a_merge_without_a_change_is_no_write(cluster: Cluster, spec: Spec) -> None:
    wanted = make_manifest(cluster.add_namespace(), spec)
    stored = cluster.gateway.create(wanted)

    replaced = cluster.gateway.replace(merged(stored, wanted, wanted))

    assert replaced["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]


@pytest.mark.parametrize("after", SPECS)
@pytest.mark.parametrize("before", SPECS)
def test_each_manifest_can_follow_each_other(cluster: Cluster, before: str, after: str) -> None:
    namespace = cluster.add_namespace()
    old = make_manifest(namespace, SPECS[before])
    new = make_manifest(namespace, SPECS[after], revision=2)
    stored = cluster.gateway.create(old)

    replaced = cluster.gateway.replace(merged(stored, new, old))

    assert differs(replaced, new) == ()
    assert replaced["metadata"].get("annotations") == new["metadata"]["annotations"]


def _add_entry(service: Document) -> None:
    for port in service["spec"]["ports"]:
        port.setdefault("name", "named")
    service["spec"]["ports"].append({"name": "foreign", "port": 4444, "protocol": "TCP", "targetPort": 4444})


EDITS: dict[str, tuple[Callable[[Document], object], str]] = {
    "port": (lambda s: s["spec"]["ports"][0].update(port=8888), "spec.ports"),
    "target-port": (lambda s: s["spec"]["ports"][0].update(targetPort=8888), "spec.ports"),
    "foreign-entry": (_add_entry, "spec.ports"),
    "selector": (lambda s: s["spec"].update(selector={"app": "thief"}), "spec.selector"),
    "no-selector": (lambda s: s["spec"].pop("selector", None), "spec.selector"),
    "external-ips": (lambda s: s["spec"].update(externalIPs=["192.0.2.77"]), "spec.externalIPs"),
    "unready": (lambda s: s["spec"].update(publishNotReadyAddresses=True), "spec.publishNotReadyAddresses"),
    "label": (
        lambda s: s["metadata"]["labels"].clear(),
        "metadata.labels[app.kubernetes.io/managed-by]",
    ),
    "annotation": (
        lambda s: s["metadata"]["annotations"].update({"wharfinger.dev/revision": "99"}),
        "metadata.annotations[wharfinger.dev/revision]",
    ),
    "affinity-time": (
        lambda s: s["spec"].update(
            sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 5}}
        ),
        "spec.sessionAffinityConfig",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if spec.selector])
def test_a_hand_edit_is_seen_and_healed(cluster: Cluster, name: str, edit: str) -> None:
    change, path = EDITS[edit]
    namespace = cluster.add_namespace()
    wanted = make_manifest(namespace, SPECS[name])
    cluster.gateway.create(wanted)
    drifted = cluster.hand_edit(namespace, "web", change)

    healed = cluster.gateway.replace(merged(drifted, wanted, wanted))

    assert path in differs(drifted, wanted)
    assert differs(healed, wanted) == ()


@pytest.mark.parametrize("type", ["ClusterIP", "NodePort", "LoadBalancer"])
@pytest.mark.parametrize("name", SPECS)
def test_a_type_changed_by_hand_is_put_back(cluster: Cluster, name: str, type: str) -> None:
    namespace = cluster.add_namespace()
    wanted = make_manifest(namespace, SPECS[name])
    cluster.gateway.create(wanted)

    def change(service: Document) -> None:
        service["spec"]["type"] = type
        if type != "LoadBalancer":
            service["spec"].pop("loadBalancerSourceRanges", None)

    drifted = cluster.hand_edit(namespace, "web", change)
    healed = cluster.gateway.replace(merged(drifted, wanted, wanted))

    assert differs(healed, wanted) == ()


def test_a_foreign_label_and_annotation_are_left_alone(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    wanted = make_manifest(namespace, SPECS["node-port"])
    cluster.gateway.create(wanted)

    def decorate(service: Document) -> None:
        service["metadata"]["labels"]["example.com/theirs"] = "yes"
        service["metadata"]["annotations"]["example.com/theirs"] = "yes"

    drifted = cluster.hand_edit(namespace, "web", decorate)
    healed = cluster.gateway.replace(merged(drifted, wanted, wanted))

    assert differs(drifted, wanted) == ()
    assert healed["metadata"]["labels"]["example.com/theirs"] == "yes"
    assert healed["metadata"]["annotations"]["example.com/theirs"] == "yes"


def test_a_load_balancer_class_that_a_webhook_added_is_no_drift_and_stays(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    wanted = make_manifest(namespace, SPECS["load-balancer"])
    stored = cluster.gateway.create(
        wanted | {"spec": wanted["spec"] | {"loadBalancerClass": "example.com/a"}}
    )
    next_wanted = make_manifest(namespace, SPECS["load-balancer-node-ports"], revision=2)

    replaced = cluster.gateway.replace(merged(stored, next_wanted, wanted))

    assert differs(stored, wanted) == ()
    assert differs(replaced, next_wanted) == ()
    assert replaced["spec"]["loadBalancerClass"] == "example.com/a"


def test_a_load_balancer_class_cannot_change_in_place(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    wanted = make_manifest(namespace, CLASSED)
    stored = cluster.gateway.create(wanted)
    stored["spec"]["loadBalancerClass"] = "example.com/other"

    with pytest.raises(FieldFixed, match=r"(?i)loadBalancerClass"):
        cluster.gateway.replace(stored)
