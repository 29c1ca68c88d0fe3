"""Every dependency has its reason in docs/decisions/0002-dependencies.md, and is used."""

import re
import tomllib

from packaging.requirements import Requirement

from tests.architecture.sources import ROOT, imports, modules, parsed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = [Requirement(line).name for line in PROJECT["project"]["dependencies"]]
DEVELOPMENT = [Requirement(line).name for line in PROJECT["dependency-groups"]["dev"]]
PAGE = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text()
MODULES = {"pyyaml": "yaml"}


def reasons(heading: str) -> list[str]:
    """Return the names that have a reason below a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^- `([a-z0-9-]+)`: \S.+$", section, re.MULTILINE)


def test_every_runtime_dependency_has_a_reason():
    assert reasons("What the product needs") == sorted(RUNTIME)


def test_every_development_dependency_has_a_reason():
    assert reasons("What development needs") == sorted(DEVELOPMENT)


def test_every_runtime_dependency_is_imported_by_the_product():
    used = {name.partition(".")[0] for path in modules("service") for _, name in imports(parsed(path))}
    wanted = {MODULES.get(name, name.replace("-", "_")) for name in RUNTIME}
    assert wanted - used == set()
