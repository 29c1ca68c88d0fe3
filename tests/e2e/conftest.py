"""One control plane a process, for this folder alone; a fresh ledger and namespaces for each world."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import ControlPlane
from devcluster.workload import add_node
from tests.e2e.gated import Gated
from tests.e2e.world import World, new_world
from tests.postgres import Server

NODE_ADDRESS = "192.0.2.1"
SUMMARY = pytest.StashKey[list[str]]()


@pytest.fixture
def summary(pytestconfig: pytest.Config) -> list[str]:
    """Give what `make faults` ends with, for tests to add to."""
    return pytestconfig.stash.setdefault(SUMMARY, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for text in config.stash.get(SUMMARY, []):
        terminalreporter.write_line(text)


@pytest.fixture(scope="package")
def control_plane() -> Iterator[ControlPlane]:
    """Give a control plane with one Node: the worker has one apiserver, the tests the other one."""
    with ControlPlane(node_port_range="30000-30200", apiservers=2) as started:
        add_node(started.client("admin"), address=NODE_ADDRESS)
        yield started


@pytest.fixture(scope="module")
def empty_world(
    control_plane: ControlPlane, postgres: Server, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Give a world with nothing in its ledger; no part of it runs yet."""
    folder: Path = tmp_path_factory.mktemp("world")
    with postgres.database(template) as database, new_world(control_plane, database, folder) as world:
        yield world


@pytest.fixture(scope="module")
def gates(empty_world: World) -> Iterator[Gated]:
    """Give a world with teams and people, behind gates."""
    empty_world.fill()
    gated = Gated.of(empty_world)
    yield gated
    empty_world.end_parts()
    gated.close()


@pytest.fixture
def gated(gates: Gated) -> Gated:
    """Give it with open gates and both parts alive, whatever the test before did."""
    gates.restore()
    return gates


@pytest.fixture(scope="module")
def world(empty_world: World) -> World:
    """Give a world with teams and people; api and worker run."""
    empty_world.fill()
    empty_world.start_api()
    empty_world.start_worker()
    return empty_world
