"""A kubeconfig, and the few calls that devcluster and its tests make with one: raw JSON in and out.

Not the kubernetes package: it takes three seconds to import, and the forwarder is started often.
"""

import base64
import json
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3
import yaml

from devcluster.certificates import Pair
from devcluster.errors import ApiAway, ApiRefused

Document = dict[str, Any]
CONNECT_SECONDS = 3.0
CALL_SECONDS = 15.0


class Client:
    """One user of one apiserver; safe to use from many threads."""

    def __init__(self, url: str, context: ssl.SSLContext, token: str | None) -> None:
        self.url = url
        self._headers = {"Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, maxsize=8)

    def request(self, method: str, path: str, body: Document | None = None) -> Document:
        """Send one request and return the answer's JSON object.

        ``path`` may carry a query. The body of a PATCH is a merge patch.

        Raises:
            ApiRefused: any answer that is no 2xx.
            ApiAway: no answer.
        """
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return self._call(method, path, body, kind)

    def apply(self, path: str, body: Document) -> Document:
        """Make an object be as stated, whether it is there or not (server-side apply, forced)."""
        query = "?fieldManager=devcluster&force=true"
        return self._call("PATCH", path + query, body, "application/apply-patch+yaml")

    def stream(self, path: str, read_seconds: float) -> Iterator[Document]:
        """Yield the events of a watch; ``read_seconds`` is the longest silence that is borne."""
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds)
        try:
            answer = self._pool.request(
                "GET", self.url + path, headers=self._headers, timeout=timeout, preload_content=False
            )
            try:
                if answer.status != 200:
                    raise ApiRefused("GET", path, answer.status, _message(answer.read()))
                for line in answer:
                    yield json.loads(line)
            finally:
                answer.close()  # the rest of a watch is never read, so the connection cannot serve again
        except urllib3.exceptions.HTTPError as error:
            raise ApiAway(f"no answer from {self.url} to GET {path}: {error}") from error

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()

    def _call(self, method: str, path: str, body: Document | None, kind: str) -> Document:
        headers = self._headers | ({"Content-Type": kind} if body is not None else {})
        content = None if body is None else json.dumps(body).encode()
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=CALL_SECONDS)
        try:
            answer = self._pool.request(
                method, self.url + path, body=content, headers=headers, timeout=timeout
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiAway(f"no answer from {self.url} to {method} {path}: {error}") from error
        if not 200 <= answer.status <= 299:
            raise ApiRefused(method, path, answer.status, _message(answer.data))
        found: Document = json.loads(answer.data) if answer.data[:1] == b"{" else {}
        return found


def open_client(kubeconfig: Path) -> Client:
    """Return a client for the current context of a kubeconfig that carries its credentials inside."""
    document = yaml.safe_load(kubeconfig.read_text())
    context = _named(document["contexts"], document["current-context"])["context"]
    cluster = _named(document["clusters"], context["cluster"])["cluster"]
    user = _named(document["users"], context["user"])["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    tls = ssl.create_default_context(cadata=authority)
    if "client-certificate-data" in user:
        # ssl reads certificates from files only.
        with tempfile.NamedTemporaryFile() as file:
            file.write(base64.b64decode(user["client-certificate-data"]))
            file.write(base64.b64decode(user["client-key-data"]))
            file.flush()
            tls.load_cert_chain(file.name)
    return Client(cluster["server"], tls, user.get("token"))


def write_kubeconfig(path: Path, url: str, authority: bytes, user: str, credential: Pair | str) -> None:
    """Write a kubeconfig for one user, readable by its owner alone.

    Args:
        path: where to; replaced when it is there.
        url: the apiserver's.
        authority: the CA's certificate, PEM.
        user: names the context, too.
        credential: a client certificate or a bearer token.
    """
    if isinstance(credential, str):
        who = {"token": credential}
    else:
        who = {
            "client-certificate-data": _encode(credential.certificate),
            "client-key-data": _encode(credential.key),
        }
    cluster = {"server": url, "certificate-authority-data": _encode(authority)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "devcluster", "cluster": cluster}],
        "users": [{"name": user, "user": who}],
        "contexts": [{"name": user, "context": {"cluster": "devcluster", "user": user}}],
        "current-context": user,
    }
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def _named(entries: list[Document], name: str) -> Mapping[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _message(content: bytes) -> str:
    """Return what an error's body says: a Status's message, else its first words."""
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace").strip() or "(no text)"
