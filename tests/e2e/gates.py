"""Gates between a process and what it talks to: "killed at this instruction" is certain.

No hook stands in the product. A gate forwards everything. Once armed, the first message that matches stops
there: *before* it is forwarded, or *after* it was executed and while its answer is on the way back. The test
is told, kills the process, and drops what is held, so that it never arrives.
"""

import threading
from collections.abc import Callable
from typing import Any, Literal

When = Literal["before", "after"]
SECONDS = 20.0
"""The longest that a test waits for a message, and that a message is held for a test that has died."""


class Hold:
    """One armed point."""

    def __init__(self, matches: Callable[[Any], bool], when: When) -> None:
        self.matches = matches
        self.when = when
        self._reached = threading.Event()
        self._decided = threading.Event()
        self._goes_on = False

    def wait(self) -> None:
        """Return when the message has come, and stands."""
        assert self._reached.wait(SECONDS), f"nothing came to be held {self.when} it was executed"

    def is_reached(self, seconds: float) -> bool:
        """Return whether the message has come, after waiting at most so long for it."""
        return self._reached.wait(seconds)

    def drop(self) -> None:
        """Throw away what is held: the request before, the answer after."""
        self._decided.set()

    def release(self) -> None:
        """Let it go on."""
        self._goes_on = True
        self._decided.set()

    def stand(self) -> bool:
        """Stop here until the test has decided; return whether to go on. For gates."""
        self._reached.set()
        self._decided.wait(2 * SECONDS)
        return self._goes_on


class Gate:
    """What both kinds have in common: at most one armed point."""

    def __init__(self) -> None:
        self._armed: Hold | None = None
        self._lock = threading.Lock()

    def hold(self, matches: Callable[[Any], bool], when: When) -> Hold:
        """Arm it: the next message that matches is held."""
        with self._lock:
            self._armed = Hold(matches, when)
            return self._armed

    def open(self) -> None:
        """Disarm it, and drop what is held."""
        with self._lock:
            armed, self._armed = self._armed, None
        if armed:
            armed.drop()

    def _claim(self, message: Any) -> Hold | None:
        """Return the armed point if this is its message; it is disarmed by that."""
        with self._lock:
            if self._armed is None or not self._armed.matches(message):
                return None
            armed, self._armed = self._armed, None
            return armed
