"""Where the programs come from: each on its own, the first place that has it.

``TEST_ASSET_…`` (a file) → ``KUBEBUILDER_ASSETS`` (a folder) → devcluster's cache → built there from the
pinned Go modules (builder.py). The versions are those of the two go.mod files; the cache's folder is named
after them, so that a new version never meets an old program.
"""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).with_name("build")
KUBERNETES_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kubectl", "kube-proxy")
PROGRAMS = ("etcd", *KUBERNETES_PROGRAMS)
_PINS = {"kubernetes": "k8s.io/kubernetes", "etcd": "go.etcd.io/etcd/server/v3"}


@dataclass(frozen=True)
class Binary:
    """A program that can be run; ``source`` is the setting or the place that named it."""

    name: str
    path: Path
    source: str


def find(name: str, environment: Mapping[str, str]) -> Binary | None:
    """Return the first place that has the program, None when it has to be built."""
    places = [*_settings(name, environment), ("devcluster's cache", cache_folder(environment) / name)]
    for source, path in places:
        if _can_run(path):
            return Binary(name, path.absolute(), source)
    return None


def missing(names: Collection[str], environment: Mapping[str, str]) -> list[str]:
    """Return the programs that no place has."""
    return [name for name in names if find(name, environment) is None]


def passed_over(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each setting that names what is not there: a mistyped path costs minutes."""
    sentences = []
    for name in PROGRAMS:
        variable = variable_of(name)
        path = environment.get(variable)
        if path and not _can_run(Path(path)):
            sentences.append(f"{variable} is {path}, which is no program: looking further.")
    folder = environment.get("KUBEBUILDER_ASSETS")
    if folder and not Path(folder).is_dir():
        sentences.append(f"KUBEBUILDER_ASSETS is {folder}, which is no folder: looking further.")
    return sentences


def variable_of(name: str) -> str:
    """Return the environment variable that names one program's file."""
    return "TEST_ASSET_" + name.upper().replace("-", "_")


def cache_root(environment: Mapping[str, str]) -> Path:
    """Return the folder of all that devcluster keeps for this user, whatever the versions."""
    base = environment.get("XDG_CACHE_HOME")
    if base and Path(base).is_absolute():  # XDG has a relative one ignored
        return Path(base) / "wharfinger" / "devcluster"
    home = environment.get("HOME") or str(Path.home())
    return Path(home) / ".cache" / "wharfinger" / "devcluster"


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the cache's folder for the pinned versions."""
    return cache_root(environment) / f"kubernetes-{pinned('kubernetes')}_etcd-{pinned('etcd')}"


def pinned(module: str) -> str:
    """Return the version, such as ``v1.37.2``, that a folder of ``build/`` requires."""
    text = (MODULES / module / "go.mod").read_text()
    found = re.search(rf"^require {re.escape(_PINS[module])} (v\S+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{MODULES / module / 'go.mod'} requires no {_PINS[module]}")
    return found.group(1)


def _settings(name: str, environment: Mapping[str, str]) -> list[tuple[str, Path]]:
    settings = []
    variable = variable_of(name)
    if environment.get(variable):
        settings.append((variable, Path(environment[variable])))
    if environment.get("KUBEBUILDER_ASSETS"):
        settings.append(("KUBEBUILDER_ASSETS", Path(environment["KUBEBUILDER_ASSETS"]) / name))
    return settings


def _can_run(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
