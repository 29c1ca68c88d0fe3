"""Ports that others take by kubectl, and creates that get lost: a real kube-apiserver of 41 node ports."""

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, Self

import pytest

from devcluster import ControlPlane
from devcluster.workload import add_node
from tests.e2e.gated import Gated
from tests.e2e.parts import run_command, wait_until
from tests.e2e.world import Document, World, condition

RANGE = "30000-30040"
SOON_SECONDS = 2.0
THIEVES = "thieves"


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """Give a control plane of few node ports, with a namespace for others."""
    with ControlPlane(node_port_range=RANGE, apiservers=2) as started:
        add_node(started.client("admin"), address="192.0.2.1")
        started.add_namespace(THIEVES)
        yield started


@pytest.fixture
def world(gated: Gated) -> Iterator[World]:
    """Give the world behind open gates; what the thieves made goes afterwards."""
    yield gated.world
    kubectl(gated.world, "delete", "services", "--all")


def kubectl(world: World, *words: str) -> str:
    """Run kubectl as the cluster's admin, in the thieves' namespace."""
    control_plane = world.control_plane
    assert control_plane.kubectl is not None
    command = [str(control_plane.kubectl), f"--kubeconfig={control_plane.kubeconfig('admin', apiserver=2)}"]
    done = subprocess.run(
        [*command, f"--namespace={THIEVES}", *words], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def steal(world: World, number: int, name: str = "thief") -> None:
    """Take a number by ``kubectl create``."""
    kubectl(world, "create", "service", "nodeport", name, "--tcp=80", f"--node-port={number}")


def service_of(world: World, name: str = "thief") -> Document:
    path = f"/api/v1/namespaces/{THIEVES}/services/{name}"
    return world.admin.request("GET", path)


def claim_is(world: World, number: int, state: str) -> bool:
    return bool(world.node_port(number)["state"] == state)


def soon(world: World, number: int, state: str) -> Document:
    """Return what the ledger says of a number, as soon as it is in this state."""
    wait_until(
        partial(claim_is, world, number, state),
        lambda: f"{number} is {state}, but {world.node_port(number)}\n{world.logs()}",
        SOON_SECONDS,
    )
    return world.node_port(number)


def number_of(exposure: Document) -> int:
    return int(exposure["status"]["ports"][0]["node_port"])


def submitted(world: World, name: str, number: int | None = None) -> Document:
    answer = world.submit(world.request(name, node_port=number))
    assert answer.status == 201, answer.text
    return answer.body


def stolen_at_the_last_moment(gated: Gated, exposure: Document, number: int) -> None:
    """Approve, and let kubectl take the number when our create is on its way already."""
    world = gated.world
    hold = gated.cluster_gate.hold(lambda call: call.is_for("POST", world.namespaces["team-a"]), "before")
    assert world.review(exposure).status == 201
    hold.wait()
    steal(world, number)
    hold.release()


def test_a_foreign_service_is_in_the_ledger_at_once_and_goes_with_it(world: World):
    steal(world, 30020)

    claim = soon(world, 30020, "foreign")
    assert claim["owner"] == {"team": None, "namespace": THIEVES, "name": "thief"}
    kubectl(world, "delete", "service", "thief")
    soon(world, 30020, "free")


def test_a_number_that_kubectl_gave_out_is_refused_with_its_owners_name(world: World):
    steal(world, 30021)
    soon(world, 30021, "foreign")

    answer = world.submit(world.request("late", node_port=30021))

    assert (answer.status, answer.body["code"]) == (409, "node-port-taken")
    assert answer.body["owner"]["name"] == "thief"


@pytest.mark.parametrize("moment", ["before the approval", "before the create"])
def test_an_asked_port_that_kubectl_steals_needs_its_requester_until_the_thief_goes(
    gated: Gated, world: World, moment: str
):
    number = 30022 if moment == "before the approval" else 30023
    exposure = submitted(world, f"asked-{number}", number)
    if moment == "before the approval":
        steal(world, number)
        assert world.review(exposure).status == 201
    else:
        stolen_at_the_last_moment(gated, exposure, number)
    thief = service_of(world)

    needy = world.wait_for(exposure, "NeedsRequester", seconds=5)

    soon(world, number, "foreign")
    needy = world.read(exposure)
    assert condition(needy, "Allocated")["status"] == "False"
    assert f"{THIEVES}/thief" in condition(needy, "Allocated")["message"]
    assert service_of(world) == thief
    assert world.service(exposure["metadata"]["name"]) is None
    kubectl(world, "delete", "service", "thief")
    wait_until(lambda: world.read(exposure)["status"]["live"], world.logs, 5)
    assert world.node_port(number)["state"] == "bound"
    assert "port-regained" in world.events(exposure)


@pytest.mark.parametrize("moment", ["before the approval", "before the create"])
def test_a_chosen_port_that_kubectl_steals_moves_to_another_one(gated: Gated, world: World, moment: str):
    name = "chosen-" + moment.replace(" ", "-")
    exposure = submitted(world, name)
    old = number_of(exposure)
    if moment == "before the approval":
        steal(world, old)
        assert world.review(exposure).status == 201
    else:
        stolen_at_the_last_moment(gated, exposure, old)
    thief = service_of(world)

    wait_until(lambda: world.read(exposure)["status"]["live"], world.logs, 10)

    live = world.read(exposure)
    new = number_of(live)
    made = world.service(name)
    assert made is not None
    assert made["spec"]["ports"][0]["nodePort"] == new != old
    assert live["status"]["live"]["digest"] == exposure["status"]["pending"]["digest"]
    assert service_of(world) == thief
    assert (world.node_port(old)["state"], world.node_port(new)["state"]) == ("foreign", "bound")
    assert world.node_port(old)["owner"]["name"] == "thief"
    assert world.events(exposure).count("port-reassigned") == 1


def test_a_create_that_timed_out_here_and_succeeded_there_keeps_its_port_through_a_withdrawal(
    gated: Gated, world: World
):
    number = 30030
    exposure = submitted(world, "lost", number)
    hold = gated.cluster_gate.hold(lambda call: call.is_for("POST", world.namespaces["team-a"]), "after")
    assert world.review(exposure).status == 201
    hold.wait()  # the apiserver has made it; the worker gives up after its 4 s

    with Asking(world, number) as asking:
        assert world.delete(exposure).status == 202
        ended = world.wait_for(exposure, "Ended", seconds=30)
        hold.drop()

    assert ended["status"]["reason"] == "Withdrawn"
    assert world.service("lost") is None
    assert set(asking.answers) == {"node-port-taken"}
    assert len(asking.answers) > 5
    assert world.node_port(number)["state"] == "cooling"


class Asking(threading.Thread):
    """Another team that asks for a number again and again."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(daemon=True)
        self._world, self._number = world, number
        self._over = threading.Event()
        self.answers: list[Any] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(10)

    def run(self) -> None:
        while not self._over.wait(0.1):
            body = self._world.request("greedy", "team-b", self._number)
            answer = self._world.submit(body, who="ben")
            self.answers.append(answer.body.get("code", answer.status))


# The commands of the platform.


def command(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    kubeconfig = str(world.control_plane.kubeconfig("worker"))
    return run_command("cluster", *words, DATABASE_URL=world.database.url, KUBECONFIG=kubeconfig)


def test_probe_finds_the_range_and_leaves_nothing_behind(world: World):
    found = command(world, "probe", "dev")

    assert (found.returncode, found.stdout) == (0, f"{RANGE}\n"), found.stderr
    assert "as configured" in found.stderr
    listed = world.admin.request("GET", "/api/v1/namespaces/wharfinger/services")["items"]
    assert [service["metadata"]["name"] for service in listed] == []


def test_probe_warns_of_another_range_and_says_what_to_do(world: World):
    added = command(world, "add", "other", "--node-ports", "30000-32767")
    assert added.returncode == 0, added.stderr

    found = command(world, "probe", "other")

    assert (found.returncode, found.stdout) == (1, f"{RANGE}\n")
    assert f"wharfinger cluster add other --node-ports {RANGE}" in found.stderr


def test_probe_names_a_namespace_that_is_not_there(world: World):
    found = command(world, "probe", "dev", "--namespace", "nowhere")

    assert (found.returncode, found.stdout) == (1, "")
    assert "nowhere" in found.stderr
    assert "--namespace" in found.stderr


def test_survey_shows_every_services_number_and_whose_it_is(world: World):
    steal(world, 30035)
    soon(world, 30035, "foreign")
    exposure = submitted(world, "surveyed")
    assert world.review(exposure).status == 201
    wait_until(lambda: world.read(exposure)["status"]["live"], world.logs)

    shown = command(world, "survey", "dev")

    assert shown.returncode == 0, shown.stderr
    lines = {line.split()[0]: line for line in shown.stdout.splitlines()}
    number = str(number_of(world.read(exposure)))
    assert "foreign" in lines["30035"]
    assert f"{THIEVES}/thief" in lines["30035"]
    assert "ours" in lines[number]
    assert f"Range {RANGE}:" in shown.stderr
