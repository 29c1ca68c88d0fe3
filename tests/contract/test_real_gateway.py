"""The real gateway alone: servers that misbehave, credentials that do not fit, answers of nobody we asked."""

import base64
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.cluster.gateway import CALL_TIMEOUT_SECONDS, Kind
from service.cluster.real import KubernetesGateway, open_gateway
from service.domain.errors import (
    ClusterAway,
    WriteForbidden,
)
from tests.contract.clusters import Real
from tests.contract.servers import Handler, answering, serving, trickling, write_kubeconfig

Document = dict[str, Any]
SERVICE: Document = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"namespace": "shop", "name": "web", "uid": "u", "resourceVersion": "1"},
    "spec": {"ports": [{"port": 80}]},
}
NO_NODES: Document = {"kind": "NodeList", "metadata": {"resourceVersion": "1"}, "items": []}
CALLS: dict[str, Callable[[KubernetesGateway], object]] = {
    "services": lambda gateway: gateway.list(Kind.SERVICES),
    "service": lambda gateway: gateway.service("shop", "web"),
    "endpoint slices": lambda gateway: gateway.list(Kind.ENDPOINT_SLICES),
    "nodes": lambda gateway: gateway.list(Kind.NODES),
    "create": lambda gateway: gateway.create(SERVICE),
    "replace": lambda gateway: gateway.replace(SERVICE),
    "delete": lambda gateway: gateway.delete("shop", "web", "u", "1"),
}
WRITES = ("create", "replace", "delete")


def silent(connection: socket.socket) -> None:
    connection.recv(1)


def hang_up(connection: socket.socket) -> None:
    connection.close()


def open_at(folder: Path, url: str) -> KubernetesGateway:
    return open_gateway(write_kubeconfig(folder, url), None)


# No answer in time.


def seconds_until_away(gateway: KubernetesGateway, call: Callable[[KubernetesGateway], object]) -> float:
    begun = time.monotonic()
    with pytest.raises(ClusterAway):
        call(gateway)
    return time.monotonic() - begun


def test_a_server_that_never_answers_is_away_in_time_for_every_call(tmp_path: Path) -> None:
    with serving(silent) as server, ThreadPoolExecutor(len(CALLS)) as pool:
        gateway = open_at(tmp_path, server.url)
        seconds = list(pool.map(lambda call: seconds_until_away(gateway, call), CALLS.values()))

    assert max(seconds) < CALL_TIMEOUT_SECONDS


def test_a_server_that_trickles_is_away_in_time_wherever_it_begins(tmp_path: Path) -> None:
    beginnings = [
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/j",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n{",
        b"HTTP/1.1 500 Oh\r\nContent-Length: 5000\r\n\r\n{",
    ]

    def trickle(start: bytes) -> float:
        with serving(trickling(start)) as server:
            path = tmp_path / str(beginnings.index(start))
            path.mkdir()
            return seconds_until_away(open_at(path, server.url), CALLS["create"])

    with ThreadPoolExecutor(len(beginnings)) as pool:
        seconds = list(pool.map(trickle, beginnings))

    assert max(seconds) < CALL_TIMEOUT_SECONDS


def test_a_server_that_never_shakes_hands_is_away_in_time(tmp_path: Path) -> None:
    with serving(silent) as server:
        begun = time.monotonic()
        with pytest.raises(ClusterAway):
            open_at(tmp_path, server.url.replace("http:", "https:")).list(Kind.SERVICES)

    assert time.monotonic() - begun < CALL_TIMEOUT_SECONDS


def test_a_dead_port_is_away_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    begun = time.monotonic()

    with pytest.raises(ClusterAway, match="refused"):
        open_at(tmp_path, url).list(Kind.SERVICES)

    assert time.monotonic() - begun < 1


def test_an_answer_after_a_slow_one_has_its_own_time(tmp_path: Path) -> None:
    answer = json.dumps(NO_NODES)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n"

    def handle(connection: socket.socket) -> None:
        for _ in range(3):
            time.sleep(1.5)
            connection.sendall((head + answer).encode())
            connection.recv(65536)

    with serving(handle) as server:
        gateway = open_at(tmp_path, server.url)
        assert [gateway.list(Kind.NODES).items for _ in range(3)] == [[], [], []]


# Sent at most once.


@pytest.mark.parametrize("handle", [hang_up, answering("503 Later", "later", "text/plain", "Retry-After: 0")])
@pytest.mark.parametrize("call", WRITES)
def test_a_write_is_sent_once(tmp_path: Path, call: str, handle: Handler) -> None:
    with serving(handle) as server:
        with pytest.raises(ClusterAway):
            CALLS[call](open_at(tmp_path, server.url))

        assert len(server.requests) == 1


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with serving(answering("307 Elsewhere", "", "text/plain", "Location: /elsewhere")) as server:
        with pytest.raises(ClusterAway):
            open_at(tmp_path, server.url).create(SERVICE)

        assert len(server.requests) == 1


def test_the_apiserver_is_told_to_give_up_before_we_do(tmp_path: Path) -> None:
    with serving(answering("200 OK", json.dumps(SERVICE))) as server:
        open_at(tmp_path, server.url).create(SERVICE)

        assert "timeout=3s" in server.requests[0].splitlines()[0]


# Answers that no apiserver wrote.


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "409 Conflict", "500 Oh", "502 Bad Gateway"])
def test_a_page_of_somebody_else_says_nothing(tmp_path: Path, status: str, call: str) -> None:
    with (
        serving(answering(status, "<html>hello</html>", "text/html")) as server,
        pytest.raises(ClusterAway, match=status[:3]),
    ):
        CALLS[call](open_at(tmp_path, server.url))


@pytest.mark.parametrize("call", CALLS)
def test_an_empty_object_is_no_answer(tmp_path: Path, call: str) -> None:
    with serving(answering("200 OK", "{}")) as server, pytest.raises(ClusterAway):
        CALLS[call](open_at(tmp_path, server.url))


def test_a_field_that_this_release_does_not_know_is_sent_as_it_is(tmp_path: Path) -> None:
    with serving(answering("200 OK", json.dumps(SERVICE))) as server:
        open_at(tmp_path, server.url).replace(SERVICE | {"spec": {"newInKubernetes99": True}})

        assert '"newInKubernetes99": true' in server.requests[0]


# Credentials.


def test_a_token_is_sent_over_plain_http(tmp_path: Path) -> None:
    with serving(answering("200 OK", json.dumps(NO_NODES))) as server:
        assert open_at(tmp_path, server.url).list(Kind.NODES).items == []

        assert "authorization: bearer a-token" in server.requests[0].lower()


def test_a_token_that_is_not_known_is_forbidden_and_retried(real: Real, tmp_path: Path) -> None:
    document = yaml.safe_load(Path(real.control_plane.kubeconfig("worker")).read_text())
    for user in document["users"]:
        user["user"] = {"token": "not-a-token"}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document))

    with pytest.raises(WriteForbidden, match="Unauthorized") as refusal:
        open_gateway(path, None).list(Kind.SERVICES)

    assert refusal.value.retryable


def test_a_client_certificate_opens_the_door(real: Real) -> None:
    gateway = open_gateway(real.control_plane.kubeconfig("admin"), None)

    assert isinstance(gateway.list(Kind.SERVICES).items, list)


def test_a_server_of_another_authority_is_away(real: Real, tmp_path: Path) -> None:
    document = yaml.safe_load(Path(real.control_plane.kubeconfig("worker")).read_text())
    for cluster in document["clusters"]:
        cluster["cluster"].pop("certificate-authority-data", None)
        cluster["cluster"].pop("certificate-authority", None)
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document))

    with pytest.raises(ClusterAway, match=r"(?i)certificate"):
        open_gateway(path, None).list(Kind.SERVICES)


def test_many_threads_share_one_gateway(real: Real) -> None:
    namespace = real.add_namespace()

    def create(number: int) -> Document:
        metadata = {"namespace": namespace, "name": f"web-{number}"}
        return real.gateway.create(SERVICE | {"metadata": metadata})

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(create, range(40)))

    assert {service["metadata"]["name"] for service in created} == {f"web-{n}" for n in range(40)}


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterAway, match=r"nothing-here: there is no such file"):
        open_gateway(tmp_path / "nothing-here", None)


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterAway, match="elsewhere"):
        open_gateway(write_kubeconfig(tmp_path, "http://127.0.0.1:1"), "elsewhere")


def test_a_context_is_chosen_by_name(tmp_path: Path) -> None:
    open_gateway(write_kubeconfig(tmp_path, "http://127.0.0.1:1"), "here")


@pytest.mark.parametrize("text", ["", "{", "[]", "a: [b", "clusters: 7"])
def test_a_kubeconfig_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)

    with pytest.raises(ClusterAway, match=str(path)):
        open_gateway(path, None)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = base64.b64encode(b"no certificate").decode()
    user = {"client-certificate-data": broken, "client-key-data": broken}

    with pytest.raises(ClusterAway):
        open_gateway(write_kubeconfig(tmp_path, "https://127.0.0.1:1", user), None).list(Kind.SERVICES)


def test_outside_of_a_pod_there_are_no_in_cluster_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(ClusterAway, match="in-cluster credentials"):
        open_gateway(None, None)


def test_a_long_list_comes_in_pages_and_of_each_is_kept_what_it_is_told_to(tmp_path: Path) -> None:
    def page(name: str, **metadata: str) -> Handler:
        node = {"metadata": {"name": name}}
        listed = {"metadata": {"resourceVersion": "7", **metadata}, "items": [node]}
        return answering("200 OK", json.dumps({"kind": "NodeList", **listed}))

    def answer(connection: socket.socket) -> None:
        next(pages)(connection)

    pages = iter([page("a", **{"continue": "next"}), page("b")])
    with serving(answer) as server:
        found = open_at(tmp_path, server.url).list(Kind.NODES, lambda n: {"name": n["metadata"]["name"]})

        assert (found.items, found.resource_version) == ([{"name": "a"}, {"name": "b"}], "7")
        assert ["continue=next" in asked for asked in server.requests] == [False, True]


def test_a_list_without_a_version_is_none(tmp_path: Path) -> None:
    with (
        serving(answering("200 OK", json.dumps({"kind": "NodeList", "items": []}))) as server,
        pytest.raises(ClusterAway, match="without a resourceVersion"),
    ):
        open_at(tmp_path, server.url).list(Kind.NODES)
