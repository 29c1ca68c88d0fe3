"""The Gateway to a real kube-apiserver, over the Kubernetes client's transport.

The client's generated methods are left out: version 37 reads every body into its own models first, and
refuses a field that they do not know: one new field of a newer apiserver would make each PUT fail.
``param_serialize`` and ``call_api`` give its URLs, credentials and TLS with dicts in and raw JSON out.

A write is sent at most once, and no call lasts longer than ``CALL_TIMEOUT_SECONDS`` (deadline.py). An answer
counts only when a kube-apiserver has written it (``kind`` is looked at): a proxy's 404 page must never look
like a Service that is gone.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
from urllib3.exceptions import HTTPError

from service.cluster.deadline import bind, ends_within
from service.cluster.gateway import CALL_TIMEOUT_SECONDS
from service.domain.errors import (
    ClusterAway,
    ClusterError,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    PortAllocated,
    WriteForbidden,
    WriteRefused,
)
from service.domain.spec import Document

FIELD_MANAGER = "wharfinger"
CONNECT_SECONDS = 2.0
TRANSFER_SECONDS = CALL_TIMEOUT_SECONDS - 0.2
"""From before the connect to the last byte; the rest of the call's time is for reading the JSON."""
SERVER_SECONDS = 3
"""When the apiserver itself gives up (504), so that it rarely finishes a write we have left; default 34."""

_ALL_SERVICES = "/api/v1/services"
_SERVICES = "/api/v1/namespaces/{namespace}/services"
_SERVICE = "/api/v1/namespaces/{namespace}/services/{name}"
_SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
_NODES = "/api/v1/nodes"

_ALREADY_ALLOCATED = "provided port is already allocated"
_OUT_OF_RANGE = "provided port is not in the valid range"


class KubernetesGateway:
    """One cluster through one ``ApiClient``, which is changed: it retries no more and keeps deadlines."""

    def __init__(self, api_client: ApiClient) -> None:
        api_client.configuration.retries = False
        api_client.configuration.client_go_retries = False
        bind(api_client.rest_client.pool_manager)
        self._client: Any = api_client  # half of its methods have no types

    def close(self) -> None:
        """Close the idle connections."""
        self._client.close()

    def services(self) -> list[Document]:
        return self._list(_ALL_SERVICES, "ServiceList")

    def service(self, namespace: str, name: str) -> Document | None:
        try:
            return self._call("GET", _SERVICE, ("Service",), namespace=namespace, name=name)
        except ObjectMissing:
            return None

    def endpoint_slices(self) -> list[Document]:
        return self._list(_SLICES, "EndpointSliceList")

    def nodes(self) -> list[Document]:
        return self._list(_NODES, "NodeList")

    def create(self, service: Document) -> Document:
        return self._call(
            "POST", _SERVICES, ("Service",), service, namespace=service["metadata"]["namespace"]
        )

    def replace(self, service: Document) -> Document:
        metadata = service["metadata"]
        if not metadata.get("uid") or not metadata.get("resourceVersion"):
            raise ValueError("a Service without uid and resourceVersion: the PUT would not be fenced")
        where = {"namespace": metadata["namespace"], "name": metadata["name"]}
        return self._call("PUT", _SERVICE, ("Service",), service, **where)

    def delete(self, namespace: str, name: str, uid: str, resource_version: str) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
        }
        self._call("DELETE", _SERVICE, ("Status", "Service"), options, namespace=namespace, name=name)

    def _list(self, path: str, kind: str) -> list[Document]:
        items = self._call("GET", path, (kind,))["items"]
        return list(items or ())

    def _call(
        self, method: str, path: str, kinds: Sequence[str], body: Document | None = None, **where: str
    ) -> Document:
        """Send one request once; return the answer when it is of one of these kinds."""
        query = [("timeout", f"{SERVER_SECONDS}s")]
        if method in ("POST", "PUT"):
            query.append(("fieldManager", FIELD_MANAGER))
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})
        try:
            with ends_within(TRANSFER_SECONDS):
                request = self._client.param_serialize(
                    method,
                    path,
                    path_params=where,
                    query_params=query,
                    header_params=headers,
                    body=body,
                    auth_settings=["BearerToken"],
                )
                response = self._client.call_api(
                    *request, _request_timeout=(CONNECT_SECONDS, TRANSFER_SECONDS)
                )
                status, content = int(response.status), bytes(response.read())
        except (ApiException, ConfigException, HTTPError, OSError) as error:
            # ApiException: a TLS error at this layer. ConfigException: credentials that cannot be renewed.
            raise ClusterAway(f"no answer from the apiserver: {_first_line(error)}") from error
        answer = _read_json(content)
        if not 200 <= status <= 299:
            raise classify(method, status, answer)
        if answer.get("kind") not in kinds:
            raise ClusterAway(f"HTTP {status} whose body is no {kinds[0]} of a kube-apiserver")
        return answer


def classify(method: str, status: int, answer: Document) -> ClusterError:
    """Return the error for an answer that is not 2xx; its message is the apiserver's own.

    ``answer`` is the body: a ``Status`` of a kube-apiserver, else somebody else's page, which says nothing
    about the object. 401 is a ``WriteForbidden`` too: both are retried, for a token is renewed and a right is
    granted without our doing. A taken number is 422, a taken health check port 500 with the same words.
    """
    if answer.get("kind") != "Status":
        what = answer.get("message") or f"HTTP {status} whose body is no Status of a kube-apiserver"
        return ClusterAway(str(what))
    message = str(answer.get("message") or f"HTTP {status}")
    if status in (401, 403):
        return WriteForbidden(message)
    if status == 404:
        return ObjectMissing(message)
    if status == 409:
        exists = method == "POST" and answer.get("reason") == "AlreadyExists"
        return ObjectExists(message) if exists else ObjectChanged(message)
    if status in (422, 500) and _ALREADY_ALLOCATED in message:
        return PortAllocated(message)
    if status == 422:
        return _classify_invalid(answer, message)
    if status in (408, 429) or not 400 <= status <= 499:
        return ClusterAway(message)
    return WriteRefused(message)


def _classify_invalid(answer: Document, message: str) -> ClusterError:
    """Return the error for a 422 that is not about a taken number.

    The apiserver wraps whatever its node port allocator fails with, a verdict as well as etcd trouble, as
    ``FieldValueInvalid`` of that nodePort. So when every cause is of that kind and none is a verdict on the
    number, the same request may pass later: ``ClusterAway``. Anything else judges what was sent.
    """
    causes = (answer.get("details") or {}).get("causes") or ()
    if causes and all(_is_allocator_trouble(cause) for cause in causes):
        return ClusterAway(message)
    return WriteRefused(message)


def _is_allocator_trouble(cause: Document) -> bool:
    field, text = str(cause.get("field", "")), str(cause.get("message", ""))
    on_number = field.startswith("spec.ports[") and field.endswith(".nodePort")
    return on_number and cause.get("reason") == "FieldValueInvalid" and _OUT_OF_RANGE not in text


def _read_json(content: bytes) -> Document:
    """Return the object that a body holds; an empty one when it holds none."""
    try:
        value: Any = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _first_line(error: Exception) -> str:
    """Return what an error says, without the headers that an ApiException brings along."""
    text = str(error.reason) if isinstance(error, ApiException) else str(error)
    return text.strip().replace("\n", ": ") or type(error).__name__


def open_gateway(kubeconfig: Path | None, context: str | None) -> KubernetesGateway:
    """Return the gateway to the cluster that a kubeconfig names; nothing is sent yet.

    Args:
        kubeconfig: None: the credentials that Kubernetes gives to a Pod.
        context: None: the file's current one.

    Raises:
        ClusterAway: the file, the context or the credentials are not there or cannot be read.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            if not kubeconfig.is_file():
                raise ConfigException("there is no such file")
            load_kube_config(str(kubeconfig), context, configuration, persist_config=False)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        source = "in-cluster credentials" if kubeconfig is None else f"kubeconfig {kubeconfig}"
        wanted = f", context {context}" if context else ""
        raise ClusterAway(f"{source}{wanted}: {_first_line(error)}") from error
    configuration.retries = False
    api_client = ApiClient(configuration)
    api_client.user_agent = FIELD_MANAGER
    return KubernetesGateway(api_client)
