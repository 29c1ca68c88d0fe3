"""One control plane for all that only look at it, and a fake Go for all that only build."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import ControlPlane
from devcluster.binaries import PROGRAMS, variable_of
from tests.devcluster.tools import FAKE_GO, FakeGo, node_ports, write_program


@pytest.fixture(scope="package")
def control_plane() -> Iterator[ControlPlane]:
    """Give a running control plane; its node ports are no other test process's."""
    with ControlPlane(node_port_range=node_ports()) as started:
        yield started


@pytest.fixture
def fake_go(tmp_path: Path) -> FakeGo:
    """Give a Go on a PATH of its own, an empty cache, and the environment that finds both and no program."""
    bin_folder = tmp_path / "path"
    write_program(bin_folder / "go", FAKE_GO)
    taken = {"KUBEBUILDER_ASSETS", *map(variable_of, PROGRAMS)}
    kept = {name: value for name, value in os.environ.items() if name not in taken}
    search = os.pathsep.join([str(bin_folder), str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    environment = {
        **kept,
        "PATH": search,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "FAKE_GO": str(tmp_path),
    }
    return FakeGo(tmp_path, environment)
