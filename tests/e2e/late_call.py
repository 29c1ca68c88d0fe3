"""A write that arrives late: its bytes stand still on the wire while another worker takes over and acts.

Who sent it stands still as well, as on a machine that was paused, so it renews nothing and gives nothing up.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.fault_world import FaultWorld
from tests.e2e.http_gate import Call
from tests.e2e.invariants import faults, left_to_do
from tests.e2e.parts import wait_until
from tests.e2e.world import Document, World

TAKEN_OVER_SECONDS = 30.0
ORPHANED_SECONDS = 240.0
"""More than the sweeps that see an orphan twice, and the grace that it has."""

QUIET_SECONDS = 2.0
"""The one that stood still has looked again by then, and more than once."""


@dataclass
class LateCall:
    """One write of the first worker, from when it stands still."""

    fault_world: FaultWorld
    exposure: Document
    method: str
    stopped_at: float
    before: int

    @property
    def world(self) -> World:
        """The world that it is in."""
        return self.fault_world.world

    def wait_for_successor(self, has_acted: Callable[[], bool]) -> float:
        """Start the second worker; return how many seconds after the stop its work was done."""
        self.fault_world.start_second(wait=False)
        wait_until(
            has_acted, lambda: f"the second worker acts:\n{self.world.logs()}", TAKEN_OVER_SECONDS, 0.1
        )
        return time.monotonic() - self.stopped_at

    def arrive(self) -> Call:
        """Let the bytes go; return the call with what the apiserver said to it."""
        self.fault_world.wires["worker-apiserver"].mend()
        return wait_until(self._answered, lambda: f"the late call arrives:\n{self.world.logs()}")

    def arrive_in_vain(self, *statuses: int) -> None:
        """Let the bytes go, and its sender; check that it was refused, and that the Service is as it was."""
        name = self.exposure["metadata"]["name"]
        made = self.world.service(name)
        assert self.arrive().status in statuses
        assert self.world.service(name) == made
        self.wake()
        assert self.world.service(name) == made

    def wake(self) -> None:
        """Let the first worker go on, and give both time to do something wrong."""
        self.world.worker.signal(signal.SIGCONT)
        time.sleep(QUIET_SECONDS)
        wait_until(lambda: not left_to_do(self.world), self.world.logs)
        found = faults(self.world)
        assert not found, "\n".join(found)

    def _answered(self) -> Call | None:
        executed = self.fault_world.gated.cluster_gate.executed[self.before :]
        return next((call for call in executed if call.method == self.method), None)


@contextmanager
def stuck(
    fault_world: FaultWorld, exposure: Document, method: str, trigger: Callable[[], object]
) -> Iterator[LateCall]:
    """Give a call of the first worker that is on the wire, frozen, with its sender; the trigger causes it."""
    gated, world, wire = fault_world.gated, fault_world.world, fault_world.wires["worker-apiserver"]
    hold = gated.cluster_gate.hold(lambda call: call.is_for(method, world.namespaces["team-a"]), "before")
    trigger()
    hold.wait()
    before = len(gated.cluster_gate.executed)
    world.worker.signal(signal.SIGSTOP)
    wire.freeze()
    hold.release()  # the gate sends it, and its bytes get no further than the wire
    try:
        yield LateCall(fault_world, exposure, method, time.monotonic(), before)
    finally:
        wire.mend()
        gated.cluster_gate.open()


def late_create(fault_world: FaultWorld) -> float:
    """A create that comes when another worker has made the Service is refused."""
    world, exposure = fault_world.world, _given(fault_world, "late-create", is_live=False)
    with stuck(fault_world, exposure, "POST", lambda: world.review(exposure)) as late:
        seconds = late.wait_for_successor(lambda: world.read(exposure)["status"]["live"] is not None)
        late.arrive_in_vain(409, 422)
    assert world.events(exposure) == ["requested", "approved", "live"]
    return seconds


def late_change(fault_world: FaultWorld) -> float:
    """A change that comes when another worker has made it is refused."""
    world, exposure = fault_world.world, _given(fault_world, "late-change", is_live=True)
    changed = world.change(exposure, {"selector": {"app": "other"}})
    assert changed.status == 202, changed.text
    with stuck(fault_world, exposure, "PUT", lambda: world.review(changed.body)) as late:
        seconds = late.wait_for_successor(lambda: world.read(exposure)["status"]["live"]["revision"] == 2)
        late.arrive_in_vain(409)
    return seconds


def late_removal(fault_world: FaultWorld) -> float:
    """A removal that comes when another worker has made it, and the Service anew, is refused."""
    world, exposure = fault_world.world, _given(fault_world, "late-removal", is_live=True)
    with stuck(fault_world, exposure, "DELETE", lambda: world.set_intent(exposure, "suspend")) as late:
        seconds = late.wait_for_successor(lambda: "taken-down" in world.events(exposure))
        assert world.set_intent(exposure, "resume").status == 202
        wait_until(lambda: not left_to_do(world), world.logs)
        late.arrive_in_vain(409)
    return seconds


def late_removal_of_what_stayed(fault_world: FaultWorld) -> float:
    """A removal that comes when people want the very same Service again is put right by the other worker."""
    world, exposure = fault_world.world, _given(fault_world, "late-removal-after-all", is_live=True)
    name = exposure["metadata"]["name"]
    made = world.service(name)
    with stuck(fault_world, exposure, "DELETE", lambda: world.set_intent(exposure, "suspend")) as late:
        assert world.set_intent(exposure, "resume").status == 202
        seconds = late.wait_for_successor(lambda: not left_to_do(world))
        assert late.arrive().status == 200
        late.wake()
    again = world.service(name)
    assert made is not None
    assert again is not None
    assert again["spec"]["ports"] == made["spec"]["ports"]
    assert world.events(exposure)[-2:] == ["resumed", "recreated"]
    return seconds


def late_create_after_the_end(fault_world: FaultWorld) -> float:
    """A create that comes when its exposure has ended makes an orphan: it is told of, and goes again."""
    world, exposure = fault_world.world, _given(fault_world, "late-create-after-the-end", is_live=False)
    name = exposure["metadata"]["name"]
    with stuck(fault_world, exposure, "POST", lambda: world.review(exposure)) as late:
        assert world.delete(exposure).status == 202
        seconds = late.wait_for_successor(lambda: world.read(exposure)["status"]["state"] == "Ended")
        assert late.arrive().status == 201
        assert world.service(name) is not None
        wait_until(lambda: world.service(name) is None, world.logs, ORPHANED_SECONDS, 0.5)
        late.wake()
    assert world.service(name) is None
    return seconds


LATE_CALLS: Sequence[Callable[[FaultWorld], float]] = (
    late_create,
    late_change,
    late_removal,
    late_removal_of_what_stayed,
    late_create_after_the_end,
)
"""Each returns how many seconds after the first worker stood still another one had done its work."""


def _given(fault_world: FaultWorld, name: str, *, is_live: bool) -> Document:
    """Return an exposure that waits for its approval or is live; only the first worker runs."""
    world = fault_world.world
    fault_world.stop_second()
    fault_world.gated.restore()
    answer = world.submit(world.request(name))
    assert answer.status == 201, answer.text
    if is_live:
        assert world.review(answer.body).status == 201
        wait_until(lambda: not left_to_do(world), world.logs)
    return answer.body
