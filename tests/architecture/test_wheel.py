"""The wheel holds the product: the rooms, the migrations beside them, the command; nothing of development."""

import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser

import pytest

from tests.architecture.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def text_of(wheel: zipfile.ZipFile, ending: str) -> str:
    """Return the one file whose name ends so."""
    [name] = [name for name in wheel.namelist() if name.endswith(ending)]
    return wheel.read(name).decode()


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    metadata = f"wharfinger-{PROJECT['version']}.dist-info/"
    strange = [name for name in wheel.namelist() if not name.startswith(("service/", metadata))]
    assert strange == []


def test_the_wheel_holds_every_module_and_every_migration(wheel):
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "service").rglob("*.py")}
    expected |= {f"service/{path.relative_to(ROOT)}" for path in (ROOT / "migrations").rglob("*.py")}
    assert {name for name in wheel.namelist() if name.endswith(".py")} == expected
    assert "service/migrations/script.py.mako" in wheel.namelist()


def test_the_wheel_holds_every_shipped_policy(wheel):
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "service" / "policies").rglob("*.yaml")}
    assert {name for name in wheel.namelist() if name.endswith(".yaml")} == expected != set()


def test_the_wheel_brings_the_command(wheel):
    assert "wharfinger = service.__main__:main" in text_of(wheel, "entry_points.txt")


def test_the_wheel_needs_what_the_project_names_and_no_development_tool(wheel):
    metadata = Parser().parsestr(text_of(wheel, "METADATA"))
    needed = {line.partition(";")[0].replace(" ", "") for line in metadata.get_all("Requires-Dist", [])}
    assert {name_of(line) for line in needed} == {name_of(line) for line in PROJECT["dependencies"]}


def name_of(requirement: str) -> str:
    """Return the name of the distribution that a requirement is for."""
    return requirement.replace("[", " ").replace(">", " ").replace("<", " ").split()[0].lower()
