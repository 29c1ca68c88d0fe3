"""The clusters under test: the fake, new for each test, and one real control plane for the folder's tests.

It ends with the last of them: idle, its three processes would cost a twentieth of a core to the run's end.
"""

from collections.abc import Iterator

import pytest

from devcluster import ControlPlane
from tests.contract.clusters import FIRST, LAST, Cluster, Imagined, Real


@pytest.fixture(scope="package")
def control_plane() -> Iterator[ControlPlane]:
    """Start etcd and a kube-apiserver once."""
    with ControlPlane(node_port_range=f"{FIRST}-{LAST}") as started:
        yield started


@pytest.fixture(scope="package")
def _real(control_plane: ControlPlane) -> Iterator[Real]:
    """Open one gateway for all tests, as a worker does."""
    from service.cluster.real import open_gateway

    gateway = open_gateway(control_plane.kubeconfig("worker"), None)
    yield Real(control_plane, gateway)
    gateway.close()


@pytest.fixture
def real(_real: Real) -> Iterator[Real]:
    """Give the real cluster; the test's Services are removed after it."""
    yield _real
    _real.clear()


@pytest.fixture(params=["fake", "real"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Give each test once the fake and once the real cluster."""
    if request.param == "fake":
        return Imagined()
    found: Cluster = request.getfixturevalue("real")
    return found
