"""The fake cluster's memory of what happened to each kind, and the watches that follow it."""

import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from service.cluster.gateway import Change, ChangeKind, Kind
from service.domain.errors import ClusterAway, ListTooOld

Document = dict[str, Any]
LOOK_SECONDS = 0.02


class Journal:
    """Every change in order; guarded by the cluster's own lock."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._news = threading.Condition(lock)
        self._changes: dict[Kind, list[Change]] = {kind: [] for kind in Kind}
        self._forgotten = 0
        self._drops = 0

    def tell(self, change: ChangeKind, thing: Document, kind: Kind = Kind.SERVICES) -> None:
        """Write down a change, as the thing is after it."""
        self._changes[kind].append(Change(change, deepcopy(thing)))
        self._news.notify_all()

    def drop(self) -> None:
        """Break every watch that is open."""
        self._drops += 1
        self._news.notify_all()

    def forget(self, version: int) -> None:
        """Let no watch go on from before this version."""
        self._forgotten = version

    def follow(
        self,
        kind: Kind,
        since: int,
        seconds: int,
        stopping: Callable[[], bool],
        is_away: Callable[[], bool],
    ) -> Iterator[Change]:
        """Yield what came after a version, and what comes."""
        over, drops = time.monotonic() + seconds, self._drops
        while not stopping() and time.monotonic() < over:
            with self._lock:
                if since < self._forgotten:
                    raise ListTooOld(f"too old resource version: {since} ({self._forgotten})")
                news = [change for change in self._changes[kind] if int(change.resource_version) > since]
                if not news and not is_away() and drops == self._drops:
                    self._news.wait(LOOK_SECONDS)
            if is_away() or drops != self._drops:
                raise ClusterAway(f"the watch of {kind} broke: the connection was dropped")
            for change in news:
                since = int(change.resource_version)
                yield deepcopy(change)
