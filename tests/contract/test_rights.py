"""What the worker's ServiceAccount may do, as the kube-apiserver lists it: each right, and no other."""

from itertools import product
from typing import Any

import pytest

from devcluster import ControlPlane
from devcluster.rights import NAMESPACE

Rights = set[tuple[str, str]]
OF_EVERY_ACCOUNT = ("authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io")
"""Kubernetes lets every account ask who it is and what it may do, and read which authorities are trusted."""

EVERYWHERE: Rights = {
    *product(("get", "list", "watch", "create", "update", "delete"), ("services",)),
    *product(("list", "watch"), ("nodes", "discovery.k8s.io/endpointslices")),
}
AT_HOME: Rights = {*product(("get", "create", "update"), ("configmaps",))}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
RESOURCES = (
    "services",
    "services/status",
    "secrets",
    "pods",
    "pods/exec",
    "nodes",
    "configmaps",
    "namespaces",
    "serviceaccounts/token",
    "discovery.k8s.io/endpointslices",
    "rbac.authorization.k8s.io/clusterroles",
)


def listed(control_plane: ControlPlane, namespace: str) -> Rights:
    """Return every right that the worker has in a namespace."""
    review = control_plane.client("worker").request(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        },
    )
    assert review["status"]["incomplete"] is False
    return {
        (verb, f"{group}/{resource}" if group else resource)
        for rule in review["status"]["resourceRules"]
        for verb, group, resource in product(rule["verbs"], rule["apiGroups"], rule["resources"])
        if group not in OF_EVERY_ACCOUNT
    }


def may(control_plane: ControlPlane, namespace: str, verb: str, resource: str) -> bool:
    """Ask whether the worker may do one thing."""
    group, _, name = resource.rpartition("/") if "." in resource.partition("/")[0] else ("", "", resource)
    name, _, subresource = name.partition("/")
    spec: dict[str, Any] = {
        "namespace": namespace,
        "verb": verb,
        "group": group,
        "resource": name,
        "subresource": subresource,
    }
    review = control_plane.client("worker").request(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": spec},
        },
    )
    return bool(review["status"]["allowed"])


@pytest.mark.parametrize(
    ("namespace", "rights"), [("default", EVERYWHERE), (NAMESPACE, EVERYWHERE | AT_HOME)]
)
def test_the_worker_has_these_rights_and_no_other(
    control_plane: ControlPlane, namespace: str, rights: Rights
) -> None:
    assert listed(control_plane, namespace) == rights
    asked = {
        (verb, resource)
        for verb, resource in product(VERBS, RESOURCES)
        if may(control_plane, namespace, verb, resource)
    }
    assert asked == rights
