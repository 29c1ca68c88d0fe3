"""Kills at random moments while exposures come and go; in the end ledger and cluster agree, whatever was hit.

FAULT_ROUNDS=N plays N rounds (make faults), FAULT_SEED=S begins with another seed. The moments of the kills
are real time, so a seed brings back the same wishes and the same order of kills, not the same instructions.
"""

import os
import random
import threading
import time
from collections.abc import Callable

import pytest
import urllib3

from tests.e2e.invariants import faults, left_to_do
from tests.e2e.parts import wait_until
from tests.e2e.world import Answer, Document, World

pytestmark = pytest.mark.faults
FIRST_SEED = int(os.environ.get("FAULT_SEED", "1"))
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
KILLS = 4
NAMES = 8
PAUSE_SECONDS = (0.02, 0.6)
SETTLE_SECONDS = 45.0
"""More than a create of unknown outcome may be under way, and every pause after a failure."""


class Client(threading.Thread):
    """Asks, approves and takes back at random until it is stopped; a missing answer is nothing to it.

    Each name is asked for again once it is free, so that names and numbers change hands.
    """

    def __init__(self, world: World, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self._world = world
        self._chance = chance
        self._stopping = threading.Event()
        self.unexpected: list[str] = []
        self.answered = 0
        self.start()

    def run(self) -> None:
        while not self._stopping.is_set():
            name = f"storm-{self._chance.randrange(NAMES)}"
            step = self._chance.choice((self._ask, self._decide, self._decide, self._take_back))
            try:
                step(name)
                self.answered += 1
            except (urllib3.exceptions.HTTPError, AssertionError):
                self._stopping.wait(0.05)

    def stop(self) -> None:
        """Return when it has stopped."""
        self._stopping.set()
        self.join(20)
        assert not self.is_alive()

    def _ask(self, name: str) -> None:
        self._expect(self._world.submit(self._world.request(name)), 201, 409, 503)

    def _decide(self, name: str) -> None:
        for exposure in self._find(name):
            if exposure["status"]["pending"]:
                self._expect(self._world.review(exposure), 201, 409, 503)

    def _take_back(self, name: str) -> None:
        for exposure in self._find(name):
            if exposure["status"]["state"] != "Ended":
                self._expect(self._world.delete(exposure), 202, 409, 503)

    def _find(self, name: str) -> list[Document]:
        page = self._world.caller("ann").get(f"/v1/exposures?name={name}&page_size=1")
        found: list[Document] = page["items"]
        return found

    def _expect(self, answer: Answer, *statuses: int) -> None:
        if answer.status not in statuses:
            self.unexpected.append(f"{answer.status}: {answer.text}")


def play(world: World, seed: int) -> int:
    """Kill api and worker at random under a client's wishes; return how many of them were answered."""
    chance = random.Random(seed)
    client = Client(world, random.Random(chance.random()))
    starts: dict[str, Callable[[], None]] = {
        "api": world.start_api,
        "worker": lambda: world.start_worker(wait=False),
    }
    for _ in range(KILLS):
        time.sleep(chance.uniform(*PAUSE_SECONDS))  # the moment is the fault's, not something waited for
        victims = chance.choice((["api"], ["worker"], ["api", "worker"]))
        for name in victims:
            getattr(world, name).kill()
        for name in victims:
            starts[name]()
    client.stop()
    assert client.unexpected == []
    return client.answered


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + ROUNDS))
def test_ledger_and_cluster_agree_after_kills_at_random_moments(world: World, seed: int):
    answered = play(world, seed)

    unsettled = f"{seed=}: the worker has something to do for"
    wait_until(
        lambda: left_to_do(world) == [],
        lambda: f"{unsettled} {left_to_do(world)}\n{world.logs()}",
        SETTLE_SECONDS,
    )
    assert faults(world) == []
    assert answered > 0
