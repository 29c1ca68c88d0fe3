"""What the documents tell people to type exists: make targets, wharfinger commands, hooks."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from service.__main__ import cli
from tests.architecture.sources import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / ".ci" / "run"])
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
INNER = {"binaries"}
"""Targets that only other targets need."""


def make(*arguments: str, tree: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run make in a tree, as if from a shell."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=tree, env=clean, capture_output=True, text=True, timeout=60, check=False
    )


def mentioned(pattern: str) -> list[tuple[str, str]]:
    """Return (document, word) for each command in the documents' code: fenced, inline or a script's."""
    found = set()
    for document in DOCUMENTS:
        text = document.read_text()
        if document.suffix == ".md":
            code = re.findall(r"```.*?\n(.*?)```|`([^`\n]+)`", text, re.DOTALL)
            text = "\n".join(block or inline for block, inline in code)
        found |= {(str(document.relative_to(ROOT)), word) for word in re.findall(pattern, text, re.MULTILINE)}
    return sorted(found)


def test_make_alone_lists_every_target():
    listed = {line.split()[0] for line in make().stdout.splitlines() if line.startswith("  ")}
    assert listed == TARGETS - INNER


def test_every_target_of_the_documents_exists():
    used = mentioned(r"^\s*(?:[A-Z_]+=\S+ )*make (?:[A-Z_]+=\S+ )*([a-z]+)")
    assert used
    assert [(document, target) for document, target in used if target not in TARGETS] == []


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["demo"], ".venv/bin/wharfinger dev --demo"),
        (["demo", "ONCE=1"], ".venv/bin/wharfinger dev --demo --once"),
        (["demo", "ONCE=1", "PORT=18080"], ".venv/bin/wharfinger dev --demo --once --port 18080"),
        (["bench", "BENCH=submit"], ".venv/bin/python -m bench submit"),
    ],
)
def test_a_target_passes_its_variables_on(arguments, command):
    done = make("--dry-run", "--assume-old=.venv/.ready", *arguments)
    assert done.returncode == 0, done.stderr
    assert command in [" ".join(line.split()) for line in done.stdout.splitlines()]


def bare_tree(folder: Path, python: str) -> Path:
    """Return a tree as cloned, with a python3 that is this shell script."""
    for name in ("Makefile", "uv.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    program = folder / "python3"
    program.write_text(f"#!/bin/sh\n{python}\n")
    program.chmod(0o755)
    return program


def test_a_python_that_is_too_old_is_named(tmp_path):
    python = bare_tree(tmp_path, 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')
    done = make("lint", f"PYTHON={python}", tree=tmp_path)
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "Python 3.9.2" in done.stderr


def test_a_python_without_venv_is_named_with_what_to_install(tmp_path):
    python = bare_tree(tmp_path, 'case "$2" in *ensurepip*) exit 1;; *version_info*) exit 0;; esac; exit 9')
    done = make("lint", f"PYTHON={python}", tree=tmp_path)
    assert done.returncode != 0
    assert "apt install python3-venv" in done.stderr


def test_every_wharfinger_command_of_the_documents_exists():
    used = mentioned(r"\bwharfinger ([a-z]+)")
    assert used
    assert [(document, command) for document, command in used if command not in cli.commands] == []


def test_every_command_and_option_below_them_exists():
    used = mentioned(r"\bwharfinger ((?:audit|cluster|team|token) [^|#;\n]+)")
    unknown = [(document, line) for document, line in used if not is_known(line)]
    assert {line.split()[0] for _, line in used} == {"audit", "cluster", "team", "token"}
    assert unknown == []


def is_known(line: str) -> bool:
    """Return whether the command of a group that a line begins with exists, and its options do."""
    group, name, *rest = line.split()
    command = cli.commands[group].commands.get(name)
    options = {option for param in command.params for option in param.opts} if command else set()
    return command is not None and {word for word in rest if word.startswith("--")} <= options


def test_every_hook_is_a_tool_of_the_environment():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"].split()[0] for repo in hooks for hook in repo["hooks"]]
    assert {repo["repo"] for repo in hooks} == {"local"}
    assert [entry for entry in entries if not (ROOT / entry).is_file()] == []


def test_ci_runs_what_the_readme_tells_people_to_run():
    text = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"^make (\w+)", text, re.MULTILINE) == ["lint", "test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
