"""The command: ``python -m devcluster build | up | down | status | kubeconfig``."""

import argparse
import os
import sys
from pathlib import Path

from devcluster import standing
from devcluster.binaries import PROGRAMS, find, passed_over
from devcluster.builder import build
from devcluster.control_plane import USERS
from devcluster.errors import DevclusterError
from devcluster.processes import ROOT
from devcluster.progress import Progress

NOT_RUNNING = 3
"""The exit code that init scripts use for it."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = _parser().parse_args(arguments)
    folder: Path = options.data_dir.absolute()
    try:
        match options.command:
            case "build":
                return _build()
            case "up":
                return _up(folder, options.node_port_range)
            case "down":
                return _down(folder)
            case "status":
                return _status(folder)
            case "kubeconfig":
                return _kubeconfig(folder, options.user)
            case _:
                return standing.stand(folder, options.node_port_range)
    except DevclusterError as error:
        sys.stderr.write(f"devcluster: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devcluster", description="A real control plane on loopback."
    )
    parser.add_argument(
        "--data-dir", type=Path, default=ROOT / ".dev" / "devcluster", help="where `up` keeps its files"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="build the programs that are missing, and say where each comes from")
    up = commands.add_parser("up", help="start a control plane and a forwarder that stay")
    up.add_argument("--node-port-range", default="30000-32767", metavar="FIRST-LAST")
    commands.add_parser("down", help="stop them")
    commands.add_parser("status", help="say what runs and answers; exit code 3 when nothing does")
    kubeconfig = commands.add_parser("kubeconfig", help="print the path of a kubeconfig")
    kubeconfig.add_argument("--user", choices=USERS, default="admin")
    stand = commands.add_parser("stand")  # what `up` leaves behind; not for people, so without help
    stand.add_argument("--node-port-range", required=True)
    return parser


def _build() -> int:
    progress = Progress()
    for sentence in passed_over(os.environ):
        progress.say(sentence)
    build(PROGRAMS, os.environ, progress)
    for name in PROGRAMS:
        binary = find(name, os.environ)
        if binary is not None:
            sys.stdout.write(f"{name:24} {binary.path} ({binary.source})\n")
    return 0


def _up(folder: Path, node_port_range: str) -> int:
    running = standing.read(folder)
    if running:
        sys.stderr.write(f"devcluster: it runs already: {running.describe()}\n")
        if running.node_port_range != node_port_range:
            sys.stderr.write(f"devcluster: for {node_port_range} stop it first: python -m devcluster down\n")
            return 1
    else:
        running = standing.start(folder, node_port_range)
        sys.stderr.write(f"devcluster: started: {running.describe()}\n")
    sys.stdout.write(f"{standing.kubeconfig(folder, 'admin')}\n")
    return 0


def _down(folder: Path) -> int:
    stopped = standing.stop(folder)
    sys.stderr.write("devcluster: stopped\n" if stopped else "devcluster: nothing runs\n")
    return 0


def _status(folder: Path) -> int:
    running = standing.read(folder)
    if running is None:
        sys.stdout.write("nothing runs; start it with: python -m devcluster up\n")
        return NOT_RUNNING
    answer = standing.ask(folder)
    for name, process in running.processes.items():
        sys.stdout.write(f"{name:24} pid {process.pid}, {'runs' if process.lives() else 'is gone'}\n")
    sys.stdout.write(f"{running.url}, node ports {running.node_port_range}: {answer or 'ready'}\n")
    return 0 if answer is None else NOT_RUNNING


def _kubeconfig(folder: Path, user: str) -> int:
    if standing.read(folder) is None:
        sys.stderr.write("devcluster: nothing runs; start it with: python -m devcluster up\n")
        return NOT_RUNNING
    sys.stdout.write(f"{standing.kubeconfig(folder, user)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
