"""The commands: a control plane that stays, is told about, and goes."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.client import open_client
from tests.devcluster.tools import is_gone, run_command


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a data folder; whatever stands there is stopped."""
    yield tmp_path / "data"
    run_command("--data-dir", str(tmp_path / "data"), "down")


RANGE = ("--node-port-range", "30100-30109")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the data folder of a control plane that stands; the last test that takes it may end it."""
    folder = tmp_path_factory.mktemp("standing")
    assert run(folder, "up", *RANGE)[:2] == (0, f"{folder / 'admin.kubeconfig'}\n")
    yield folder
    run(folder, "down")


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = run_command("--data-dir", str(folder), *arguments)
    return done.returncode, done.stdout, done.stderr


def pids_of(folder: Path) -> list[int]:
    state = json.loads((folder / "state.json").read_text())
    return [process["pid"] for process in state["processes"].values()]


def test_a_second_up_says_that_it_runs(standing: Path) -> None:
    code, shown, said = run(standing, "up", *RANGE)

    assert (code, shown) == (0, f"{standing / 'admin.kubeconfig'}\n")
    assert "it runs already" in said


def test_up_with_another_range_says_what_to_do(standing: Path) -> None:
    code, _, said = run(standing, "up", "--node-port-range", "30000-30009")

    assert code == 1
    assert "python -m devcluster down" in said


def test_status_names_every_process(standing: Path) -> None:
    code, shown, _ = run(standing, "status")

    assert code == 0
    assert shown.endswith("node ports 30100-30109: ready\n")
    assert shown.count("runs") == len(pids_of(standing)) == 5


def test_the_kubeconfig_of_the_worker_opens_the_door(standing: Path) -> None:
    code, shown, _ = run(standing, "kubeconfig", "--user", "worker")

    assert (code, shown) == (0, f"{standing / 'worker.kubeconfig'}\n")
    client = open_client(Path(shown.strip()))
    assert client.request("GET", "/api/v1/services")["kind"] == "ServiceList"
    client.close()


def test_down_leaves_no_process(standing: Path) -> None:
    pids = pids_of(standing)

    code, _, said = run(standing, "down")

    assert (code, said) == (0, "devcluster: stopped\n")
    assert all(map(is_gone, pids))
    assert run(standing, "status")[0] == 3


@pytest.mark.parametrize(("command", "code"), [("down", 0), ("status", 3), ("kubeconfig", 3)])
def test_with_nothing_running_each_command_says_so(folder: Path, command: str, code: int) -> None:
    returned, shown, said = run(folder, command)

    assert returned == code
    assert "nothing runs" in shown + said


def test_a_stale_state_file_never_points_at_somebody_elses_process(folder: Path) -> None:
    folder.mkdir()
    ours = {"pid": os.getpid(), "start_time": "1"}
    state = {
        "url": "https://127.0.0.1:1",
        "node_port_range": "30000-32767",
        "processes": {"devcluster": ours},
    }
    (folder / "state.json").write_text(json.dumps(state))

    status, down = run(folder, "status"), run(folder, "down")

    assert (status[0], down[0]) == (3, 0)
    assert not (folder / "state.json").exists()


def test_a_state_file_that_cannot_be_read_is_named(folder: Path) -> None:
    folder.mkdir()
    (folder / "state.json").write_text("{")

    code, _, said = run(folder, "status")

    assert code == 1
    assert f"{folder / 'state.json'} cannot be read" in said


def test_a_range_that_the_apiserver_refuses_is_told(folder: Path) -> None:
    code, _, said = run(folder, "up", "--node-port-range", "32767-30000")

    assert code == 1
    assert "kube-apiserver ended with 1" in said


def test_build_tells_where_each_program_comes_from() -> None:
    done = run_command("build")

    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert names == ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "kube-proxy"]
