"""Child processes on a tether (tether.py): they end when asked, and with their parent however it dies."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from devcluster.tether import GRACE_SECONDS

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the package; a Python child finds devcluster there."""
_TETHER = str(Path(__file__).with_name("tether.py"))
_STOP_SECONDS = GRACE_SECONDS + 2


class Child:
    """One program and its log.

    ``pid`` is the tether's: it lives exactly as long as the program.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start it in a session of its own, so that Ctrl-C in the terminal is not for it.

        Without ``log`` its standard output can be read at ``output``, and its standard error is ours.
        """
        self.name = name
        self.log = log
        tether = [sys.executable, "-I", "-S", _TETHER, str(os.getpid())]
        errors = None if log is None else subprocess.STDOUT
        output: int | IO[bytes] = subprocess.PIPE if log is None else log.open("ab")
        try:
            self._process = subprocess.Popen(
                [*tether, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )
        finally:
            if not isinstance(output, int):
                output.close()
        self.pid = self._process.pid

    @property
    def output(self) -> IO[bytes]:
        """The program's standard output, when it has no log."""
        if self._process.stdout is None:
            raise ValueError(f"{self.name} writes to {self.log}")
        return self._process.stdout

    def exit_code(self) -> int | None:
        """Return the program's exit code, None while it runs."""
        return self._process.poll()

    def tail(self, lines: int = 20) -> str:
        """Return the end of the log."""
        return tail(self.log, lines) if self.log else ""

    def kill(self) -> None:
        """Kill -9 the program and all that it started; return when nothing of it is left. Safe to repeat."""
        everything: list[int] = []
        with contextlib.suppress(ProcessLookupError):  # it ends by itself just now
            for program in descendants(self.pid)[:1]:
                os.kill(program, signal.SIGSTOP)  # so that it makes no new process meanwhile
            everything = descendants(self.pid)
            for pid in everything:
                os.kill(pid, signal.SIGKILL)
        wait_until_gone(everything)
        self.stop()

    def ask_to_stop(self) -> None:
        """Begin to stop it, without waiting."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()

    def stop(self) -> None:
        """Stop it and wait until it is gone. Safe to repeat."""
        self.ask_to_stop()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the kernel kills the program with it
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


@dataclass(frozen=True)
class Identity:
    """A process as it can be found again: a pid is given to others later, with another start time."""

    pid: int
    start_time: str

    def lives(self) -> bool:
        """Return whether this very process is there and no zombie."""
        return start_time(self.pid) == self.start_time


def identify(pid: int) -> Identity:
    """Return the identity of a process that runs now."""
    return Identity(pid, start_time(pid) or "")


def start_time(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; None when there is none or it is a zombie.

    Source: proc_pid_stat(5), fields 3 and 22; the name before them may hold blanks and brackets.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def descendants(pid: int) -> list[int]:
    """Return the processes below one that are no zombies, the nearest first."""
    parents, found, generation = _parents(), [], [pid]
    while generation:
        generation = [child for child, parent in parents.items() if parent in generation]
        found += generation
    return found


def _parents() -> dict[int, int]:
    """Return the parent of each process of this machine that is no zombie."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it has just ended
        if state not in "ZX":
            found[int(stat.parent.name)] = int(parent)
    return found


def wait_until_gone(pids: Sequence[int], seconds: float = _STOP_SECONDS) -> None:
    """Return when none of these processes lives.

    Raises:
        TimeoutError: one of them is still there.
    """
    deadline = time.monotonic() + seconds
    while left := [pid for pid in pids if start_time(pid)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not gone within {seconds:.0f} s: processes {left}")
        time.sleep(0.01)


def python_environment() -> dict[str, str]:
    """Return the environment for ``python -m devcluster…`` from any working folder."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def tail(log: Path, lines: int) -> str:
    """Return the last lines of a file, empty when there is none."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
