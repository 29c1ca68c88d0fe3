"""The product's processes as a person starts them, ``python -m service api`` and ``worker``; how they die."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import urllib3

from devcluster.ports import free_ports
from devcluster.processes import Child, descendants

Found = TypeVar("Found")
SECONDS = 20.0
LOOK_SECONDS = 0.02
OTHERS_PORTS = "30000-32767"


def wait_until(
    look: Callable[[], Found | None],
    what: str | Callable[[], str],
    seconds: float = SECONDS,
    pause: float = LOOK_SECONDS,
) -> Found:
    """Look until what is found counts as true; return it. A look that costs much wants a longer pause."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            text = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {seconds:.0f} s: {text}")
        time.sleep(pause)
    return found


def environment(**settings: str | None) -> dict[str, str]:
    """Return the environment of a process: its own settings alone, and none of who runs the tests.

    Python's among them: PYTHONDONTWRITEBYTECODE alone makes a start three times as slow.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WHARFINGER_", "PYTHON", "PYTEST_", "KUBECONFIG"))
    }
    given = {f"WHARFINGER_{name}": value for name, value in settings.items() if value is not None}
    return inherited | given


def run_command(*arguments: str, **settings: str | None) -> subprocess.CompletedProcess[str]:
    """Run a ``wharfinger`` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Part:
    """One process of the product; it dies with the test run."""

    def __init__(
        self, name: str, log: Path, environment: Mapping[str, str], command: Sequence[str] | None = None
    ) -> None:
        self.name = name
        words = command or [sys.executable, "-m", "service", name]
        self._child = Child(name, words, log, environment)

    def check_lives(self) -> None:
        """Fail with the end of the log when it has ended."""
        code = self._child.exit_code()
        assert code is None, f"{self.name} ended with {code}:\n{self.tail()}"

    def lives(self) -> bool:
        """Return whether it runs."""
        return self._child.exit_code() is None

    def tail(self) -> str:
        """Return the end of the log."""
        return self._child.tail(40)

    def pids(self) -> list[int]:
        """Return the program and what it started; the tether around it is ours."""
        return descendants(self._child.pid)

    def signal(self, number: int) -> None:
        """Send a signal to the program, as a container engine does."""
        os.kill(self.pids()[0], number)

    def wait_for_exit(self, seconds: float = SECONDS) -> int:
        """Return its exit code when it has ended by itself."""
        wait_until(lambda: self._child.exit_code() is not None, f"{self.name} ends", seconds)
        code = self._child.exit_code()
        assert code is not None
        return code

    def kill(self) -> None:
        """Kill -9 all of it at once; return when nothing of it is left. Safe to repeat."""
        self._child.kill()


class Api(Part):
    """The api under gunicorn, one process with four threads; started again it has the same port."""

    def __init__(self, log: Path, database_url: str, port: int | None = None) -> None:
        self.port = port or free_ports(1, apart_from=OTHERS_PORTS)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {"DATABASE_URL": database_url, "BIND": f"127.0.0.1:{self.port}", "PROCESSES": "1"}
        super().__init__("api", log, environment(**settings))

    def wait_until_ready(self) -> None:
        """Return when /readyz says so."""
        wait_until(self._is_ready, lambda: f"the api is ready:\n{self.tail()}")

    def _is_ready(self) -> bool:
        self.check_lives()
        return readiness(self.url) == 200


def readiness(url: str) -> int | None:
    """Return the status of an api's /readyz, None when nothing answers."""
    try:
        return urllib3.request("GET", f"{url}/readyz", timeout=5, retries=False).status
    except urllib3.exceptions.HTTPError:
        return None
