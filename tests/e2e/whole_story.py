"""One exposure from its request to its end, told by a client that knows that answers get lost.

What had no answer is tried again the way each request allows: by a look for what may be there already, or by
the same request once more.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import urllib3

from tests.e2e.gated import Gated
from tests.e2e.invariants import faults, left_to_do
from tests.e2e.parts import wait_until
from tests.e2e.world import Answer, Document

ANSWER_SECONDS = 40.0
TOLD = [
    "requested", "approved", "live",
    "requested", "approved", "live",
    "suspended", "taken-down", "resumed",
    "removal-requested", "removed",
]  # fmt: skip
TOLD_UNLESS_KILLED = ("drift-healed", "recreated")
"""What is put right is seen after a kill as right; that it was wrong nobody may have written down."""

WRITES = ["POST", "PUT", "PUT", "DELETE", "POST", "DELETE"]
"""Made, changed, healed, suspended, resumed, removed."""


@dataclass
class Story:
    """The story of one name."""

    gated: Gated
    name: str

    def tell(self) -> None:
        """Tell it to its end, with a check at every stop."""
        world, before = self.gated.world, len(self.gated.cluster_gate.executed)
        exposure = self._ask()
        self._approve(exposure, 1)
        number = self._check_is_there(exposure, 1, "hello")
        self._insist(lambda: world.change(exposure, {"selector": {"app": "other"}}), 202, 200)
        self._approve(exposure, 2)
        self._check_is_there(exposure, 2, "other")
        path = f"/api/v1/namespaces/{world.namespaces['team-a']}/services/{self.name}"
        world.admin.request("PATCH", path, {"spec": {"selector": {"app": "by-hand"}}})
        self._check_is_there(exposure, 2, "other")
        self._insist(lambda: world.set_intent(exposure, "suspend"), 202)
        wait_until(lambda: world.service(self.name) is None, self._so_far)
        wait_until(lambda: "taken-down" in world.events(exposure), self._so_far)
        assert self._claim(number) == ("bound", self.name)
        self._insist(lambda: world.set_intent(exposure, "resume"), 202)
        assert self._check_is_there(exposure, 2, "other") == number
        self._insist(lambda: world.delete(exposure), 202)
        self._check_has_ended(exposure, number, before)

    def _ask(self) -> Document:
        """Ask; whoever had no answer looks for the name that it may have taken."""
        world = self.gated.world
        answer = self._insist(lambda: world.submit(world.request(self.name)), 201, 409)
        if answer.status == 201:
            return answer.body
        assert answer.body["code"] == "name-taken"
        return world.caller("ann").get(f"/v1/exposures/{answer.body['exposure_id']}")

    def _approve(self, exposure: Document, revision: int) -> None:
        """Approve what was read; whoever had no answer may be told that it is decided already."""
        world = self.gated.world
        read = wait_until(lambda: self._pending(exposure, revision), self._so_far)
        answer = self._insist(lambda: world.review(read), 201, 409)
        assert answer.status == 201 or answer.body["code"] == "already-decided", answer.text

    def _pending(self, exposure: Document, revision: int) -> Document | None:
        found = self.gated.world.read(exposure)
        pending = found["status"]["pending"]
        return found if pending and pending["revision"] == revision else None

    def _check_is_there(self, exposure: Document, revision: int, app: str) -> int:
        """Check that the one Service is there as it was approved, and nothing else; return its node port."""
        world = self.gated.world

        def is_settled() -> bool:
            status, service = world.read(exposure)["status"], world.service(self.name)
            is_live = status["live"] is not None and status["live"]["revision"] == revision
            as_approved = service is not None and service["spec"]["selector"] == {"app": app}
            return is_live and as_approved and not left_to_do(world)

        wait_until(is_settled, self._so_far, ANSWER_SECONDS)
        self._check_agreement()
        service = world.service(self.name)
        assert service is not None
        number = int(service["spec"]["ports"][0]["nodePort"])
        assert self._claim(number) == ("bound", self.name)
        return number

    def _check_has_ended(self, exposure: Document, number: int, before: int) -> None:
        """Check that it is gone, that everything was told once, and that nothing was written twice."""
        world = self.gated.world
        ended = world.wait_for(exposure, "Ended", seconds=ANSWER_SECONDS)
        assert ended["status"]["reason"] == "Deleted"
        assert world.service(self.name) is None
        assert self._claim(number) in (("cooling", self.name), ("free", None))
        told = world.events(exposure)
        assert [kind for kind in told if kind not in TOLD_UNLESS_KILLED] == TOLD
        assert all(told.count(kind) <= 1 for kind in TOLD_UNLESS_KILLED), told
        self._check_agreement()
        wrote = [call.method for call in self.gated.cluster_gate.executed[before:] if call.is_write()]
        assert wrote == WRITES

    def _check_agreement(self) -> None:
        found = faults(self.gated.world)
        assert not found, "\n".join(found)

    def _claim(self, number: int) -> tuple[str, str | None]:
        claim = self.gated.world.node_port(number)
        return claim["state"], claim["owner"] and claim["owner"]["name"]

    def _insist(self, send: Callable[[], Answer], *statuses: int) -> Answer:
        """Send until there is an answer that says more than "not now"; check it."""
        deadline, expected = time.monotonic() + ANSWER_SECONDS, first_of(statuses)
        while True:
            try:
                answer = send()
            except urllib3.exceptions.HTTPError:
                expected = statuses
            else:
                if answer.status != 503:
                    assert answer.status in expected, answer.text
                    return answer
                expected = statuses
            assert time.monotonic() < deadline, self._so_far()
            time.sleep(0.05)

    def _so_far(self) -> str:
        return f"{self.name} goes on:\n{self.gated.world.logs()}"


def first_of(statuses: Collection[int]) -> Collection[int]:
    """Return what a request is answered with that was not sent before: the first."""
    return tuple(statuses)[:1]
