"""``wharfinger dev``: it says what it does, and whatever becomes of it, it leaves no process behind."""

import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import urllib3

from devcluster.ports import free_ports
from devcluster.processes import Identity, descendants, identify
from tests.e2e.parts import environment, wait_until

pytestmark = [pytest.mark.xdist_group("dev"), pytest.mark.timeout(180)]
UP_SECONDS = 60.0
DOWN_SECONDS = 20.0
LOOK_SECONDS = 0.2
"""Each look reads the table of processes: more often, the test would take the time of what it waits for."""

TOKENS = ("REQUESTER", "OTHER_REQUESTER", "APPROVER", "SECOND_APPROVER", "ADMIN")
NAMES = {"WHARFINGER_URL", *TOKENS, "KUBECONFIG", "KUBECTL", "WHARFINGER_DATABASE_URL"}


class Dev:
    """One ``wharfinger dev`` in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self.folder = folder
        self.port = free_ports(1, apart_from="30000-32767")[0]
        self.env = folder / ".dev" / "env"
        command = [sys.executable, "-m", "service", "dev", "--port", str(self.port), *arguments]
        self._output = folder / "output"
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment() | variables,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._seen: set[Identity] = set()

    @property
    def said(self) -> str:
        """What it has told so far."""
        return self._output.read_text()

    def look(self) -> None:
        """Remember what it has started."""
        self._seen.update(identify(pid) for pid in descendants(self.process.pid))

    def wait_until_up(self) -> None:
        """Return when everything runs and .dev/env is there."""

        def is_up() -> bool:
            self.look()
            assert self.process.poll() is None, self.said
            return self.env.exists() and "Ctrl-C" in self.said

        wait_until(is_up, lambda: f"wharfinger dev is up:\n{self.said}", UP_SECONDS, LOOK_SECONDS)

    def wait_for_exit(self, seconds: float = DOWN_SECONDS) -> int:
        """Return its exit code."""

        def has_ended() -> bool:
            self.look()
            return self.process.poll() is not None

        wait_until(has_ended, lambda: f"wharfinger dev ends:\n{self.said}", seconds, LOOK_SECONDS)
        return self.process.returncode

    def check_nothing_is_left(self) -> None:
        """Check that every process that was ever seen is gone, and that nothing listens."""
        assert len(self._seen) >= 8, f"too few processes were seen to say anything: {self._seen}"
        wait_until(lambda: not self._left(), lambda: f"left: {self._left()}", DOWN_SECONDS)
        assert not listens(self.port)

    def _left(self) -> list[str]:
        left = []
        for known in self._seen:
            with suppress(ProcessLookupError, FileNotFoundError):  # it ends while it is looked at
                if known.lives():
                    command = Path(f"/proc/{known.pid}/cmdline").read_bytes()
                    left.append(command.replace(b"\0", b" ").decode())
        return left

    def end(self) -> None:
        """End it if a test has not."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextmanager
def running(folder: Path, *arguments: str, **variables: str) -> Iterator[Dev]:
    """Run ``wharfinger dev`` for the length of a block."""
    dev = Dev(folder, *arguments, **variables)
    try:
        yield dev
    finally:
        dev.end()


def listens(port: int) -> bool:
    """Return whether something listens on a port of loopback."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def sourced(dev: Dev) -> dict[str, str]:
    """Return what a shell has after it has sourced .dev/env."""
    script = f". {shlex.quote(str(dev.env))} && env"
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env={}, timeout=10, check=True
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_the_demo_plays_all_three_types_and_leaves_nothing(tmp_path: Path):
    with running(tmp_path, "--demo", "--once") as dev:
        assert dev.wait_for_exit(UP_SECONDS + DOWN_SECONDS) == 0, dev.said
        dev.check_nothing_is_left()
    for kind in ("NodePort", "ClusterIP", "LoadBalancer"):
        assert f"=== {kind} ===" in dev.said
    assert "Everything was as it says" in dev.said
    assert not dev.env.exists(), "its tokens are good for nothing any more"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """Give one that is up; the last test that takes it may end it."""
    with running(tmp_path_factory.mktemp("dev")) as started:
        started.wait_until_up()
        yield started


def test_what_it_writes_can_be_sourced(dev: Dev):
    assert stat.S_IMODE(dev.env.stat().st_mode) == 0o600
    values = sourced(dev)
    assert values.keys() >= NAMES
    answer = urllib3.request(
        "GET",
        f"{values['WHARFINGER_URL']}/v1/exposures",
        headers={"Authorization": f"Bearer {values['REQUESTER']}"},
        retries=False,
    )
    assert answer.status == 200
    get = [values["KUBECTL"], "get", "namespaces", "--output", "name"]
    listed = subprocess.run(get, capture_output=True, text=True, env=values, cwd="/", check=True)
    assert {"namespace/team-a", "namespace/team-b"} <= set(listed.stdout.split())


def test_a_second_one_in_the_same_folder_starts_nothing(dev: Dev):
    already = len(dev.said)
    with running(dev.folder) as second:
        assert second.wait_for_exit() != 0
    [line] = dev.said[already:].splitlines()
    assert re.search(rf"Another wharfinger dev runs in \.dev/ \(pid {dev.process.pid}\)", line)
    assert dev.process.poll() is None
    assert dev.env.exists()


def readme_blocks() -> list[str]:
    """Return the shell blocks of the README, in their order."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_readmes_curl_lines_work_as_pasted(dev: Dev):
    script = "\n".join(f"printf '\\f'\n{block}" for block in readme_blocks())

    pasted = ["bash", "-e", "-u", "-o", "pipefail", "-c", script]
    done = subprocess.run(pasted, cwd=dev.folder, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    _, asked, shown, applied, changed, ruled, owned, kept, gone = done.stdout.split("\f")
    assert '"state": "AwaitingApproval"' in asked
    assert "nodePort: 30007" in shown
    assert re.search("^sha256:[0-9a-f]{64}$", shown, re.MULTILINE)
    assert '"state": "Active"' in applied
    assert re.search("^team-a$", applied, re.MULTILINE), "what answered at the node port"
    assert re.search("hello +NodePort .* 80:30007/TCP", applied)
    assert re.findall('"decision":"([a-z]+)"', changed) == ["approved", "pending"]
    assert re.findall('"state":"([A-Za-z]+)"', changed) == ["ActiveChangePending", "Active"]
    assert '"gate": "seats"' in changed
    assert "-    app: hello" in changed
    assert '"name": "approver"' in ruled
    assert '"outcome":"denied"' in ruled
    assert '"state":"bound"' in owned
    assert '"code":"node-port-taken"' in owned
    assert '"name":"partners"' in kept
    assert '"reservation": "partners"' in kept
    assert '"node_ports":{"used":1,"held":0,"limit":null}' in kept
    assert 'wharfinger_node_ports{band="static",cluster="dev",state="bound"} 1.0' in kept
    assert '"state":"cooling"' in gone
    assert '"ending":"released"' in gone
    assert [
        kind for kind in ("requested", "approved", "live", "removed") if f'"kind": "{kind}"' not in gone
    ] == []


def test_ctrl_c_leaves_nothing(dev: Dev):
    dev.look()

    os.killpg(dev.process.pid, signal.SIGINT)  # as a terminal does: to all of its foreground

    assert dev.wait_for_exit() == 0, dev.said
    dev.check_nothing_is_left()
    assert not dev.env.exists()


def test_a_kill_leaves_nothing_and_the_next_start_clears_up(tmp_path: Path):
    with running(tmp_path) as dev:
        dev.wait_until_up()
        url = sourced(dev)["WHARFINGER_DATABASE_URL"]

        dev.process.kill()

        dev.process.wait()
        dev.check_nothing_is_left()
    with running(tmp_path, WHARFINGER_DATABASE_URL=url) as again:
        passed_over = (
            "WHARFINGER_DATABASE_URL is that of an earlier wharfinger dev, which has ended: passed over."
        )
        wait_until(lambda: passed_over in again.said, lambda: again.said)
        wait_until(lambda: "Clearing away what an earlier run left" in again.said, lambda: again.said)
        again.look()
        os.killpg(again.process.pid, signal.SIGINT)  # in the middle of the start
        assert again.wait_for_exit() == 0, again.said


def test_a_part_that_ends_by_itself_ends_the_whole_with_its_last_words(tmp_path: Path):
    with running(tmp_path) as dev:
        dev.wait_until_up()
        [worker] = [pid for pid in descendants(dev.process.pid) if is_worker(pid)]

        os.kill(worker, signal.SIGKILL)

        assert dev.wait_for_exit() == 1
        dev.check_nothing_is_left()
    assert "wharfinger worker has ended." in dev.said


def is_worker(pid: int) -> bool:
    """Return whether a process is the worker itself, not its tether."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:4] == [b"-m", b"service", b"worker"]


def test_a_port_in_use_is_told_in_one_line_before_anything_starts(tmp_path: Path):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "service", "dev", "--port", str(port)]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode != 0
    [line] = done.stderr.splitlines()
    assert f"Port {port} on 127.0.0.1 cannot be used" in line
    assert "--port N" in line
    assert not (tmp_path / ".dev").exists()
