"""Whoever is woken finds each reason of a condition in docs/runbook.md, and no other."""

import ast
import re
from collections.abc import Iterator

from service.api.metrics import OF_A_CLUSTER
from service.domain.errors import ClusterError
from tests.architecture.sources import ROOT

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
SOURCES = [
    *(ROOT / "service" / "reconciler").glob("*.py"),
    *(ROOT / "service" / "domain" / f"{name}.py" for name in ("conditions", "held", "plan")),
]
WORD = re.compile("[A-Z][a-z]+[A-Za-z]*")

ALL_IS_WELL = {"InSync", "InLedger", "NothingNeeded", "Ready", "Compliant"}
NO_REASONS = {
    *("Approved", "Allocated", "Applied", "True", "False", "Unknown"),  # conditions, and how they stand
    *("Create", "Replace", "Recreate", "Adopt", "HandBack", "Delete"),  # what the worker would do
    *("Deleted", "Withdrawn"),  # why it ended: that was decided by people
    *("ExternalIP", "InternalIP"),
}


def words() -> Iterator[str]:
    """Yield each capitalised word that stands by itself as a text, but for names of classes."""
    for path in SOURCES:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
        texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        yield from (text for text in texts if WORD.fullmatch(text) and text not in classes)


def answers(kind: type[ClusterError] = ClusterError) -> Iterator[str]:
    """Yield the reason of each answer of the apiserver."""
    yield kind.reason
    for child in kind.__subclasses__():
        yield from answers(child)


def test_every_reason_has_its_entry_and_every_entry_its_reason():
    reasons = {*words(), *answers()} - ALL_IS_WELL - NO_REASONS
    rows = re.findall(r"^\| (`.*?) \| .* \| ", RUNBOOK, re.MULTILINE)
    entries = [entry for row in rows for entry in re.findall(r"`(\w+)`", row)]
    assert len(entries) == len(set(entries))
    assert set(entries) == reasons


def test_every_entry_says_what_to_do():
    rows = re.findall(r"^\| `[A-Z].*$", RUNBOOK, re.MULTILINE)
    assert [row for row in rows if len(row.split(" | ")) != 3 or len(row.split(" | ")[2]) < 10] == []


def test_every_gauge_that_is_worth_an_alert_is_one_of_the_apis():
    named = set(re.findall(r"`wharfinger_cluster_(\w+)", RUNBOOK))
    assert named
    assert named <= {name for name, _, _ in OF_A_CLUSTER}
