"""What is written into the cluster's object, and which differences count as drift."""

from typing import Any

import pytest

from service.domain.exposure import Allocation, NodePort, PortOrigin
from service.domain.manifest import differs, merged, render, with_mark, with_ports
from service.domain.spec import Document, ExposureType, Spec
from tests.builders import FILLED_IN
from tests.manifest_builders import MARK, METADATA, make_spec

ALLOCATION = Allocation((NodePort(30001, PortOrigin.CHOSEN),))


def make_wanted(spec: Spec | None = None) -> Document:
    return with_mark(with_ports(render(METADATA, spec or make_spec()), ALLOCATION), MARK)


def make_current(wanted: Document, **spec: Any) -> Document:
    """Return a wanted manifest as a cluster stores it."""
    metadata = wanted["metadata"] | {"uid": "u-1", "resourceVersion": "41"}
    filled_in = FILLED_IN | {"externalTrafficPolicy": "Cluster"}
    return wanted | {"metadata": metadata, "spec": filled_in | wanted["spec"] | spec}


# Merging.


def test_a_merge_keeps_the_fence_and_what_the_cluster_filled_in() -> None:
    wanted = make_wanted()
    result = merged(make_current(wanted), wanted, None)

    assert result["metadata"]["uid"] == "u-1"
    assert result["metadata"]["resourceVersion"] == "41"
    assert result["spec"]["clusterIP"] == "10.0.0.9"


def test_a_merge_drops_foreign_spec_fields_and_list_entries() -> None:
    wanted = make_wanted()
    spoiled = make_current(
        wanted,
        externalIPs=["192.0.2.7"],
        ports=[*wanted["spec"]["ports"], {"name": "foreign", "port": 9}],
    )

    result = merged(spoiled, wanted, None)

    assert "externalIPs" not in result["spec"]
    assert result["spec"]["ports"] == wanted["spec"]["ports"]


def test_a_merge_states_the_ip_family_policy_because_a_silent_put_keeps_the_old_one() -> None:
    wanted = make_wanted()

    result = merged(make_current(wanted, ipFamilyPolicy="PreferDualStack"), wanted, None)

    assert result["spec"]["ipFamilyPolicy"] == "SingleStack"


def test_a_merge_removes_what_the_previous_manifest_had_and_leaves_what_others_wrote() -> None:
    wanted, previous = make_wanted(), make_wanted()
    previous["metadata"]["annotations"]["example.com/old"] = "ours"
    current = make_current(previous)
    current["metadata"]["annotations"] = current["metadata"]["annotations"] | {"example.com/theirs": "kept"}

    annotations = merged(current, wanted, previous)["metadata"]["annotations"]

    assert "example.com/old" not in annotations
    assert annotations["example.com/theirs"] == "kept"


def test_a_merge_changes_neither_of_its_arguments() -> None:
    wanted = make_wanted()
    current = make_current(wanted)
    before = repr((wanted, current))

    merged(current, wanted, wanted)["spec"]["ports"][0]["port"] = 1

    assert repr((wanted, current)) == before


# Comparing.


def test_what_the_cluster_filled_in_is_no_difference() -> None:
    wanted = make_wanted()

    assert differs(make_current(wanted), wanted) == ()


def test_the_default_time_of_client_affinity_is_no_difference() -> None:
    wanted = make_wanted(make_spec(session_affinity="ClientIP"))
    config = {"clientIP": {"timeoutSeconds": 10800}}

    assert differs(make_current(wanted, sessionAffinityConfig=config), wanted) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "LoadBalancer"),
        ("selector", {"app": "thief"}),
        ("ports", []),
        ("externalTrafficPolicy", "Local"),
        ("internalTrafficPolicy", "Local"),
        ("sessionAffinity", "ClientIP"),
        ("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}}),
        ("ipFamilyPolicy", "PreferDualStack"),
        ("externalIPs", ["192.0.2.7"]),
        ("loadBalancerClass", "example.com/a"),
        ("publishNotReadyAddresses", True),
    ],
)
def test_a_changed_spec_field_is_named(field: str, value: object) -> None:
    wanted = make_wanted()

    assert differs(make_current(wanted, **{field: value}), wanted) == (f"spec.{field}",)


def test_a_health_check_port_counts_only_when_we_chose_it() -> None:
    wanted = make_wanted()
    chosen = wanted | {"spec": wanted["spec"] | {"healthCheckNodePort": 30002}}
    current = make_current(wanted, healthCheckNodePort=30003)

    assert differs(current, wanted) == ()
    assert differs(current, chosen) == ("spec.healthCheckNodePort",)


def test_a_lost_label_and_a_changed_annotation_are_named() -> None:
    wanted = make_wanted()
    current = make_current(wanted)
    annotations = wanted["metadata"]["annotations"] | {"wharfinger.dev/revision": "9"}
    current["metadata"] |= {"labels": None, "annotations": annotations}

    assert differs(current, wanted) == (
        "metadata.labels[app.kubernetes.io/managed-by]",
        "metadata.annotations[wharfinger.dev/revision]",
    )


def test_a_class_that_the_cluster_gave_a_load_balancer_is_no_difference() -> None:
    wanted = make_wanted(make_spec(type=ExposureType.LOAD_BALANCER))
    current = make_current(wanted, loadBalancerClass="example.com/a")

    assert differs(current, wanted) == ()
    assert merged(current, wanted, None)["spec"]["loadBalancerClass"] == "example.com/a"
