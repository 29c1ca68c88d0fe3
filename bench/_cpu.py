"""How much processor time processes have used, those that they started included."""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def seconds(roots: Iterable[int]) -> float:
    """Return the processor seconds of processes and all below them, ended ones included.

    Source: proc_pid_stat(5), fields 4 and 14 to 17; the name before them may hold blanks and brackets.
    """
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        pid = int(path.parent.name)
        parents[pid] = int(fields[1])
        used[pid] = sum(map(int, fields[11:15])) / TICKS
    wanted = set(roots)
    return sum(time for pid, time in used.items() if _below(pid, parents, wanted))


def postmaster(home: Path) -> int:
    """Return the process of the PostgreSQL whose data is below a folder."""
    return int(next(home.rglob("postmaster.pid")).read_text().splitlines()[0])


def _below(pid: int, parents: dict[int, int], roots: set[int]) -> bool:
    while pid not in roots:
        if pid not in parents:
            return False
        pid = parents[pid]
    return True
