"""What these tests share: polling with a deadline, small programs, and a Go that builds nothing."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from devcluster.processes import python_environment, start_time

Found = TypeVar("Found")

FAKE_GO = """#!/bin/sh
echo "$*" >> "$FAKE_GO/calls"
case "$1" in
env) cat "$FAKE_GO/version" 2>/dev/null || echo go1.26.8; exit ;;
list) printf 'internal/abi\\nk8s.io/api/core/v1\\n'; exit ;;
esac
while [ "$1" != -o ]; do shift; done
out=$2; shift 2
if [ -e "$FAKE_GO/fail" ]; then echo "no space left on device" >&2; exit 1; fi
case "$out" in */) hold=hold ;; *) hold=hold-etcd ;; esac
mkdir -p "$GOCACHE"
echo $$ > "$FAKE_GO/pid"
echo half > "$GOTMPDIR/half"
while [ -e "$FAKE_GO/$hold" ]; do sleep 0.02; done
for package in "$@"; do
  case "$out" in */) file="$out${package##*/}" ;; *) file="$out" ;; esac
  printf '#!/bin/sh\\necho %s\\n' "$package" > "$file"; chmod +x "$file"
done
"""


@dataclass(frozen=True)
class FakeGo:
    """A folder with the fake's calls and switches, and the environment that leads to it.

    Switches are files: ``hold`` and ``hold-etcd`` keep a build waiting, ``fail`` makes it fail, ``version``
    is what it calls itself.
    """

    folder: Path
    environment: dict[str, str]

    def switch(self, name: str, text: str = "") -> Path:
        file = self.folder / name
        file.write_text(text)
        return file

    def builds(self) -> list[str]:
        """Return the packages of each call of ``go build``."""
        lines = (self.folder / "calls").read_text().splitlines() if (self.folder / "calls").exists() else []
        return [line for line in lines if line.startswith("build ")]

    def build_pid(self) -> int:
        """Return the process of the build that waits now."""
        return int(wait_for(self._read_pid, "go build has begun"))

    def _read_pid(self) -> str:
        file = self.folder / "pid"
        return file.read_text().strip() if file.exists() else ""

    @property
    def cache(self) -> Path:
        return self.folder / "cache" / "wharfinger" / "devcluster"


def wait_for(look: Callable[[], Found], what: str, seconds: float = 15.0) -> Found:
    """Return what ``look`` finds as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


def is_gone(pid: int) -> bool:
    return start_time(pid) is None


def write_program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def start_python(
    *arguments: str, environment: dict[str, str] | None = None, errors: int | None = None
) -> subprocess.Popen[str]:
    """Start a Python that finds devcluster; its standard output is a pipe."""
    found = python_environment() if environment is None else environment
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**found, "PYTHONPATH": python_environment()["PYTHONPATH"], "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def run_command(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m devcluster`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "devcluster", *arguments],
        env={**(environment or os.environ), "PYTHONPATH": python_environment()["PYTHONPATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def node_ports() -> str:
    """Return a range of node ports that the other processes of pytest-xdist do not use."""
    first = 31000 + 100 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return f"{first}-{first + 99}"
