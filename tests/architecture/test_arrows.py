"""The arrows of docs/house.md hold, and the contracts that say so can fail."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

LINT_IMPORTS = str(Path(sys.executable).with_name("lint-imports"))
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
WITHOUT_CONTRACT = {"service.__init__", "service.wiring"}
"""Wiring may import everything."""

FORBIDDEN = [
    ("service/domain/rules.py", "import sqlalchemy", "domain: pure"),
    ("service/domain/plan.py", "import service.store.ports", "domain: pure"),
    ("service/expressions/laws.py", "import sqlalchemy", "expressions: CEL, nowhere else"),
    ("service/workflow/submit.py", "import service.expressions", "the evaluator: built by wiring alone"),
    ("service/policies/__init__.py", "import service.store", "policies: the documents that ship"),
    ("service/store/rows.py", "import service.workflow.submit", "store: rows to domain values"),
    ("service/api/app.py", "import cryptography", "api: HTTP"),
    ("service/workflow/submit.py", "import flask", "workflow: what a person can do"),
    ("service/api/app.py", "import service.store.ports", "api: HTTP"),
    ("service/api/app.py", "import service.reconciler", "api and reconciler meet in the database"),
    ("service/reconciler/__init__.py", "import service.cluster.real", "reconciler: the loop"),
    ("service/reconciler/__init__.py", "import service.api.app", "api and reconciler meet in the database"),
    ("service/workflow/read.py", "import service.cluster.gateway", "the api never reaches a cluster"),
    ("service/wiring.py", "import kubernetes", "kubernetes: in the real gateway, nowhere else"),
    ("service/wiring.py", "import devcluster", "only wharfinger dev finds devcluster"),
    ("service/admin/__init__.py", "import yaml", "admin: the commands on the database"),
    ("devcluster/__init__.py", "import service.settings", "devcluster: knows nothing of the product"),
]


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter in a tree."""
    command = [LINT_IMPORTS, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what import-linter reads."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for folder in ("service", "devcluster", "bench"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__", "build"))
    shutil.copytree(ROOT / "tests" / "architecture", tree / "tests" / "architecture")
    return tree


def test_every_arrow_is_a_written_one():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("module", "line", "contract"), FORBIDDEN)
def test_a_forbidden_import_breaks_its_contract(copy, module, line, contract):
    path = copy / module
    text = path.read_text()
    path.write_text(f"{text}\n{line}\n")
    done = lint(copy)
    path.write_text(text)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout


def test_every_room_has_a_contract():
    rooms = {f"service.{path.stem}" for path in (ROOT / "service").glob("*.py")}
    rooms |= {f"service.{path.parent.name}" for path in (ROOT / "service").glob("*/__init__.py")}
    assert rooms - WITHOUT_CONTRACT == {
        contract["room"] for contract in CONTRACTS if contract.get("room", "").startswith("service.")
    }


@pytest.mark.parametrize("module", ["service.api.app", "service.wiring"])
def test_the_api_never_loads_the_kubernetes_client(module):
    code = f"import sys, {module}; sys.exit('kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0
