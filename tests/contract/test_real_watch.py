"""The real gateway's watch alone: servers that fall silent, break off, talk nonsense or have forgotten."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import ControlPlane
from service.cluster.gateway import Change, ChangeKind, Kind
from service.cluster.real import KubernetesGateway, open_gateway
from service.domain.errors import ClusterAway, ListTooOld, WriteForbidden
from tests.contract.builders import make_service
from tests.contract.clusters import FIRST, LAST
from tests.contract.servers import Handler, answering, serving, write_kubeconfig

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (500)"}


def never() -> bool:
    return False


def event(kind: str = "ADDED", version: str = "5", **fields: object) -> dict[str, object]:
    metadata = {"namespace": "shop", "name": "web", "uid": "u", "resourceVersion": version}
    return {"type": kind, "object": {"kind": "Service", "metadata": metadata, "spec": {}} | fields}


def chunk(*events: object) -> bytes:
    """Return one chunk with a line for each event."""
    data = b"".join(json.dumps(found).encode() + b"\n" for found in events)
    return b"%x\r\n%b\r\n" % (len(data), data)


def telling(*pieces: bytes, then: Handler = lambda connection: None) -> Handler:
    """Return a handler that sends these pieces, with a short pause between them."""

    def handle(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.05)
        then(connection)

    return handle


def silent(connection: socket.socket) -> None:
    connection.recv(1)


def watch(folder: Path, url: str, silence_seconds: float = 70) -> Iterator[Change]:
    gateway = open_gateway(write_kubeconfig(folder, url), None, silence_seconds)
    return gateway.watch(Kind.SERVICES, "1", 30, never)


def test_events_are_read_however_they_are_cut(tmp_path: Path) -> None:
    both = chunk(event(), event("DELETED", "6"))
    line = json.dumps(event("MODIFIED", "7")).encode() + b"\n"
    halves = [b"%x\r\n%b\r\n" % (len(half), half) for half in (line[:20], line[20:])]

    with serving(telling(HEAD, both, *halves, END)) as server:
        seen = [(change.kind, change.resource_version) for change in watch(tmp_path, server.url)]

    assert seen == [(ChangeKind.ADDED, "5"), (ChangeKind.DELETED, "6"), (ChangeKind.MODIFIED, "7")]


def test_the_request_asks_for_bookmarks_an_end_and_the_right_version(tmp_path: Path) -> None:
    with serving(telling(HEAD, END)) as server:
        list(watch(tmp_path, server.url))

        line = server.requests[0].splitlines()[0]

    for part in ("watch=true", "allowWatchBookmarks=true", "timeoutSeconds=30", "resourceVersion=1"):
        assert part in line


def test_a_bookmark_needs_no_more_than_its_version(tmp_path: Path) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"kind": "Service", "metadata": {"resourceVersion": "9"}}}

    with serving(telling(HEAD, chunk(bookmark), END)) as server:
        [change] = watch(tmp_path, server.url)

    assert (change.kind, change.resource_version) == (ChangeKind.BOOKMARK, "9")


@pytest.mark.parametrize(
    "handle",
    [
        telling(HEAD, chunk({"type": "ERROR", "object": GONE}), END),
        answering("410 Gone", json.dumps(GONE)),
    ],
    ids=["in the watch", "at once"],
)
def test_a_forgotten_version_is_told_both_ways(tmp_path: Path, handle: Handler) -> None:
    with serving(handle) as server, pytest.raises(ListTooOld, match="too old resource version"):
        list(watch(tmp_path, server.url))


def test_a_right_that_is_missing_is_told(tmp_path: Path) -> None:
    status = {"kind": "Status", "code": 403, "message": "services is forbidden"}

    with serving(answering("403 Forbidden", json.dumps(status))) as server, pytest.raises(WriteForbidden):
        list(watch(tmp_path, server.url))


@pytest.mark.parametrize(
    "handle",
    [
        telling(HEAD, chunk(event())),
        telling(HEAD, chunk(event()), b"5\r\nhal"),
        telling(HEAD, chunk(event(), "nonsense"), END),
        telling(HEAD, chunk(event(), event("RENAMED")), END),
        telling(HEAD, chunk(event(), {"type": "ADDED", "object": {"metadata": {"name": "x"}}}), END),
        telling(HEAD, chunk(event(), event(metadata=None)), END),
        telling(HEAD, chunk(event(), {"type": "ERROR", "object": {"kind": "Status", "code": 500}}), END),
    ],
    ids=["cut", "cut in a chunk", "no JSON", "unknown kind", "no version", "no metadata", "an error"],
)
def test_what_came_before_a_break_is_told_and_the_break_is_too(tmp_path: Path, handle: Handler) -> None:
    with serving(handle) as server:
        changes = watch(tmp_path, server.url)
        assert next(changes).resource_version == "5"

        with pytest.raises(ClusterAway):
            next(changes)


@pytest.mark.parametrize("page", ["<html>hello</html>", "", "{}"])
def test_a_page_of_somebody_else_is_no_watch(tmp_path: Path, page: str) -> None:
    with serving(answering("502 Bad Gateway", page)) as server, pytest.raises(ClusterAway, match="502"):
        list(watch(tmp_path, server.url))


@pytest.mark.parametrize("rest", [(), (chunk(event())[:-9],)], ids=["between-events", "in-an-event"])
def test_a_watch_ends_in_time_when_its_server_falls_silent(tmp_path: Path, rest: tuple[bytes, ...]) -> None:
    with serving(telling(HEAD, chunk(event()), *rest, then=silent)) as server:
        changes = watch(tmp_path, server.url, silence_seconds=1)
        next(changes)
        begun = time.monotonic()

        assert list(changes) == []

    assert 0.9 < time.monotonic() - begun < 2


def test_a_server_that_does_not_even_begin_a_watch_is_away(tmp_path: Path) -> None:
    with serving(silent) as server, pytest.raises(ClusterAway, match="the watch of services broke"):
        list(watch(tmp_path, server.url))


@pytest.mark.parametrize("pieces", [(), (HEAD,), (HEAD, chunk(event()))], ids=["mute", "head", "event"])
def test_a_stop_is_heard_while_the_server_is_silent(tmp_path: Path, pieces: tuple[bytes, ...]) -> None:
    stopping = threading.Event()
    with serving(telling(*pieces, then=silent)) as server:
        gateway = open_gateway(write_kubeconfig(tmp_path, server.url), None)
        threading.Timer(0.5, stopping.set).start()
        begun = time.monotonic()

        list(gateway.watch(Kind.SERVICES, "1", 30, stopping.is_set))

    assert 0.4 < time.monotonic() - begun < 1.2


def test_a_call_in_the_midst_of_a_watch_has_its_own_time(tmp_path: Path) -> None:
    with serving(telling(HEAD, chunk(event()), chunk(event(version="6")), then=silent)) as server:
        changes = watch(tmp_path, server.url)
        next(changes)
        with serving(silent) as other:
            (tmp_path / "other").mkdir()
            begun = time.monotonic()
            with pytest.raises(ClusterAway):
                open_gateway(write_kubeconfig(tmp_path / "other", other.url), None).list(Kind.NODES)
        assert time.monotonic() - begun < 5
        assert next(changes).resource_version == "6"


def test_a_server_that_was_started_anew_has_forgotten_what_was_before(tmp_path: Path) -> None:
    since = ""
    for _ in range(2):
        with ControlPlane(f"{FIRST}-{LAST}", data_dir=tmp_path / "data") as control_plane:
            gateway: KubernetesGateway = open_gateway(control_plane.kubeconfig("worker"), None)
            if since:
                with pytest.raises(ListTooOld, match="too old resource version"):
                    next(gateway.watch(Kind.SERVICES, since, 5, never))
            else:
                since = gateway.list(Kind.SERVICES).resource_version
                control_plane.add_namespace("shop")
                gateway.create(make_service("shop"))
            gateway.close()
