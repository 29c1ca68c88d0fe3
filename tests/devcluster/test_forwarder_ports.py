"""What the forwarder says on standard error. A file of its own: no other forwarder may run meanwhile."""

import select
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from devcluster import ControlPlane
from devcluster.hello import serve_pod
from devcluster.processes import Child, python_environment
from devcluster.workload import add_node
from tests.devcluster.tools import wait_for
from tests.devcluster.traffic import expose, get, next_port, node_port_of, remove


@contextmanager
def forwarding(plane: ControlPlane) -> Iterator[Callable[..., str]]:
    """Run a forwarder; give a function that returns its next complaint, empty when there is none in time."""
    program = [sys.executable, "-m", "devcluster.forwarder", str(plane.kubeconfig("admin"))]
    child = Child(
        "forwarder", ["sh", "-c", 'exec "$@" 2>&1', "sh", *program], environment=python_environment()
    )
    assert child.output.readline() == b"ready\n"

    def complaint(seconds: float = 15) -> str:
        readable, _, _ = select.select([child.output], [], [], seconds)
        return child.output.readline().decode() if readable else ""

    try:
        yield complaint
    finally:
        child.stop()


@pytest.fixture
def plane(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give the control plane with two namespaces, each with a workload; their Services go after the test."""
    add_node(control_plane.client("admin"))
    control_plane.add_namespace("busy")
    control_plane.add_namespace("idle")
    with serve_pod(control_plane, "busy", 90), serve_pod(control_plane, "idle", 91):
        yield control_plane
        for name in ("busy", "idle"):
            remove(control_plane, name)


def test_a_port_in_use_is_told_once_disturbs_no_other_and_is_taken_when_free(plane: ControlPlane) -> None:
    with forwarding(plane) as complaint, socket.socket() as taken:
        port = next_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        spec = {"name": "http", "port": 80, "targetPort": "http", "nodePort": port}
        expose(plane, "busy", ports=[spec])
        first = complaint()
        other = node_port_of(expose(plane, "idle"))
        answer = wait_for(lambda: get("127.0.0.1", other), "the other answers")

        taken.close()

        assert wait_for(lambda: get("127.0.0.1", port), "the port answers") == "busy\n"
        assert answer == "idle\n"
        assert first == (
            f"forwarder: cannot listen on 127.0.0.1:{port}/TCP for Service busy/web: "
            "Address already in use; trying again every second\n"
        )
        assert complaint(0) == ""


def test_clients_and_workloads_that_break_off_are_nothing_to_complain_about(plane: ControlPlane) -> None:
    with forwarding(plane) as complaint:
        port = node_port_of(expose(plane, "idle"))
        wait_for(lambda: get("127.0.0.1", port), "an answer")
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
                # To close with this set is a reset.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        local = {"devcluster.wharfinger.dev/local-port": '{"8000": 1}'}
        path = "/api/v1/namespaces/idle/pods/hello"
        plane.client("admin").request("PATCH", path, {"metadata": {"annotations": local}})
        wait_for(lambda: get("127.0.0.1", port) == "", "nobody answers")

        assert complaint(0) == ""
