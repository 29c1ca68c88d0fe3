"""Build the programs into the cache: once, whoever asks at the same time, and whole or not at all.

One builder holds a file lock, which the kernel releases however its holder ends. It builds in a folder
beside the cache and renames each finished program into place, so a program in the cache is always whole.
Killed half way, it leaves that folder and Go's build cache: the next builder removes the first and goes on
from the second.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster.binaries import KUBERNETES_PROGRAMS, MODULES, cache_folder, cache_root, missing, pinned
from devcluster.errors import BuildFailed
from devcluster.golang import choose_go
from devcluster.processes import Child
from devcluster.progress import Progress, expected_seconds, span

_WORK_PREFIX = ".building-"
_POLL_SECONDS = 0.2
_TABLE_CORES = 2


@dataclass(frozen=True)
class Module:
    """One folder of ``build/``. The seconds are those of two cores and cold caches (download, compile)."""

    folder: str
    packages: Mapping[str, str]
    download_seconds: float
    compile_seconds: float


_MODULES = (
    Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, 5, 25),
    Module("kubernetes", {name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES_PROGRAMS}, 20, 470),
)


def build(wanted: Collection[str], environment: Mapping[str, str], progress: Progress) -> None:
    """Build those of the wanted programs that no place has.

    Raises:
        GoMissing: no Go toolchain.
        BuildFailed: Go's own words, and where its log is.
    """
    root = cache_root(environment)
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / "lock", progress):
        names = missing(wanted, environment)
        if not names:
            return  # another builder made them while this one waited
        for stale in root.glob(_WORK_PREFIX + "*"):
            shutil.rmtree(stale, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=root))
        try:
            _build_all(names, environment, work, progress)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _build_all(
    names: Collection[str], environment: Mapping[str, str], work: Path, progress: Progress
) -> None:
    root, begun = cache_root(environment), time.monotonic()
    todo = [module for module in _MODULES if set(module.packages) & set(names)]
    estimate = sum(_scaled(module.download_seconds + module.compile_seconds) for module in todo)
    resumed = (root / "go-build").is_dir()
    progress.say(
        f"building {', '.join(names)}: about {span(estimate)} on this machine"
        + (", less because an earlier try left part of the work" if resumed else "")
        + f"; once, into {cache_folder(environment)}"
    )
    go = choose_go(environment, root, work, progress.say)
    for module in todo:
        wanted = {name: package for name, package in module.packages.items() if name in names}
        _Build(module, wanted, _Toolchain(go, _go_environment(environment, root, work), root), progress).run(
            work / "bin"
        )
        _publish(work / "bin", list(wanted), cache_folder(environment))
    # 3.7 GB that nobody needs again; the module cache is the user's own.
    shutil.rmtree(root / "go-build", ignore_errors=True)
    progress.say(f"built in {span(time.monotonic() - begun)}")


@dataclass(frozen=True)
class _Toolchain:
    go: Path
    environment: Mapping[str, str]
    root: Path


@dataclass(frozen=True)
class _Build:
    """One module's programs: the sources are fetched first, so that their number is known."""

    module: Module
    wanted: Mapping[str, str]
    toolchain: _Toolchain
    progress: Progress

    def run(self, target: Path) -> None:
        """Leave the programs in ``target``."""
        target.mkdir(parents=True, exist_ok=True)
        log = self.toolchain.root / f"build-{self.module.folder}.log"
        log.unlink(missing_ok=True)
        packages = list(self.wanted.values())
        download = _scaled(self.module.download_seconds)
        self._step("fetching the sources", ["list", "-deps", *packages], log, download, 0)
        total = sum(1 for line in log.read_text(errors="replace").splitlines() if _is_package(line))
        output = str(target / "etcd") if self.module.folder == "etcd" else f"{target}/"
        compiling = ["build", "-v", "-trimpath", "-ldflags", _link_flags(), "-o", output, *packages]
        self._step("compiling", compiling, log, _scaled(self.module.compile_seconds), total)

    def _step(self, what: str, arguments: list[str], log: Path, table: float, total: int) -> None:
        title = f"{self.module.folder} {pinned(self.module.folder)}: {what}"
        self.progress.say(f"{title}, about {span(table)}")
        begun, before = time.monotonic(), log.stat().st_size if log.exists() else 0
        command = [str(self.toolchain.go), *arguments]
        child = Child("go", command, log, self.toolchain.environment, MODULES / self.module.folder)
        try:
            while child.exit_code() is None:
                elapsed = time.monotonic() - begun
                done = _count_packages(log, before)
                expected = expected_seconds(elapsed, table, done, total)
                counted = f", {done} of at most {total} packages" if total else ""
                self.progress.update(f"{title}: {span(elapsed)} of about {span(expected)}{counted}")
                time.sleep(_POLL_SECONDS)
        finally:
            child.stop()
        if child.exit_code() != 0:
            raise BuildFailed(
                f"{title} failed: go ended with {child.exit_code()}. Its last lines, all of them in {log}:\n"
                f"{child.tail(15)}\n"
                "Try again with `python -m devcluster build`: it goes on where this one ended."
            )


def _publish(made: Path, names: list[str], folder: Path) -> None:
    """Put finished programs into the cache, each in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        _sync(made / name)
        (made / name).replace(folder / name)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _go_environment(environment: Mapping[str, str], root: Path, work: Path) -> dict[str, str]:
    (work / "tmp").mkdir(exist_ok=True)
    return {
        **environment,
        "CGO_ENABLED": "0",
        "GOCACHE": str(root / "go-build"),
        "GOFLAGS": "-mod=readonly",
        "GOTMPDIR": str(work / "tmp"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _link_flags() -> str:
    """Return the linker's flags: no debug symbols, and the version that the server tells its clients."""
    version = pinned("kubernetes")
    major, minor = version.removeprefix("v").split(".")[:2]
    told = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return "-s -w " + " ".join(f"-X k8s.io/component-base/version.{key}={told[key]}" for key in told)


def _count_packages(log: Path, start: int) -> int:
    with log.open("rb") as file:
        file.seek(start)
        return sum(1 for line in file if _is_package(line.decode(errors="replace")))


def _is_package(line: str) -> bool:
    """Tell an import path from the other things that go prints."""
    return bool(line.strip()) and " " not in line.strip()


def _scaled(seconds: float) -> float:
    return seconds * _TABLE_CORES / max(1, min(os.cpu_count() or 1, 8))


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the one lock of all builders of this cache; say so while another one has it."""
    with path.open("a+") as file:
        begun, told = time.monotonic(), False
        while not _try_lock(file.fileno()):
            holder = path.read_text().strip() or "another process"
            waited = span(time.monotonic() - begun)
            text = f"another build is under way ({holder}); waiting for its result, {waited} so far"
            if told:
                progress.update(text)
            else:
                progress.say(text)
            told = True
            time.sleep(_POLL_SECONDS)
        file.truncate(0)
        file.write(f"pid {os.getpid()}\n")
        file.flush()
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
