"""A real control plane: fast, several at once, with the worker's rights and no more, and gone afterwards."""

import json
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devcluster import ApiAway, ApiRefused, ControlPlane, DevclusterError, StartFailed
from devcluster.client import Client
from devcluster.folders import make_folder
from devcluster.workload import add_node
from tests.devcluster.tools import is_gone, start_python, wait_for, write_program

Document = dict[str, Any]
READY_SECONDS = 5.0

HOLDER = """
import json, sys, time
from devcluster import ControlPlane, Forwarder
with ControlPlane() as plane, Forwarder(plane) as forwarder:
    print(json.dumps({**plane.pids, "forwarder": forwarder.pid}))
    time.sleep(100)
"""


def make_service(node_port: int, name: str = "web") -> Document:
    port = {"port": 80, "protocol": "TCP", "nodePort": node_port}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "NodePort", "selector": {"app": name}, "ports": [port]},
    }


def status_of(plane: ControlPlane, user: str, method: str, path: str, body: Document | None = None) -> int:
    try:
        plane.client(user).request(method, path, body)
    except ApiRefused as error:
        return error.status
    return 200


@dataclass(frozen=True)
class Ended:
    """What is known of a control plane that has run, and was stopped."""

    url: str
    client: Client
    pids: Mapping[str, int]
    folder: Path
    seconds_to_start: float


def run_once() -> Ended:
    begun = time.monotonic()
    with ControlPlane() as plane:
        seconds = time.monotonic() - begun
        folder = plane.kubeconfig("admin").parent
        return Ended(plane.url, plane.client("admin"), plane.pids, folder, seconds)


@pytest.fixture(scope="module")
def ended() -> Ended:
    """Give what is left of a control plane that was stopped: it should be nothing."""
    return run_once()


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane with a data folder, in its second life; the first one made a namespace.

    Now it has two apiservers.
    """
    data = tmp_path_factory.mktemp("restarted") / "data"
    with ControlPlane("30000-30009", data_dir=data) as plane:
        plane.add_namespace("kept")
    with ControlPlane("30000-30009", data_dir=data, apiservers=2) as plane:
        yield plane


def test_it_is_ready_within_five_seconds(ended: Ended) -> None:
    # The best of three: on a machine that does other things too, only the best one tells about us.
    tries = [ended.seconds_to_start]
    while tries[-1] > READY_SECONDS and len(tries) < 3:
        tries.append(run_once().seconds_to_start)

    assert min(tries) <= READY_SECONDS, tries


def test_two_at_once_keep_their_own_ranges_and_objects(
    control_plane: ControlPlane, restarted: ControlPlane
) -> None:
    own = int(control_plane.node_port_range.split("-")[0]) + 99
    path = "/api/v1/namespaces/twice/services"
    answers = {}
    for name, plane in {"one": control_plane, "other": restarted}.items():
        plane.add_namespace("twice")
        answers[name] = [
            status_of(plane, "admin", "POST", path, make_service(port, f"web-{port}"))
            for port in (own, 30005)
        ]

    assert answers == {"one": [200, 422], "other": [422, 200]}


def test_a_node_port_out_of_range_is_refused_with_the_range(control_plane: ControlPlane) -> None:
    control_plane.add_namespace("out-of-range")

    with pytest.raises(ApiRefused) as caught:
        control_plane.client("admin").request(
            "POST", "/api/v1/namespaces/out-of-range/services", make_service(29999)
        )

    assert caught.value.status == 422
    assert f"The range of valid ports is {control_plane.node_port_range}" in caught.value.message
    assert "POST /api/v1/namespaces/out-of-range/services was answered with 422" in str(caught.value)


NAMESPACED = "/api/v1/namespaces/rights"
RIGHTS: list[tuple[str, str, Document | None, int]] = [
    ("GET", "/api/v1/services", None, 200),
    ("POST", f"{NAMESPACED}/services?dryRun=All", make_service(0), 200),
    ("GET", "/apis/discovery.k8s.io/v1/endpointslices", None, 200),
    ("GET", "/api/v1/nodes", None, 200),
    ("GET", "/api/v1/secrets", None, 403),
    ("GET", "/api/v1/pods", None, 403),
    ("GET", "/api/v1/namespaces", None, 403),
    ("GET", f"{NAMESPACED}/configmaps", None, 403),
    ("PATCH", f"{NAMESPACED}/services/kept", {"metadata": {"labels": {"a": "b"}}}, 403),
    ("PATCH", f"{NAMESPACED}/services/kept/status", {"status": {}}, 403),
    ("DELETE", f"{NAMESPACED}/services", None, 403),
    ("DELETE", "/api/v1/nodes/rights-node", None, 403),
    ("DELETE", NAMESPACED, None, 403),
    ("POST", f"{NAMESPACED}/serviceaccounts/default/token", {}, 403),
    ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles", None, 403),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"), RIGHTS, ids=[f"{method} {path}" for method, path, *_ in RIGHTS]
)
def test_the_worker_may_do_this_and_no_more(
    control_plane: ControlPlane, method: str, path: str, body: Document | None, status: int
) -> None:
    control_plane.add_namespace("rights")
    add_node(control_plane.client("admin"), "rights-node", "192.0.2.200")

    assert status_of(control_plane, "worker", method, path, body) == status


def test_the_worker_creates_reads_changes_and_deletes_services(control_plane: ControlPlane) -> None:
    control_plane.add_namespace("writes")
    worker, path = control_plane.client("worker"), "/api/v1/namespaces/writes/services"
    service = make_service(0)
    del service["spec"]["ports"][0]["nodePort"]
    worker.request("POST", path, service)

    found = worker.request("GET", f"{path}/web")
    found["spec"]["ports"][0]["port"] = 81
    worker.request("PUT", f"{path}/web", found)
    changed = worker.request("GET", f"{path}/web")["spec"]["ports"][0]["port"]
    worker.request("DELETE", f"{path}/web")

    assert changed == 81
    assert status_of(control_plane, "worker", "GET", f"{path}/web") == 404


def test_a_namespace_that_is_there_may_be_added_again(control_plane: ControlPlane) -> None:
    control_plane.add_namespace("again")

    control_plane.add_namespace("again")


def test_kubeconfigs_are_for_their_owner_alone(control_plane: ControlPlane) -> None:
    modes = {user: control_plane.kubeconfig(user).stat().st_mode & 0o777 for user in ("admin", "worker")}

    assert modes == {"admin": 0o600, "worker": 0o600}


def test_kubectl_is_found_beside_the_others(control_plane: ControlPlane) -> None:
    assert control_plane.kubectl is not None
    assert control_plane.kubectl.name == "kubectl"


def test_nothing_is_left_after_stop(ended: Ended) -> None:
    assert list(ended.pids) == ["etcd", "kube-apiserver", "kube-controller-manager"]
    assert all(map(is_gone, ended.pids.values()))
    assert not ended.folder.exists()


def test_nothing_runs_after_kill_9_of_the_parent() -> None:
    parent = start_python("-c", HOLDER)
    assert parent.stdout is not None
    pids = json.loads(parent.stdout.readline())

    parent.kill()
    parent.communicate()

    assert len(pids) == 4
    wait_for(lambda: all(map(is_gone, pids.values())), "every process is gone")


def test_the_folder_of_one_that_was_killed_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lost, lock = make_folder()
    kept, held = make_folder()
    lock.close()

    made, last = make_folder()

    assert {path for path in tmp_path.iterdir() if path != lost} == {kept, made}
    assert not lost.exists()
    held.close()
    last.close()


def test_with_a_data_folder_objects_outlive_a_restart(restarted: ControlPlane) -> None:
    assert status_of(restarted, "admin", "GET", "/api/v1/namespaces/kept") == 200


def test_a_data_folder_that_is_in_use_is_refused(restarted: ControlPlane) -> None:
    data = restarted.kubeconfig("admin").parent
    with pytest.raises(DevclusterError, match="Another control plane uses"):
        ControlPlane(data_dir=data).start()


def test_a_client_of_a_stopped_control_plane_says_that_nobody_answers(ended: Ended) -> None:
    with pytest.raises(ApiAway, match=f"no answer from {ended.url} to GET /readyz"):
        ended.client.request("GET", "/readyz")


def test_of_two_apiservers_one_goes_on_when_the_other_is_killed(restarted: ControlPlane) -> None:
    restarted.add_namespace("shared")
    first, second = (restarted.client("worker", number) for number in (1, 2))
    path = "/api/v1/namespaces/shared/services"
    first.request("POST", path, make_service(30008))

    restarted.kill("kube-apiserver")

    assert not restarted.lives("kube-apiserver")
    assert second.request("GET", f"{path}/web")["spec"]["ports"][0]["nodePort"] == 30008
    with pytest.raises(ApiRefused, match="provided port is already allocated"):
        second.request("POST", path, make_service(30008, "other"))
    restarted.launch("kube-apiserver")
    wait_for(lambda: answers(first, f"{path}/web"), "the first one answers again")


def answers(client: Client, path: str) -> bool:
    """Return whether an apiserver gives an object out."""
    try:
        client.request("GET", path)
    except (ApiAway, ApiRefused):
        return False
    return True


def test_an_apiserver_that_is_not_there_is_named(restarted: ControlPlane) -> None:
    with pytest.raises(ValueError, match="no apiserver 3: this control plane has 2"):
        restarted.kubeconfig("admin", apiserver=3)


def test_nonsense_is_no_range() -> None:
    with pytest.raises(DevclusterError, match="write it as 30000-32767"):
        ControlPlane("30000")


def test_a_process_that_ends_is_named_with_the_end_of_its_log() -> None:
    plane = ControlPlane("32767-30000")

    with pytest.raises(StartFailed, match=r"kube-apiserver ended with 1\. The end of .*") as caught:
        plane.start()

    assert "32767-30000" in str(caught.value)
    assert plane.pids == {}


def test_a_port_that_somebody_took_meanwhile_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    text = f'#!/bin/sh\necho call >> "{calls}"\necho "listen tcp: bind: address already in use"; exit 1\n'
    monkeypatch.setenv("TEST_ASSET_ETCD", str(write_program(tmp_path / "etcd", text)))
    waiting = write_program(tmp_path / "apiserver", "#!/bin/sh\nexec sleep 100\n")
    monkeypatch.setenv("TEST_ASSET_KUBE_APISERVER", str(waiting))

    with pytest.raises(StartFailed, match="etcd ended with 1"):
        ControlPlane().start()

    assert calls.read_text().splitlines() == ["call"] * 3


def test_a_control_plane_that_is_not_started_says_so() -> None:
    with pytest.raises(DevclusterError, match="not started"):
        ControlPlane().kubeconfig("admin")


def test_the_apiserver_listens_on_loopback_only(control_plane: ControlPlane) -> None:
    with socket.create_connection(("127.0.0.1", control_plane.port), timeout=5):
        listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()

    local = {
        line.split()[1] for line in listening.splitlines()[1:] if ":" in line and line.split()[3] == "0A"
    }
    port = f"{control_plane.port:04X}"
    assert {address for address in local if address.endswith(f":{port}")} == {f"0100007F:{port}"}
