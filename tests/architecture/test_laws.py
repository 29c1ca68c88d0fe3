"""The rules of docs/house.md that import-linter cannot see: clocks, environments, statuses, sizes, names."""

import ast

import pytest

from tests.architecture.sources import ROOT, imports, modules, parsed, place, uses

IMPURE = (
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "time.", "random.", "secrets.", "os.", "logging.", "open", "print", "uuid.uuid1", "uuid.uuid4",
)  # fmt: skip
VAGUE = {"service", "services", "manager", "managers", "helper", "helpers", "util", "utils", "common", "misc"}
LONGEST_MODULE = 350
STATUS_MODULES = {ROOT / "service" / "api" / name for name in ("problems.py", "resource.py")}
"""The table, and what route declarations are made of."""

HANDED_ON = {(ROOT / "service" / "admin" / "dev.py", "os.environ")}
"""As a whole, to the processes that `wharfinger dev` starts; nothing is read from it."""


def is_one_of(name: str, names: tuple[str, ...]) -> bool:
    """Return whether a dotted name is one of these; one that ends in a dot stands for all below it."""
    return any(name == known or (known.endswith(".") and name.startswith(known)) for known in names)


def test_the_domain_has_no_clock_no_chance_and_no_output():
    found = [
        f"{place(path, node)}: {name}"
        for path in modules("service/domain")
        for node, name in uses(parsed(path))
        if is_one_of(name, IMPURE)
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "from datetime import datetime as d\nd.now()",
        "import time\ntime.time()",
        "from os import urandom",
        "open('x')",
    ],
)
def test_an_impure_line_is_recognised(code):
    assert any(is_one_of(name, IMPURE) for _, name in uses(ast.parse(code)))


def test_only_settings_read_the_environment():
    found = [
        f"{place(path, node)}: {name}"
        for path in modules("service")
        if path != ROOT / "service" / "settings.py"
        for node, name in uses(parsed(path))
        if name.startswith(("os.environ", "os.getenv", "environs.")) and name != "environs.EnvError"
        if (path, name) not in HANDED_ON
    ]
    assert found == []


def test_sql_is_written_in_the_store_alone():
    found = [
        f"{place(path, node)}: {name}"
        for path in modules("service")
        if path.parent.name not in ("store", "tables", "admin") and path.name != "wiring.py"
        for node, name in imports(parsed(path))
        if name.startswith("sqlalchemy") and name != "sqlalchemy.orm.Session"
    ]
    assert found == []


def test_error_statuses_stand_in_problems_and_in_route_declarations_alone():
    found = []
    for path in modules("service/api", "service/workflow", "service/domain", "service/store"):
        if path in STATUS_MODULES:
            continue
        tree = parsed(path)
        declared = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            for decorator in node.decorator_list
            for inner in ast.walk(decorator)
        }
        found += [
            f"{place(path, node)}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and type(node.value) is int
            if 400 <= node.value <= 599 and node not in declared
        ]
    assert found == []


def test_migrations_never_import_the_product():
    found = [
        place(path, node)
        for path in modules("migrations")
        for node, name in imports(parsed(path))
        if name.partition(".")[0] == "service"
    ]
    assert found == []


def test_modules_are_small():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in modules("service", "devcluster", "bench", "tests")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_module_has_a_vague_name():
    rooms = modules("service", "devcluster", "bench")
    found = [path for path in rooms if {*path.stem.split("_"), *path.parts[len(ROOT.parts) + 1 : -1]} & VAGUE]
    assert found == []
