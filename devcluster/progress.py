"""What a person sees of a long step: a line that is rewritten on a terminal, one every 10 s elsewhere."""

import shutil
import sys
import time
from typing import TextIO

_EVERY_SECONDS = 10.0
_REDRAW_SECONDS = 0.5


class Progress:
    """Writes to standard error, unless told another stream."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._shown_at = float("-inf")
        self._width = 0

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._clear()
        self._stream.write(f"devcluster: {text}\n")
        self._stream.flush()
        self._shown_at = time.monotonic()

    def update(self, text: str) -> None:
        """Show where a step stands; call it as often as convenient."""
        wait = _REDRAW_SECONDS if self._live else _EVERY_SECONDS
        if time.monotonic() - self._shown_at < wait:
            return
        if not self._live:
            self.say(text)
            return
        # A line that wraps cannot be rewritten: each redraw would scroll the screen by one.
        line = f"devcluster: {text}"[: shutil.get_terminal_size().columns - 1]
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)
        self._shown_at = time.monotonic()

    def _clear(self) -> None:
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0


def span(seconds: float) -> str:
    """Return a length of time as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def expected_seconds(elapsed: float, table: float, done: int, total: int) -> float:
    """Return how long a step will take in all.

    The table's figure until a fifth of the packages is through, which is too early to judge by; then what
    this machine's own pace says.
    """
    share = done / total if total else 0.0
    judged = elapsed / share if share >= 0.2 else table
    return max(judged, elapsed)
