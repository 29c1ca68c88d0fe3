"""Somebody with kubectl: edits and deletes our Services by hand, and takes names and node ports.

It works through the second apiserver. What it made itself it remembers as the apiserver answered: nobody else
may touch that.
"""

import contextlib
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

from devcluster import ApiAway, ApiRefused, ControlPlane
from tests.e2e.snapshot import key_of, mark_of, numbers_of
from tests.e2e.world import Document

BREATH_SECONDS = (0.05, 0.4)
PORTS = range(30000, 30160)
EDITS_A_MINUTE = 4
"""Of one Service: whoever edits more is in a fight, which is another story."""

EDITS: tuple[Callable[[random.Random], Document], ...] = (
    lambda _: {"spec": {"selector": {"app": "taken-over"}}},
    lambda _: {"spec": {"type": "LoadBalancer"}},
    lambda _: {"spec": {"sessionAffinity": "ClientIP"}},
    lambda _: {"metadata": {"labels": {"app.kubernetes.io/managed-by": "somebody"}}},
    lambda _: {"metadata": {"annotations": {"wharfinger.dev/revision": "77"}}},
    lambda chance: {"spec": {"ports": [{"name": "http", "port": 80, "nodePort": chance.choice(PORTS)}]}},
)


class Vandal(threading.Thread):
    """One of them, until it is stopped; ``done`` counts what the apiserver took."""

    def __init__(self, control_plane: ControlPlane, namespaces: Mapping[str, str], chance: random.Random):
        super().__init__(name="vandal", daemon=True)
        self._admin = control_plane.client("admin", apiserver=2)
        self._chance = chance
        self._own = f"vandal-{chance.getrandbits(32):08x}"
        self._teams = list(namespaces.values())
        control_plane.add_namespace(self._own)
        self._edited: dict[tuple[str, str], deque[float]] = {}
        self._numbers: set[int] = set()
        self._over = threading.Event()
        self.kept: dict[tuple[str, str], Document] = {}
        self.done: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        steps = [*3 * [self._edit], *2 * [self._remove], *3 * [self._take_port], self._take_name, self._tidy]
        try:
            while not self._over.wait(self._chance.uniform(*BREATH_SECONDS)):
                try:
                    self._chance.choice(steps)()
                except (ApiAway, ApiRefused):
                    continue
        except BaseException as error:
            self.failure = error

    def stop(self) -> None:
        """Return when it has stopped; what it made stays.

        Raises:
            AssertionError: it has stopped by itself.
        """
        self._over.set()
        self.join(40)
        if self.failure is not None:
            raise AssertionError("the vandal has failed") from self.failure
        assert not self.is_alive()

    def plunder(self) -> None:
        """Take every number that ours had and nobody has now, once it has stopped."""
        for number in self._lost_numbers():
            with contextlib.suppress(ApiRefused):  # it went to somebody meanwhile
                self._make((self._own, f"plunder-{number}"), number)
                self.done["plundered"] += 1

    def clean_up(self) -> None:
        """Delete what it made."""
        for key in list(self.kept):
            self._drop(key)

    def _edit(self) -> None:
        """Change one of ours, not too often."""
        service = self._one_of_ours()
        if service is None:
            return
        times, now = self._edited.setdefault(key_of(service), deque(maxlen=EDITS_A_MINUTE)), time.monotonic()
        if len(times) == EDITS_A_MINUTE and now - times[0] < 60:
            return
        times.append(now)
        self._admin.request("PATCH", _path(*key_of(service)), self._chance.choice(EDITS)(self._chance))
        self.done["edited"] += 1

    def _remove(self) -> None:
        service = self._one_of_ours()
        if service is not None:
            self._admin.request("DELETE", _path(*key_of(service)))
            self.done["deleted"] += 1

    def _take_port(self) -> None:
        """Make a Service with a number that may be free, held, bound or cooling: the apiserver decides.

        Every other time one that a Service of ours had, and has no more: it was deleted, or is suspended.
        """
        lost = self._lost_numbers() if self._chance.random() < 0.5 else None
        number = self._chance.choice(lost or PORTS)
        self._make((self._own, f"thief-{self._chance.randrange(12)}"), number)
        self.done["port taken"] += 1

    def _take_name(self) -> None:
        """Make a Service where one of ours will be, or was."""
        name = f"storm-{self._chance.randrange(12)}"
        self._make((self._chance.choice(self._teams), name), None)
        self.done["name taken"] += 1

    def _tidy(self) -> None:
        if len(self.kept) > 4:
            self._drop(self._chance.choice(sorted(self.kept)))
            self.done["given back"] += 1

    def _make(self, key: tuple[str, str], number: int | None) -> None:
        port = {"name": "http", "port": 80, **({"nodePort": number} if number else {})}
        kind = "NodePort" if number else "ClusterIP"
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": key[1], "labels": {"made-by": self._own}},
            "spec": {"type": kind, "selector": {"app": "vandal"}, "ports": [port]},
        }
        self.kept[key] = self._admin.request("POST", _path(key[0]), body)

    def _drop(self, key: tuple[str, str]) -> None:
        del self.kept[key]  # before the answer, which may not come
        self._admin.request("DELETE", _path(*key))

    def _lost_numbers(self) -> list[int]:
        """Return the numbers that Services of ours had when it looked, and that nobody has now."""
        services = self._admin.request("GET", "/api/v1/services")["items"]
        self._numbers |= {number for each in services if mark_of(each) for number in numbers_of(each)}
        return sorted(self._numbers - {number for each in services for number in numbers_of(each)})

    def _one_of_ours(self) -> Document | None:
        namespace = self._chance.choice(self._teams)
        items = self._admin.request("GET", _path(namespace))["items"]
        ours = [service for service in items if mark_of(service)]
        return self._chance.choice(ours) if ours else None


def _path(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/services/{name}".rstrip("/")
