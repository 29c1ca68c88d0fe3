"""People in a storm: they ask, decide, change, pause and take back at random, and note what they are told.

A name is asked for again once it is free, so that names and numbers change hands. A missing answer is nothing
to them: whether the request was taken shows with the next look, as for any client.
"""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import urllib3

from tests.e2e.account import Account, Promise
from tests.e2e.world import Answer, Caller, Document, World, path_of

NAMES = 12
TEAMS = {"team-a": "ann", "team-b": "ben"}
ANSWER_SECONDS = 8.0
BREATH_SECONDS = (0.0, 0.15)
ASKED_PORTS = range(30100, 30130)
"""Some ask for one of these, so that they meet."""

REFUSED = (404, 409, 412, 503)
"""What anybody may be told while others do the same, and while parts are away."""

CHANGES: Sequence[Callable[[random.Random], Document]] = (
    lambda chance: {"selector": {"app": chance.choice(("hello", "other", "third"))}},
    lambda chance: {"lifetime": chance.choice(("24h", "48h", "96h"))},
    lambda chance: {"session_affinity": chance.choice(("None", "ClientIP"))},
    lambda chance: {"ports": [_port("http", 80), _port("more", chance.randrange(8000, 8003))]},
    lambda chance: {"ports": [_port("http", chance.choice((80, 81)))]},
)


def _port(name: str, number: int) -> Document:
    return {"name": name, "port": number, "target_port": 8080, "protocol": "TCP"}


class Person(threading.Thread):
    """One of them, until it is stopped."""

    def __init__(self, world: World, chance: random.Random, account: Account) -> None:
        super().__init__(daemon=True)
        self._world, self._chance, self._account = world, chance, account
        self._callers = {name: world.new_caller(name, ANSWER_SECONDS) for name in (*TEAMS.values(), "eve")}
        self._over = threading.Event()
        self.failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        steps = (self._ask, self._ask, self._decide, self._decide, self._decide)
        steps += (self._change, self._resume, self._suspend_or_remove)
        try:
            while not self._over.wait(self._chance.uniform(*BREATH_SECONDS)):
                team = self._chance.choice(tuple(TEAMS))
                self._chance.choice(steps)(team, f"storm-{self._chance.randrange(NAMES)}")
        except BaseException as error:
            self.failure = error

    def stop(self) -> None:
        """Return when it has stopped.

        Raises:
            AssertionError: it has stopped by itself.
        """
        self._over.set()
        self.join(3 * ANSWER_SECONDS)
        for caller in self._callers.values():
            caller.close()
        if self.failure is not None:
            raise AssertionError("a person of the crowd has failed") from self.failure
        assert not self.is_alive()

    def _ask(self, team: str, name: str) -> None:
        asked = self._chance.choice(ASKED_PORTS) if self._chance.random() < 0.25 else None
        body = self._world.request(name, team, asked)
        made = self._send("request", TEAMS[team], "POST", "/v1/exposures", body)
        if made is not None:
            self._promise("requested", made[0], made[1])

    def _decide(self, team: str, name: str) -> None:
        for exposure in self._find(team, name):
            pending = exposure["status"]["pending"]
            if pending is None:
                continue
            verdict = "reject" if self._chance.random() < 0.1 else "approve"
            body = {"verdict": verdict, "digest": pending["digest"]}
            path = f"{path_of(exposure)}/revisions/{pending['revision']}/reviews"
            if decided := self._send(f"{verdict} it", "eve", "POST", path, body):
                self._promise({"approve": "approved", "reject": "rejected"}[verdict], exposure, decided[1])

    def _change(self, team: str, name: str) -> None:
        for exposure in self._going_on(team, name):
            spec = self._chance.choice(CHANGES)(self._chance)
            changed = self._send(
                "change", TEAMS[team], "PATCH", path_of(exposure), {"spec": spec}, If_Match="*"
            )
            if changed and changed[2] == 202:
                self._promise("requested", exposure, changed[1])

    def _resume(self, team: str, name: str) -> None:
        for exposure in self._going_on(team, name):
            if exposure["status"]["intent"] == "suspended":
                self._intend(team, exposure, "resume", "resumed")

    def _suspend_or_remove(self, team: str, name: str) -> None:
        for exposure in self._going_on(team, name):
            if self._chance.random() < 0.4:
                self._intend(team, exposure, "suspend", "suspended")
            elif removed := self._send("delete", TEAMS[team], "DELETE", path_of(exposure), If_Match="*"):
                self._promise("removal-requested", exposure, removed[1], may_be_older=True)

    def _intend(self, team: str, exposure: Document, word: str, kind: str) -> None:
        path = f"{path_of(exposure)}/{word}"
        if done := self._send(word, TEAMS[team], "POST", path, If_Match="*"):
            self._promise(kind, exposure, done[1], may_be_older=True)

    def _going_on(self, team: str, name: str) -> list[Document]:
        return [found for found in self._find(team, name) if found["status"]["state"] != "Ended"]

    def _find(self, team: str, name: str) -> list[Document]:
        query = f"name={name}&team={team}&page_size=1"
        found = self._send("look", "eve", "GET", f"/v1/exposures?{query}")
        return found[0]["items"] if found else []

    def _promise(self, kind: str, exposure: Document, request_id: str, may_be_older: bool = False) -> None:
        exposure_id = exposure["metadata"]["id"]
        promise = Promise(
            exposure_id=exposure_id, kind=kind, request_id=request_id, may_be_older=may_be_older
        )
        self._account.promise(promise)

    def _send(
        self, what: str, who: str, method: str, path: str, body: Document | None = None, **headers: Any
    ) -> tuple[Document, str, int] | None:
        """Return an answer of success, the request's id and the status; None for any other, or for none."""
        request_id = str(UUID(int=self._chance.getrandbits(128)))
        caller: Caller = self._callers[who]
        answer: Answer | None = None
        try:
            answer = caller.call(method, path, body, X_Request_Id=request_id, **headers)
        except urllib3.exceptions.HTTPError:
            self._over.wait(0.05)
        self._account.note(what, answer, REFUSED)
        if answer is None or answer.status >= 300:
            return None
        return answer.body, request_id, answer.status
