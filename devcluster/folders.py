"""The folder of a control plane, locked while it runs: a given one that stays, or one that is made and goes.

A control plane that is killed cannot remove its folder; the next one does. The kernel releases the lock
however the holder ends, so a folder that can be locked is nobody's.
"""

import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import IO

from devcluster.errors import DevclusterError

_PREFIX = "devcluster-"
_LOCK = "lock"


def open_folder(data_dir: Path) -> IO[str]:
    """Make a folder if it is missing, and return its lock.

    Raises:
        DevclusterError: another control plane has it.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _try_lock(data_dir / _LOCK)
    if lock is None:
        raise DevclusterError(f"Another control plane uses {data_dir}: stop it first.")
    return lock


def make_folder() -> tuple[Path, IO[str]]:
    """Make a folder for one run, and return it with its lock."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        _remove_left(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    # Locked before it has the name that others look for: a folder is never seen without its owner.
    lock = _try_lock(folder / "new")
    assert lock is not None, f"{folder} was made just now"
    (folder / "new").rename(folder / _LOCK)
    return folder, lock


def _remove_left(path: Path) -> None:
    try:
        lock = _try_lock(path)
    except OSError:
        return  # another user's, or gone by now
    if lock is not None:
        shutil.rmtree(path.parent, ignore_errors=True)
        lock.close()


def _try_lock(path: Path) -> IO[str] | None:
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
