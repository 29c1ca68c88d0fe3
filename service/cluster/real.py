"""The Gateway to a real kube-apiserver, over the Kubernetes client's transport.

The client's generated methods are left out: version 37 reads every body into its own models first, and
refuses a field that they do not know: one new field of a newer apiserver would make each PUT fail.
``param_serialize`` and ``call_api`` give its URLs, credentials and TLS with dicts in and raw JSON out.

A write is sent at most once, and no call lasts longer than ``CALL_TIMEOUT_SECONDS`` (deadline.py). The
client's own watch is left out as well: it hangs for ever on a dropped connection, and never advances its
version when it is not to deserialize.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, load_kube_config
from kubernetes.config.incluster_config import InClusterConfigLoader
from urllib3.exceptions import HTTPError, ReadTimeoutError

from service.cluster.answers import change_of, classify, read_json
from service.cluster.deadline import bind, ends_within, until
from service.cluster.gateway import CALL_TIMEOUT_SECONDS, Change, Kind, Listing
from service.domain.errors import ClusterAway, ObjectMissing
from service.domain.spec import Document

FIELD_MANAGER = "wharfinger"
CONNECT_SECONDS = 2.0
TRANSFER_SECONDS = CALL_TIMEOUT_SECONDS - 0.2
"""From before the connect to the last byte; the rest of the call's time is for reading the JSON."""
SERVER_SECONDS = 3
"""When the apiserver itself gives up (504), so that it rarely finishes a write we have left; default 34."""
SILENCE_SECONDS = 70.0
"""Bookmarks come about every 60 s and are never promised: a kube-apiserver sends none that says nothing new.

So a watch that is silent for longer may be a quiet one, or have nobody at its other end: a new one tells.
"""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts the token of a Pod, and the authority of its cluster."""

_SERVICES = "/api/v1/namespaces/{namespace}/services"
_SERVICE = "/api/v1/namespaces/{namespace}/services/{name}"
_CONFIG_MAPS = "/api/v1/namespaces/{namespace}/configmaps"
_CONFIG_MAP = "/api/v1/namespaces/{namespace}/configmaps/{name}"
PAGE_SIZE = 500
"""Objects in one answer of a list: each has a call's time for itself, and memory holds one at a time."""

_LISTS: Mapping[Kind, tuple[str, str]] = {
    Kind.SERVICES: ("/api/v1/services", "ServiceList"),
    Kind.ENDPOINT_SLICES: ("/apis/discovery.k8s.io/v1/endpointslices", "EndpointSliceList"),
    Kind.NODES: ("/api/v1/nodes", "NodeList"),
}
"""Each kind's path, and the kind of its list."""


class KubernetesGateway:
    """One cluster through one ``ApiClient``, which is changed: it retries no more and keeps deadlines."""

    def __init__(self, api_client: ApiClient, silence_seconds: float = SILENCE_SECONDS) -> None:
        api_client.configuration.retries = False
        api_client.configuration.client_go_retries = False
        bind(api_client.rest_client.pool_manager)
        self._client: Any = api_client  # half of its methods have no types
        self._silence_seconds = silence_seconds

    def close(self) -> None:
        """Close the idle connections."""
        self._client.close()

    def list(self, kind: Kind, keep: Callable[[Document], Document] | None = None) -> Listing:
        path, answered = _LISTS[kind]
        items: list[Document] = []
        rest = ""
        while True:
            more = [("limit", str(PAGE_SIZE)), *([("continue", rest)] if rest else ())]
            answer = self._call("GET", path, (answered,), query=more)
            page = answer["items"] or ()
            items += map(keep, page) if keep else page
            metadata = answer.get("metadata") or {}
            rest = str(metadata.get("continue") or "")
            if not metadata.get("resourceVersion"):
                raise ClusterAway(f"a {answered} without a resourceVersion is none of a kube-apiserver")
            if not rest:
                return Listing(items, str(metadata["resourceVersion"]))

    def watch(self, kind: Kind, since: str, seconds: int, stopping: Callable[[], bool]) -> Iterator[Change]:
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(seconds)),
            ("resourceVersion", since),
        ]
        try:
            with ends_within(TRANSFER_SECONDS), until(stopping):
                response = self._send("GET", _LISTS[kind][0], query)
                if response.status != 200:
                    raise classify("GET", int(response.status), read_json(bytes(response.read())))
            yield from _changes(response.response, self._silence_seconds, stopping)
        except (ApiException, ConfigException, HTTPError, OSError) as error:
            if not stopping():
                raise ClusterAway(f"the watch of {kind} broke: {_first_line(error)}") from error

    def service(self, namespace: str, name: str) -> Document | None:
        try:
            return self._call("GET", _SERVICE, ("Service",), namespace=namespace, name=name)
        except ObjectMissing:
            return None

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

    def config_map(self, namespace: str, name: str) -> Document | None:
        try:
            return self._call("GET", _CONFIG_MAP, ("ConfigMap",), namespace=namespace, name=name)
        except ObjectMissing:
            return None

    def put_config_map(self, config_map: Document) -> Document:
        metadata = config_map["metadata"]
        namespace = metadata["namespace"]
        if "resourceVersion" not in metadata:
            return self._call("POST", _CONFIG_MAPS, ("ConfigMap",), config_map, namespace=namespace)
        where = {"namespace": namespace, "name": metadata["name"]}
        return self._call("PUT", _CONFIG_MAP, ("ConfigMap",), config_map, **where)

    def delete(self, namespace: str, name: str, uid: str, resource_version: str) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
        }
        self._call("DELETE", _SERVICE, ("Status", "Service"), options, namespace=namespace, name=name)

    def _call(
        self,
        method: str,
        path: str,
        kinds: Sequence[str],
        body: Document | None = None,
        query: Sequence[tuple[str, str]] = (),
        **where: str,
    ) -> Document:
        """Send one request once; return the answer when it is of one of these kinds."""
        query = [("timeout", f"{SERVER_SECONDS}s"), *query]
        if method in ("POST", "PUT"):
            query.append(("fieldManager", FIELD_MANAGER))
        try:
            with ends_within(TRANSFER_SECONDS):
                response = self._send(method, path, query, body, where)
                status, content = int(response.status), bytes(response.read())
        except (ApiException, ConfigException, HTTPError, OSError) as error:
            # ApiException: a TLS error at this layer. ConfigException: credentials that cannot be renewed.
            address = self._client.configuration.host
            raise ClusterAway(f"no answer from the apiserver at {address}: {_first_line(error)}") from error
        answer = read_json(content)
        if not 200 <= status <= 299:
            raise classify(method, status, answer)
        if answer.get("kind") not in kinds:
            raise ClusterAway(f"HTTP {status} whose body is no {kinds[0]} of a kube-apiserver")
        return answer

    def _send(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: Document | None = None,
        where: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request; return its answer, whose body is not read yet."""
        request = self._client.param_serialize(
            method,
            path,
            path_params=where,
            query_params=query,
            header_params={"Accept": "application/json"}
            | ({"Content-Type": "application/json"} if body else {}),
            body=body,
            auth_settings=["BearerToken"],
        )
        return self._client.call_api(*request, _request_timeout=(CONNECT_SECONDS, TRANSFER_SECONDS))


def _changes(stream: Any, silence_seconds: float, stopping: Callable[[], bool]) -> Iterator[Change]:
    """Yield the events of an open watch; its connection serves nobody afterwards.

    Only the reading is bounded: between two events this thread may call whatever it likes.
    """
    lines = iter(stream)
    try:
        while not stopping():
            try:
                with ends_within(silence_seconds), until(stopping):
                    line = next(lines, None)
            except ReadTimeoutError:
                return
            if line is None:
                return
            yield change_of(line)
    finally:
        stream.close()


def _first_line(error: Exception) -> str:
    """Return what an error says, without the headers that an ApiException brings along."""
    text = str(error.reason) if isinstance(error, ApiException) else str(error)
    return text.strip().replace("\n", ": ") or type(error).__name__


def _strip_tokens(configuration: Any) -> None:
    """Let tokens be without the line break that a file may end with, whenever the client reads one anew."""
    read_anew = configuration.refresh_api_key_hook

    def refresh(refreshed: Any) -> None:
        if read_anew is not None:
            read_anew(refreshed)
        refreshed.api_key = {name: key.strip() for name, key in refreshed.api_key.items()}

    configuration.refresh_api_key_hook = refresh


def open_gateway(
    kubeconfig: Path | None,
    context: str | None,
    silence_seconds: float = SILENCE_SECONDS,
    account: Path = SERVICE_ACCOUNT,
) -> KubernetesGateway:
    """Return the gateway to the cluster that a kubeconfig names; nothing is sent yet.

    Args:
        kubeconfig: None: the credentials that Kubernetes gives to a Pod.
        context: None: the file's current one.
        silence_seconds: after which a watch that says nothing ends.
        account: the folder of a Pod's credentials.

    Raises:
        ClusterAway: the file, the context or the credentials are not there or cannot be read.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            if context is not None:  # the Pod's own cluster may well be another one
                raise ConfigException("a context was named, and no kubeconfig: set WHARFINGER_KUBECONFIG")
            InClusterConfigLoader(account / "token", account / "ca.crt").load_and_set(configuration)  # type: ignore[no-untyped-call]
        else:
            if not kubeconfig.is_file():
                raise ConfigException("there is no such file")
            load_kube_config(str(kubeconfig), context, configuration, persist_config=False)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        source = "in-cluster credentials" if kubeconfig is None else f"kubeconfig {kubeconfig}"
        wanted = f", context {context}" if context else ""
        raise ClusterAway(f"{source}{wanted}: {_first_line(error)}") from error
    configuration.retries = False
    _strip_tokens(configuration)
    api_client = ApiClient(configuration)
    api_client.user_agent = FIELD_MANAGER
    return KubernetesGateway(api_client, silence_seconds)
