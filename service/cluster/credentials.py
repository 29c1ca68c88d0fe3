"""The ways into clusters: contexts of one kubeconfig, or the account of the worker's own Pod.

Credentials are rotated while the worker runs: a file is written anew, with another token or certificate. What
a way in rests on has a stamp, which differs as soon as the way does; then the gateway is opened again. Files
that a kubeconfig names are told apart by their times and sizes, what stands in it itself by its content: a
change of another context changes nothing here.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from service.cluster.real import SERVICE_ACCOUNT, KubernetesGateway, open_gateway
from service.domain.spec import Document

FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""What a kubeconfig names beside itself, relative to its own folder."""


class Credentials:
    """The ways into clusters that one process has. Safe to use from many threads.

    ``kubeconfig`` None: there is none, every cluster is the Pod's own; ``account``: where Kubernetes puts the
    Pod's token and authority.
    """

    def __init__(self, kubeconfig: Path | None, account: Path = SERVICE_ACCOUNT) -> None:
        self._kubeconfig, self._account = kubeconfig, account
        self._lock = threading.Lock()
        self._state: object = None
        self._document: Document = {}
        self._ways: dict[str | None, _Way] = {}

    def open(self, context: str | None, in_cluster: bool) -> KubernetesGateway:
        """Return the gateway to a cluster; nothing is sent yet.

        Raises:
            ClusterAway: the file, the context or the credentials are not there or cannot be read.
        """
        return open_gateway(None if in_cluster else self._kubeconfig, context, account=self._account)

    def stamp(self, context: str | None, in_cluster: bool) -> object:
        """Return what differs from what it was when this way in has changed."""
        if in_cluster or self._kubeconfig is None:
            return _state(self._account / "token"), _state(self._account / "ca.crt")
        content, files = self._way(context)
        return content, tuple(map(_state, files))

    def _way(self, context: str | None) -> "_Way":
        """Return what the kubeconfig says of a context; it is read again when it was written."""
        assert self._kubeconfig is not None
        state = _state(self._kubeconfig)
        with self._lock:
            if self._state != state:
                try:
                    found = yaml.safe_load(self._kubeconfig.read_text())
                except (OSError, ValueError, yaml.YAMLError):
                    found = None  # opening it says what is wrong
                self._state, self._ways = state, {}
                self._document = found if isinstance(found, dict) else {}
            if context not in self._ways:
                self._ways[context] = _way_of(self._document, context, self._kubeconfig.parent)
            return self._ways[context]


class _Way(NamedTuple):
    """What stands in a kubeconfig of one context, in short, and the files that it names."""

    content: str
    files: tuple[Path, ...]


def _way_of(document: Mapping[str, Any], context: str | None, folder: Path) -> _Way:
    parts = list(_parts(document, context))
    content = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()
    named = (part[file] for part in parts for file in FILES if isinstance(part.get(file), str))
    return _Way(content, tuple(folder / file for file in named))


def _parts(document: Mapping[str, Any], context: str | None) -> Iterator[Document]:
    """Yield what a kubeconfig says of a context: the context itself, its cluster and its user."""
    chosen = _named(document, "contexts", context or document.get("current-context"), "context")
    yield chosen
    yield _named(document, "clusters", chosen.get("cluster"), "cluster")
    yield _named(document, "users", chosen.get("user"), "user")


def _named(document: Mapping[str, Any], kind: str, name: object, part: str) -> Document:
    entries = document.get(kind)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(part), dict):
            return dict(entry[part])
    return {}


def _state(file: Path) -> tuple[int, ...] | None:
    """Return what a file has anew each time when it is written or replaced; None: it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
