"""Every kind of drift: who wrote it is named, one PUT heals it, and the next approved change goes on from it.

One Service after the other in one namespace: each kind begins with a new one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from service.domain.drift import drift_of
from service.domain.errors import FieldFixed
from service.domain.manifest import differs, merged
from service.domain.spec import Spec
from tests.contract.clusters import FIRST, HAND, Cluster
from tests.contract.specs import SPECS, Document, balanced, make_manifest

Change = Callable[[Document], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """An edit by hand, one of the paths that differ by it, and what stands there then."""

    change: Change
    path: str
    found: object
    spec: str = "node-port"
    named: bool = True
    """Whether the cluster keeps who did it: not of what was taken out."""


def in_spec(**fields: Any) -> Change:
    return lambda service: service["spec"].update(fields)


def in_port(**fields: Any) -> Change:
    return lambda service: service["spec"]["ports"][0].update(fields)


def annotated(**fields: str) -> Change:
    return lambda s: s["metadata"]["annotations"].update(
        {f"wharfinger.dev/{key}": value for key, value in fields.items()}
    )


def add_port(service: Document) -> None:
    service["spec"]["ports"][0]["name"] = "named"
    service["spec"]["ports"].append({"name": "foreign", "port": 4444, "protocol": "TCP", "targetPort": 4444})


MANAGED_BY = "metadata.labels[app.kubernetes.io/managed-by]"
MINE = {"app": "mine"}
DUAL = "PreferDualStack"
FIVE_SECONDS = {"clientIP": {"timeoutSeconds": 5}}

KINDS = {
    "label": Kind(lambda s: s["metadata"]["labels"].update({MANAGED_BY[16:-1]: "me"}), MANAGED_BY, "me"),
    "label-gone": Kind(lambda s: s["metadata"]["labels"].clear(), MANAGED_BY, None, named=False),
    "annotation": Kind(annotated(revision="99"), "metadata.annotations[wharfinger.dev/revision]", "99"),
    "annotation-of-the-spec": Kind(
        lambda s: s["metadata"]["annotations"].update({"example.com/scheme": "open"}),
        "metadata.annotations[example.com/scheme]",
        "open",
        spec="load-balancer-all-fields",
    ),
    "selector": Kind(in_spec(selector=MINE), "spec.selector[app]", "mine"),
    "selector-gone": Kind(lambda s: s["spec"].pop("selector"), "spec.selector", None, named=False),
    "port": Kind(in_port(port=8888), "spec.ports[0].port", 8888),
    "target-port": Kind(in_port(targetPort=8888), "spec.ports[0].targetPort", 8888),
    "node-port": Kind(in_port(nodePort=FIRST + 30), "spec.ports[0].nodePort", FIRST + 30),
    "protocol": Kind(in_port(protocol="UDP"), "spec.ports[0].protocol", "UDP"),
    "app-protocol": Kind(in_port(appProtocol="https"), "spec.ports[0].appProtocol", "https"),
    "foreign-entry": Kind(add_port, "spec.ports[0].name", "named"),
    "type-cluster-ip": Kind(in_spec(type="ClusterIP"), "spec.type", "ClusterIP"),
    "type-load-balancer": Kind(in_spec(type="LoadBalancer"), "spec.type", "LoadBalancer"),
    "external-policy": Kind(in_spec(externalTrafficPolicy="Local"), "spec.externalTrafficPolicy", "Local"),
    "internal-policy": Kind(in_spec(internalTrafficPolicy="Local"), "spec.internalTrafficPolicy", "Local"),
    "affinity": Kind(in_spec(sessionAffinity="ClientIP"), "spec.sessionAffinity", "ClientIP"),
    "affinity-time": Kind(
        in_spec(sessionAffinityConfig=FIVE_SECONDS),
        "spec.sessionAffinityConfig",
        FIVE_SECONDS,
        spec="node-port-all-fields",
    ),
    "family-policy": Kind(in_spec(ipFamilyPolicy=DUAL), "spec.ipFamilyPolicy", DUAL),
    "external-ips": Kind(in_spec(externalIPs=["192.0.2.7"]), "spec.externalIPs", ["192.0.2.7"]),
    "source-ranges": Kind(
        in_spec(loadBalancerSourceRanges=["0.0.0.0/0"]),
        "spec.loadBalancerSourceRanges[0]",
        "0.0.0.0/0",
        spec="load-balancer",
    ),
}


def moved(spec: Spec) -> Spec:
    """Return the same with another service port behind the first node port."""
    first, *others = spec.ports
    return replace(spec, ports=(replace(first, port=8080, target_port=9999), *others))


def test_each_kind_is_explained_and_healed_by_one_put_and_the_port_can_change_afterwards(
    cluster: Cluster,
) -> None:
    namespace = cluster.add_namespace()
    gateway, told, left = cluster.gateway, {}, {}
    for name, kind in KINDS.items():
        wanted = make_manifest(namespace, SPECS[kind.spec])
        gateway.create(wanted)
        drifted = cluster.hand_edit(namespace, "web", kind.change)
        drift = drift_of(drifted, wanted)
        assert drift is not None, name
        found = next((c["found"] for c in drift.changes if c["path"] == kind.path), "no such path")
        told[name] = (found, [writer.manager for writer in drift.writers])
        healed = gateway.replace(merged(drifted, wanted, wanted))
        changed = make_manifest(namespace, moved(SPECS[kind.spec]), revision=2)
        after = gateway.replace(merged(healed, changed, wanted))
        left[name] = (drift_of(healed, wanted), differs(after, changed))
        cluster.remove(namespace, "web")
    assert told == {name: (k.found, [HAND] if k.named else []) for name, k in KINDS.items()}
    assert left == dict.fromkeys(KINDS, (None, ()))


def test_what_never_changes_in_place_is_made_anew_with_its_ports_and_address(cluster: Cluster) -> None:
    namespace, gateway = cluster.add_namespace(), cluster.gateway
    balancer = balanced(allocate_node_ports=True, class_="example.com/a")
    before = gateway.create(make_manifest(namespace, balancer))
    wanted = make_manifest(namespace, balanced(allocate_node_ports=True, class_="example.com/b"), revision=2)
    with pytest.raises(FieldFixed):
        gateway.replace(merged(before, wanted, None))

    gateway.delete(namespace, "web", before["metadata"]["uid"], before["metadata"]["resourceVersion"])
    wanted["spec"]["clusterIP"] = before["spec"]["clusterIP"]
    after = gateway.create(wanted)

    assert differs(after, wanted) == ()
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert [after["spec"][f] for f in ("clusterIP", "ports")] == [
        before["spec"][f] for f in ("clusterIP", "ports")
    ]


def test_with_another_type_in_between_a_class_can_change(cluster: Cluster) -> None:
    namespace, gateway = cluster.add_namespace(), cluster.gateway
    steps = (balanced(class_="example.com/a"), SPECS["node-port"], balanced(class_="example.com/b"))
    first, *others = (make_manifest(namespace, spec, revision=n) for n, spec in enumerate(steps))
    stored = gateway.create(first)
    for wanted in others:
        stored = gateway.replace(merged(stored, wanted, None))
        assert differs(stored, wanted) == ()


def test_who_wrote_is_told_by_the_field_that_differs(cluster: Cluster) -> None:
    namespace = cluster.add_namespace()
    wanted = make_manifest(namespace, SPECS["node-port"])
    cluster.gateway.create(wanted)
    decorated = cluster.hand_edit(
        namespace, "web", lambda s: s["metadata"]["labels"].update({"example.com/theirs": "yes"})
    )
    assert drift_of(decorated, wanted) is None

    other = make_manifest(namespace, SPECS["node-port-cluster-policy"], revision=2)
    drift = drift_of(decorated, other)

    assert drift is not None
    assert drift.writers == ()
