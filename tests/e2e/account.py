"""What clients were told while everything broke, and whether it is true afterwards.

Each request carries an id of its own, which the product writes into its events: an answer of success has to
be found there, and nothing may be found there twice.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.e2e.snapshot import Snapshot
from tests.e2e.world import Answer, Document


@dataclass(frozen=True, kw_only=True)
class Promise:
    """An answer of success: ``kind`` is the event that tells of it.

    ``may_be_older``: what is so already is answered as the first time, so the event may be another request's.
    """

    exposure_id: str
    kind: str
    request_id: str
    may_be_older: bool = False


@dataclass
class Account:
    """Everything that a crowd of clients was told; safe to use from many threads."""

    promises: list[Promise] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, answer: Answer | None, expected: Iterable[int] = ()) -> None:
        """Count an answer, None: none came. One that is no success has to be expected."""
        word = "no answer" if answer is None else str(answer.status)
        with self._lock:
            self.answers[f"{what}: {word}"] += 1
            if answer is not None and answer.status >= 300 and answer.status not in expected:
                self.unexpected.append(f"{what}: {answer.status} {answer.text}")

    def promise(self, promise: Promise) -> None:
        """Keep what a client was promised."""
        with self._lock:
            self.promises.append(promise)


def broken_promises(snapshot: Snapshot, promises: Iterable[Promise]) -> Iterator[str]:
    """Yield the answers of success that the ledger knows nothing of, and the requests that it took twice."""
    told = Counter((event.request_id, event.kind, str(event.exposure_id)) for event in snapshot.events)
    kinds = {(kind, exposure_id) for _, kind, exposure_id in told}
    known = {str(exposure.id) for exposure in snapshot.exposures}
    for promise in promises:
        count = told[promise.request_id, promise.kind, promise.exposure_id]
        older = promise.may_be_older and (promise.kind, promise.exposure_id) in kinds
        if promise.exposure_id not in known:
            yield f"lost: {promise}, and there is no such exposure"
        elif count > 1:
            yield f"taken {count} times: {promise}"
        elif not count and not older:
            yield f"lost: {promise}, of which no event tells"


def touched(snapshot: Snapshot, kept: Mapping[tuple[str, str], Document]) -> Iterator[str]:
    """Yield the Services of others that are not byte for byte as they were made."""
    for key, made in kept.items():
        found = snapshot.service(key)
        if found is None or _content(found) != _content(made):
            yield f"{'/'.join(key)}: {made} was somebody else's, and {found} is there"


def _content(service: Document) -> Document:
    metadata = {
        name: value
        for name, value in service["metadata"].items()
        if name not in ("managedFields", "resourceVersion")
    }
    return {"metadata": metadata, "spec": service["spec"], "status": service.get("status")}
