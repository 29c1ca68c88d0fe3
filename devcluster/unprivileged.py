"""Programs that refuse to run as root: for root they run as ``nobody``, for everybody else as they are.

Where nobody may not enter the folders on the way (a checkout under /root), the program is lent root's right
to pass folders: for that program alone, instead of opening the folders to all.
"""

import os
import pwd
import shutil
from pathlib import Path

from devcluster.errors import StartFailed

NOBODY = "nobody"
FOLDER_RIGHTS = {"dac_read_search": 2, "dac_override": 1}
"""Capabilities to enter any folder, the weakest first, with their bits (linux/capability.h)."""


def unprivileged_user() -> str:
    """Return as whom such a program has to run; empty: as we do."""
    return NOBODY if os.geteuid() == 0 else ""


def as_user(program: Path, data: Path) -> list[str]:
    """Return the command that starts a program as whoever it has to run as.

    Args:
        data: the folder that it works on; the caller lets it be entered, and makes what is in it the user's.

    Raises:
        StartFailed: nobody may not enter the folders and we cannot lend the right, or setpriv is missing.
    """
    if not unprivileged_user():
        return [str(program)]
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StartFailed(
            f"{program.name} does not run as root, and setpriv (package util-linux), which would start it as "
            f"{NOBODY}, is missing. Install that, or run as an ordinary user."
        )
    entry = pwd.getpwnam(NOBODY)
    ids = [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    return [setpriv, *ids, "--pdeathsig=KILL", *_folder_rights(program, data), str(program)]


def _folder_rights(program: Path, data: Path) -> list[str]:
    """Return the options of setpriv that lend the right to pass closed folders; none when all are open."""
    folders = (*program.resolve().parents, *data.parents)
    closed = [folder for folder in folders if not folder.stat().st_mode & 0o001]
    if not closed:
        return []
    right = next((name for name, bit in FOLDER_RIGHTS.items() if _has_capability(bit)), None)
    if right is None:
        raise StartFailed(
            f"{program.name} does not run as root, and {NOBODY}, as whom it would, may not enter "
            f"{closed[-1]}. Allow it with `chmod o+x {closed[-1]}`, or run as an ordinary user."
        )
    # Without the last one access(2) would judge by the user alone.
    return [f"--inh-caps=+{right}", f"--ambient-caps=+{right}", "--securebits=+no_setuid_fixup"]


def _has_capability(bit: int) -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(line.split()[1] for line in lines if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> bit & 1)
