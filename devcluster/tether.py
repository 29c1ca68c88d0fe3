"""Run one program that must not outlive the process that wanted it.

``python tether.py PARENT PROGRAM ARGUMENTS…`` starts the program and ends it (SIGTERM, after three seconds
SIGKILL, then whatever is left of its process group) when standard input is closed, which happens by itself
when the parent dies, however it dies; or when the parent's pid is no longer PARENT, in case some other
process holds the pipe open. Should the tether itself be killed, the kernel kills the program
(PR_SET_PDEATHSIG).

A process of its own because that signal comes when the *thread* that forked ends, and the parent is free to
use threads; this process has one. It is run as a file without site-packages, so it imports nothing of
devcluster.
"""

import ctypes
import os
import select
import signal
import sys
import time

GRACE_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.2


def main(parent: int, command: list[str]) -> int:
    """Run the command; return its exit code, or 128 plus the signal that ended it."""
    # Ctrl-C and a closed terminal are the parent's to decide on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    libc = ctypes.CDLL(None)
    tether = os.getpid()
    child = os.fork()
    if child == 0:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != tether:  # killed between fork and prctl
            os._exit(1)
        _become(command)
    while not _parent_left(parent):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return _exit_code(status)
    _end(child)
    if os.getpgrp() == tether:
        os.killpg(tether, signal.SIGKILL)  # what the program started and left; this process too
    return 0


def _become(command: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvp(command[0], command)  # noqa: S606 -- the command is our caller's
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127)


def _parent_left(parent: int) -> bool:
    """Wait a moment; return whether the parent closed the pipe or is gone."""
    readable, _, _ = select.select([0], [], [], _LOOK_SECONDS)
    return bool(readable and not os.read(0, 1)) or os.getppid() != parent


def _end(child: int) -> None:
    os.kill(child, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
