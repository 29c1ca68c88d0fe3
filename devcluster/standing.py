"""A control plane that stays when the command that started it ends.

``up`` leaves one process (``python -m devcluster stand``) that holds the control plane and the forwarder;
their processes are on tethers, so ending that one ends all. It writes ``state.json`` when everything is
ready and removes it when it ends. A process is known by its pid and its start time: a state file that
outlived its processes, for a reboot or a kill -9, never points at somebody else's.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from devcluster.client import open_client
from devcluster.control_plane import ControlPlane, check_range, find_binaries
from devcluster.errors import ApiAway, ApiRefused, DevclusterError, StartFailed
from devcluster.flags import Folder
from devcluster.forwarder import Forwarder
from devcluster.processes import Identity, identify, python_environment, tail

_START_SECONDS = 90.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05
_HOLDER = "devcluster"


@dataclass(frozen=True)
class Standing:
    """What stands: all its processes by name, the holder of the others among them."""

    url: str
    node_port_range: str
    processes: dict[str, Identity]

    def describe(self) -> str:
        """Return it in one line for a person."""
        return f"{self.url}, node ports {self.node_port_range}, pid {self.processes[_HOLDER].pid}"


def start(folder: Path, node_port_range: str) -> Standing:
    """Leave a control plane behind; return when it is ready.

    Raises:
        StartFailed: with the end of the log.
    """
    # Here the person sees how the build goes and that a range is refused; the log would hide it.
    check_range(node_port_range)
    find_binaries()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", "devcluster", f"--data-dir={folder}", "stand"]
    with _log(folder).open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--node-port-range={node_port_range}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=python_environment(),
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    try:
        while time.monotonic() < deadline and process.poll() is None:
            found = read(folder)
            if found and found.processes[_HOLDER].pid == process.pid:
                return found
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        process.kill()  # the tethers end the rest
        raise
    process.kill()
    process.wait()
    raise StartFailed(f"it did not start. The end of {_log(folder)}:\n{tail(_log(folder), 20)}")


def stand(folder: Path, node_port_range: str) -> int:
    """Hold a control plane and its forwarder until SIGTERM; return the exit code."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with ControlPlane(node_port_range, folder) as plane, Forwarder(plane) as forwarder:
        pids = {_HOLDER: os.getpid(), **plane.pids, "forwarder": forwarder.pid}
        state = Standing(plane.url, node_port_range, {name: identify(pid) for name, pid in pids.items()})
        half = _state(folder).with_suffix(".new")
        half.write_text(json.dumps(asdict(state), indent=2))
        half.replace(_state(folder))
        ended.wait()
        _state(folder).unlink(missing_ok=True)
    return 0


def read(folder: Path) -> Standing | None:
    """Return what stands there, None when its holder is gone."""
    try:
        state = json.loads(_state(folder).read_text())
        processes = {name: Identity(**process) for name, process in state["processes"].items()}
        found = Standing(state["url"], state["node_port_range"], processes)
        return found if processes[_HOLDER].lives() else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DevclusterError(f"{_state(folder)} cannot be read ({error}): remove it.") from error


def stop(folder: Path) -> bool:
    """Stop exactly the processes of the state file and wait until they are gone; False when none ran."""
    found = read(folder)
    if found is None:
        _state(folder).unlink(missing_ok=True)
        return False
    _send(found.processes[_HOLDER], signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while any(process.lives() for process in found.processes.values()):
        if time.monotonic() > deadline:
            for process in found.processes.values():
                _send(process, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    _state(folder).unlink(missing_ok=True)
    return True


def ask(folder: Path) -> str | None:
    """Return why the apiserver is not ready, None when it is."""
    client = open_client(kubeconfig(folder, "admin"))
    try:
        client.request("GET", "/readyz")
    except (ApiAway, ApiRefused) as error:
        return str(error)
    finally:
        client.close()
    return None


def kubeconfig(folder: Path, user: str) -> Path:
    """Return the path of a user's kubeconfig."""
    return Folder(folder).kubeconfig(user)


def _send(process: Identity, number: signal.Signals) -> None:
    if process.lives():
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _state(folder: Path) -> Path:
    return folder / "state.json"


def _log(folder: Path) -> Path:
    return folder / "devcluster.log"
