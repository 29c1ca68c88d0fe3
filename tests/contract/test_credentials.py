"""Credentials that are rotated: the way in has another stamp, and who opens it again has the new ones."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.cluster.credentials import Credentials
from service.cluster.gateway import Kind
from service.domain.errors import ClusterAway, WriteForbidden
from tests.contract.clusters import Real
from tests.contract.servers import Server, answering, serving, write_kubeconfig

NODES = answering(
    "200 OK", json.dumps({"kind": "NodeList", "metadata": {"resourceVersion": "1"}, "items": []})
)


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a server that keeps what it was sent."""
    with serving(NODES) as started:
        yield started


def token_of(server: Server) -> str:
    """Return the token of the last request."""
    lines = server.requests[-1].splitlines()
    return next(line.split()[-1] for line in lines if line.lower().startswith("authorization:"))


def test_a_kubeconfig_that_is_written_anew_is_another_way_in(tmp_path: Path, server: Server) -> None:
    credentials = Credentials(write_kubeconfig(tmp_path, server.url, {"token": "old"}))
    before = credentials.stamp(None, False)
    assert credentials.stamp(None, False) == before
    credentials.open(None, False).list(Kind.NODES)
    assert token_of(server) == "old"

    write_kubeconfig(tmp_path, server.url, {"token": "new"})

    assert credentials.stamp(None, False) != before
    credentials.open(None, False).list(Kind.NODES)
    assert token_of(server) == "new"


def test_a_file_that_a_kubeconfig_names_is_part_of_the_way_in(tmp_path: Path, server: Server) -> None:
    (tmp_path / "token").write_text("old\n")
    credentials = Credentials(write_kubeconfig(tmp_path, server.url, {"tokenFile": "token"}))
    before = credentials.stamp("here", False)

    (tmp_path / "fresh").write_text("new\n")
    (tmp_path / "fresh").rename(tmp_path / "token")

    assert credentials.stamp("here", False) != before
    credentials.open("here", False).list(Kind.NODES)
    assert token_of(server) == "new"


def test_a_change_of_another_context_changes_nothing(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path, "http://127.0.0.1:1")
    credentials = Credentials(path)
    before = credentials.stamp("here", False)
    document = yaml.safe_load(path.read_text())
    document["users"].append({"name": "other", "user": {"token": "another"}})
    path.write_text(json.dumps(document))
    assert credentials.stamp("here", False) == before


@pytest.mark.parametrize("text", ["", "{", "[]", "clusters: 7", "contexts: [1, {name: here, context: 3}]"])
def test_a_kubeconfig_that_is_being_written_has_a_stamp_and_opens_nothing(tmp_path: Path, text: str) -> None:
    path = write_kubeconfig(tmp_path, "http://127.0.0.1:1")
    credentials = Credentials(path)
    before = credentials.stamp("here", False)
    path.write_text(text)
    assert credentials.stamp("here", False) != before
    with pytest.raises(ClusterAway):
        credentials.open("here", False)


def test_a_context_without_a_kubeconfig_is_not_the_pods_own_cluster() -> None:
    with pytest.raises(ClusterAway, match="WHARFINGER_KUBECONFIG"):
        Credentials(None).open("prod", False)


def test_the_pods_own_token_is_read_again(
    real: Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Kubernetes does it: a new folder, and the names lead there."""
    config: Any = yaml.safe_load(real.control_plane.kubeconfig("worker").read_text())
    url = real.control_plane.url
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", url.rpartition(":")[2])
    authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
    good = config["users"][0]["user"]["token"]
    put_account(tmp_path, "revoked", authority)
    credentials = Credentials(tmp_path / "no kubeconfig", account=tmp_path)
    before = credentials.stamp(None, True)
    with pytest.raises(WriteForbidden):
        credentials.open(None, True).list(Kind.NODES)

    put_account(tmp_path, good, authority)

    assert credentials.stamp(None, True) != before
    credentials.open(None, True).list(Kind.NODES)


def put_account(folder: Path, token: str, authority: str) -> None:
    """Write a Pod's credentials, the token under a new inode."""
    (folder / "ca.crt").write_bytes(base64.b64decode(authority))
    (folder / "fresh").write_text(token)
    (folder / "fresh").rename(folder / "token")
