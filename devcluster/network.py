"""Hosts with a network of their own on this machine: namespaces in which real packets go from one to another.

A namespace here has no name. It lives while something runs in it or a file of it is open, and the only file
is this process's: however the process ends, the kernel takes namespaces, cables and addresses away, and two
test runs never meet. The machine's own network is not touched.

A thread can be in another namespace than the rest of its process, a socket stays where it was opened, and a
child starts where its parent's thread is. So only the opening happens elsewhere: ``Namespace.run``.

Python 3.11 has no setns(2); libc has. Source: namespaces(7), network_namespaces(7).
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from devcluster.errors import StartFailed

Result = TypeVar("Result")
PROGRAMS = {"ip": "iproute2", "nft": "nftables"}
"""What real traffic needs beside root, by the Debian package that has it."""

_CLONE_NEWNET = 0x40000000
_GATEWAY = "169.254.1.1"
"""The node as its hosts' next hop: the same whatever addresses the node has."""


def what_is_missing() -> str | None:
    """Return why there can be no real traffic here and what to do about it, None when there can."""
    absent = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if absent:
        return f"{' and '.join(absent)} not installed: make system, or apt-get install {' '.join(absent)}"
    try:
        with Namespace() as namespace:
            namespace.call("nft", "list", "tables")
    except PermissionError:
        return "only root, with CAP_SYS_ADMIN and CAP_NET_ADMIN, can make network namespaces: run as root"
    except (OSError, StartFailed) as error:
        return f"this kernel has no network namespaces with nftables: {error}"
    return None


class Namespace:
    """One host's network: loopback, and nothing else until it is attached to a node."""

    def __init__(self) -> None:
        """Make it.

        Raises:
            PermissionError: we may not.
        """
        self._file = _elsewhere(_open_new)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> str:
        """Where ``ip`` finds it."""
        return f"/proc/{os.getpid()}/fd/{self._file}"

    def run(self, action: Callable[[], Result]) -> Result:
        """Call something in here, in a thread of its own; what it opens or starts stays in here."""

        def act() -> Result:
            _libc_call("setns", self._file, _CLONE_NEWNET)
            return action()

        return _elsewhere(act)

    def call(self, *command: str, given: str = "") -> str:
        """Run a program in here to its end; return what it wrote.

        Raises:
            StartFailed: it failed; with its own words.
        """
        done = self.run(
            lambda: subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        )
        if done.returncode:
            raise StartFailed(f"{' '.join(command)} failed with {done.returncode}: {done.stderr}\n{given}")
        return done.stdout

    def configure(self, lines: Sequence[str]) -> None:
        """Run lines of ``ip``, without the word."""
        self.call("ip", "-batch", "-", given="\n".join(lines))

    def close(self) -> None:
        """Let it go; it is gone once nothing runs in it any more. Safe to repeat."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class NodeNetwork:
    """A node: a namespace that forwards between hosts, each of which has a cable of its own to it."""

    def __init__(self, address: str) -> None:
        """Make it with one address."""
        self.namespace = Namespace()
        self._hosts: list[Namespace] = []
        self._cables = 0
        try:
            self.namespace.configure(
                [
                    "link set lo up",
                    # A node has many cables, and answers to its addresses on each.
                    f"address add {address}/32 dev lo",
                    f"address add {_GATEWAY}/32 dev lo scope link",
                    # Only what has a route at all meets kube-proxy's rules; this one leads nowhere.
                    "link add uplink type veth peer name nowhere",
                    "link set uplink up",
                    "link set nowhere up",
                    "route add default dev uplink",
                ]
            )
            self.namespace.run(lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
        except BaseException:
            self.namespace.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self._hosts:
            host.close()
        self.namespace.close()

    def attach(self, address: str, routes: Sequence[str]) -> Namespace:
        """Return a new host that sends what is for these networks, and nothing else, to the node."""
        host = Namespace()
        self._hosts.append(host)
        self._cables += 1
        cable = f"cable{self._cables}"
        self.namespace.configure(
            [
                f"link add {cable} type veth peer name eth0 netns {host.path}",
                f"link set {cable} up",
                f"route add {address}/32 dev {cable}",
            ]
        )
        host.configure(
            [
                "link set lo up",
                f"address add {address}/32 dev eth0",
                "link set eth0 up",
                f"route add {_GATEWAY}/32 dev eth0 scope link",
                *(f"route add {network} via {_GATEWAY} dev eth0" for network in routes),
            ]
        )
        return host

    def change_address(self, old: str, new: str) -> None:
        """Give the node another address and take the old one away."""
        self.namespace.configure([f"address add {new}/32 dev lo", f"address del {old}/32 dev lo"])


def _open_new() -> int:
    _libc_call("unshare", _CLONE_NEWNET)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _elsewhere(action: Callable[[], Result]) -> Result:
    """Call something in a thread that ends with it: this one stays in the namespace that it is in."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(action).result()


def _libc_call(name: str, *arguments: Any) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
