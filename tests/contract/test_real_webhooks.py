"""What the real kube-apiserver answers while an admission webhook of its cluster does not work."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from service.domain.errors import ClusterError, WebhookFailed
from service.domain.spec import Document
from tests.contract.builders import make_service
from tests.contract.clusters import Real
from tests.e2e.parts import wait_until

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
KNOWN_SECONDS = 10.0
"""In which the kube-apiserver has heard of a webhook: it reads them from a cache."""


@contextmanager
def webhook(real: Real, namespace: str, port: int) -> Iterator[None]:
    """Let Services of one namespace be admitted by a webhook at a port of loopback."""
    hook = {
        "name": "broken.example.com",
        "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["services"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "timeoutSeconds": 1,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    real.request("POST", CONFIGURATIONS, kind | {"metadata": {"name": namespace}, "webhooks": [hook]})
    try:
        yield
    finally:
        real.request("DELETE", f"{CONFIGURATIONS}/{namespace}")


def refusal(act: Callable[[], object]) -> ClusterError:
    """Return what is answered once the kube-apiserver knows of the webhook."""

    def refused() -> ClusterError | None:
        try:
            act()
        except ClusterError as error:
            return error
        return None

    return wait_until(refused, "the kube-apiserver asks the webhook", KNOWN_SECONDS)


@pytest.fixture
def silent() -> Iterator[int]:
    """Give the port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def labelled(service: Document, number: int) -> Document:
    return service | {"metadata": service["metadata"] | {"labels": {"number": str(number)}}}


def test_a_webhook_that_does_not_work_is_no_cluster_that_is_away(real: Real, silent: int) -> None:
    namespace = real.add_namespace()
    gateway, made = real.gateway, real.gateway.create(make_service(namespace))
    uid = made["metadata"]["uid"]

    def replace() -> None:
        nonlocal made
        made = gateway.replace(labelled(made, int(made["metadata"]["resourceVersion"])))

    with webhook(real, namespace, silent):
        refusals = [
            refusal(replace),
            refusal(lambda: gateway.create(make_service(namespace, "other"))),
            refusal(lambda: gateway.delete(namespace, "web", uid, made["metadata"]["resourceVersion"])),
        ]

    assert [type(error) for error in refusals] == [WebhookFailed] * 3
    assert all("broken.example.com" in str(error) for error in refusals)
    assert gateway.service(namespace, "other") is None
    assert gateway.service(namespace, "web") == made
