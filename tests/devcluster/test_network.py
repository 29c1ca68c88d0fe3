"""Namespaces that packets cross and that leave nothing behind; and what is said where there can be none."""

import socket
import subprocess

import pytest

from devcluster.network import Namespace, NodeNetwork, what_is_missing
from tests.real_traffic import need_real_traffic

NODE, POD, CLIENT = "192.0.2.1", "10.244.0.2", "198.51.100.10"


def connect(host: Namespace, address: str, port: int, seconds: float = 5) -> bool:
    """Return whether a host reaches a TCP port in time; a first packet may be lost, 1 s it takes then."""
    try:
        host.run(lambda: socket.create_connection((address, port), seconds)).close()
    except OSError:
        return False
    return True


def network_of_the_machine() -> str:
    """Return its links, addresses and named namespaces."""
    looks = (["ip", "-oneline", "link"], ["ip", "-oneline", "address"], ["ip", "netns"])
    return "".join(subprocess.run(look, capture_output=True, text=True, check=True).stdout for look in looks)


def test_hosts_reach_what_they_have_a_route_to_and_the_machine_is_left_alone():
    need_real_traffic()
    before = network_of_the_machine()
    with NodeNetwork(NODE) as node:
        pod = node.attach(POD, ["0.0.0.0/0"])
        client = node.attach(CLIENT, ["192.0.2.0/24"])
        with (
            pod.run(lambda: socket.create_server(("0.0.0.0", 8000))),
            node.namespace.run(lambda: socket.create_server(("0.0.0.0", 81))),
        ):
            assert connect(node.namespace, POD, 8000)
            assert connect(client, NODE, 81)
            assert not connect(client, POD, 8000, 0.5)
            node.change_address(NODE, "192.0.2.2")
            assert connect(client, "192.0.2.2", 81)
            assert not connect(client, NODE, 81, 0.5)

        assert network_of_the_machine() == before


def test_a_program_that_is_missing_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")

    assert (
        what_is_missing()
        == "iproute2 and nftables not installed: make system, or apt-get install iproute2 nftables"
    )


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_where_there_can_be_no_traffic_ci_fails_and_others_are_told(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", ci)

    with pytest.raises(outcome, match="no real traffic: iproute2 and nftables not installed"):
        need_real_traffic()
