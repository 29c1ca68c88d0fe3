"""The tree as the architecture tests read it: files, and the names that their code uses."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def modules(*folders: str) -> list[Path]:
    """Return every Python file below these folders of the repository."""
    found = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    assert found, f"no Python file below {folders}: the test is about nothing"
    return found


def parsed(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(), str(path))


def place(path: Path, node: ast.AST) -> str:
    """Return ``file:line``, as an editor opens it."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def dotted(node: ast.expr) -> str:
    """Return ``a.b.c`` for an attribute of a name, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def imports(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each name that is imported, with its module: ``sqlalchemy.orm.Session``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def uses(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield each dotted name that is used or imported, from its module on, whatever it is called here."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known.update({(alias.asname or alias.name).partition(".")[0]: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            known.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    yield from imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and (name := dotted(node)):
            first, dot, rest = name.partition(".")
            yield node, known.get(first, first) + dot + rest
