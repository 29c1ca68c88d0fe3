"""Attempts to get round an approval, told one by one: what somebody does, and what answers it.

An attempt is a small function of a ground. It first makes what has to be there; its last act is the attempt
itself, and what that answers is returned. The table says how it is answered, and where the exposure's
revisions stand once clock and worker have had their turn, which must not have written to the cluster.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest
from werkzeug.test import TestResponse

from service.domain.identifiers import uuid7
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.spec import Document
from service.policies import DEV, shipped
from service.store import identities
from service.store.tables import METADATA
from service.workflow.identify import hash_of
from tests.conftest import Clock
from tests.integration.api_world import POOL
from tests.integration.approval_world import ApprovalWorld, Case
from tests.postgres import Database

EASY: Document = {"name": "easy", "auto": True}
NO_NODE_PORTS: Document = {
    "name": "no-node-ports",
    "deny": [{"expression": 'object.spec.type == "NodePort"', "message": "Not here."}],
}
LASTING = ("cluster", "ledger", "namespace", "team", "team_namespace", "token")
"""The tables whose rows all attempts share."""
AS_BEFORE = (
    "DELETE FROM team_namespace WHERE team <> namespace",
    "UPDATE namespace SET environment = 'development'",
)
"""What attempts do to them is undone."""


class Hands:
    """A clock that can be set to noon again."""

    def __init__(self) -> None:
        self.clock = Clock()

    def __call__(self) -> datetime:
        """Return the time."""
        return self.clock()


class Ground(ApprovalWorld):
    """A world in which one exposure is attacked; ``anew()`` before each attempt, since it is dear to make."""

    def __init__(self, database: Database) -> None:
        self.database, self._hands = database, Hands()
        super().__init__(database, self._hands)
        self.cases: list[Case] = []

    @property
    def clock(self) -> Clock:
        """Return the clock, to turn it."""
        return self._hands.clock

    def anew(self) -> "Ground":
        """Let nothing have happened: people, teams and places are there, and the policies of ``dev``."""
        self._hands.clock = Clock()
        tables = [table.name for table in reversed(METADATA.sorted_tables) if table.name not in LASTING]
        self.tamper("; ".join((*(f"DELETE FROM {name}" for name in tables), *AS_BEFORE)))
        with self.transaction() as session:
            identities.put_cluster(session, identities.Cluster("dev", None, POOL), self.now())
        self.cases = []
        self.stand()
        self.rules(*shipped(DEV))
        return self

    def ask(self, who: str = "ann", **spec: Any) -> Case:
        """Let somebody ask."""
        self.cases.append(super().ask(who, **spec))
        return self.cases[-1]

    def live(self, **spec: Any) -> Case:
        """Return an exposure that the cluster has."""
        case = self.alive(**spec)
        self.cluster.calls.clear()
        return case

    def token(self, word: str, person: str, *roles: Role, groups: tuple[str, ...] = ("platform",)) -> str:
        """Make one more token, of a person of any name; return the word that calls its client."""
        who = Principal(PrincipalKind.PERSON, person, None, frozenset(), frozenset(groups), frozenset(roles))
        over = self.now() + timedelta(days=400)
        with self.transaction() as session:
            token_id = uuid7(self.now(), os.urandom(10))
            identities.add_token(session, token_id, hash_of(f"wft_{word}"), who, over, self.now())
        return word


@dataclass(frozen=True, slots=True)
class Refusal:
    """How an attempt is answered: by HTTP status and code, or (status None) by an error; and words of it.

    ``stays``: the decision of each of the exposure's revisions afterwards; empty: nothing was stored.
    """

    status: int | None
    code: str | None
    words: str
    stays: tuple[str, ...]


Answer: TypeAlias = TestResponse | Exception
Attempt: TypeAlias = Callable[[Ground], Answer]


class Table:
    """Attempts by name."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[Attempt, Refusal]] = {}

    def answers(
        self, status: int | None, code: str | None, words: str, *stays: str
    ) -> Callable[[Attempt], Attempt]:
        """Put a function into the table, with what it comes to; pending is what stays unless it is said."""

        def note(attempt: Attempt) -> Attempt:
            assert attempt.__name__ not in self.rows, "two attempts have one name"
            self.rows[attempt.__name__] = attempt, Refusal(status, code, words, stays or ("pending",))
            return attempt

        return note


NOTHING = ""
"""In the place of decisions: no exposure was made."""


def comes_to_nothing(ground: Ground, attempt: Attempt, expected: Refusal) -> None:
    """Make an attempt; check how it is answered, and that nothing is approved, applied or removed by it."""
    answer = attempt(ground)
    if isinstance(answer, Exception):
        found: tuple[int | None, str | None, str] = None, getattr(answer, "code", None), str(answer)
    else:
        problem = answer.mimetype == "application/problem+json"
        found = answer.status_code, answer.json["code"] if problem else None, answer.text
    ground.tick()
    ground.settle()
    assert (found[:2], expected.words in found[2]) == ((expected.status, expected.code), True), found
    stays = tuple(ground.cases[-1].decisions()) if ground.cases else (NOTHING,)
    assert stays == expected.stays
    assert ground.cluster.writes() == []


def error_of(act: Callable[[], object], kind: type[Exception]) -> Exception:
    """Return the error that an act below HTTP ends with."""
    with pytest.raises(kind) as raised:
        act()
    return raised.value
