"""The objects of one kind, kept up to date by list and watch in a thread; everybody else reads a copy."""

import random
import sys
import threading
import time
from collections.abc import Callable

from devcluster.client import Client, Document
from devcluster.errors import ApiAway, ApiRefused

_WATCH_SECONDS = 60
_READ_SECONDS = 75.0
"""The server ends a watch before, also one of a kind that never changes; a longer silence is nobody there."""
_PAUSE_SECONDS = 0.5


class Watched:
    """All objects at one path of the API."""

    def __init__(self, client: Client, path: str, changed: Callable[[], object]) -> None:
        """Call ``changed``, in the watching thread, after each difference."""
        self._client = client
        self._path = path
        self._changed = changed
        self._lock = threading.Lock()
        self._objects: dict[str, Document] = {}
        self._told = False
        self.listed = threading.Event()

    def start(self) -> None:
        """Begin to watch; the thread ends with the process."""
        threading.Thread(target=self._run, name=f"watch {self._path}", daemon=True).start()

    def objects(self) -> list[Document]:
        """Return the objects as they were last seen."""
        with self._lock:
            return list(self._objects.values())

    def _run(self) -> None:
        while True:
            try:
                version = self._list()
                while version:
                    version = self._watch(version)
            except (ApiAway, ApiRefused) as error:
                if not self._told:
                    sys.stderr.write(f"forwarder: cannot watch, keeping what is known: {error}\n")
                    self._told = True
                time.sleep(_PAUSE_SECONDS * (1 + random.random()))  # noqa: S311 -- jitter

    def _list(self) -> str:
        answer = self._client.request("GET", self._path)
        with self._lock:
            self._objects = {item["metadata"]["uid"]: item for item in answer["items"]}
        self._told = False
        self.listed.set()
        self._changed()
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> str:
        """Follow until the server ends the watch; return where to go on, empty to list again."""
        query = f"?watch=1&allowWatchBookmarks=true&timeoutSeconds={_WATCH_SECONDS}&resourceVersion={version}"
        for event in self._client.stream(self._path + query, _READ_SECONDS):
            kind, item = event["type"], event["object"]
            if kind == "ERROR":  # mostly 410: the version is too old
                return ""
            version = str(item["metadata"]["resourceVersion"])
            if kind == "BOOKMARK":
                continue
            with self._lock:
                if kind == "DELETED":
                    self._objects.pop(item["metadata"]["uid"], None)
                else:
                    self._objects[item["metadata"]["uid"]] = item
            self._changed()
        return version
