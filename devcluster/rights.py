"""The worker's ServiceAccount and its rights, from the manifest that production uses too."""

from pathlib import Path

import yaml

from devcluster.client import Client
from devcluster.processes import ROOT

MANIFEST = ROOT / "deploy" / "kubernetes" / "worker-rbac.yaml"
WORKER = "wharfinger-worker"
NAMESPACE = "wharfinger"
_TOKEN_SECONDS = 30 * 24 * 3600
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles",
    "RoleBinding": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings",
}


def apply_worker_rights(admin: Client, manifest: Path = MANIFEST) -> None:
    """Make the namespace, the account, the roles and the bindings be as the manifest says."""
    for document in yaml.safe_load_all(manifest.read_text()):
        admin.apply(f"{_PATHS[document['kind']]}/{document['metadata']['name']}", document)


def request_token(admin: Client) -> str:
    """Return a token of the worker's account that lasts 30 days."""
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": _TOKEN_SECONDS},
    }
    path = f"{_PATHS['ServiceAccount']}/{WORKER}/token"
    return str(admin.request("POST", path, body)["status"]["token"])
