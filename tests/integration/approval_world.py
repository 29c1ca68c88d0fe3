"""The world of the approval's tests: the worker's, more people, rules of its own, and a clock to turn."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from werkzeug.test import TestResponse

from service.deadlines.loop import Clock as Deadlines
from service.deadlines.loop import Edge as DeadlinesEdge
from service.domain.identifiers import uuid7
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.spec import Document
from service.store import identities, policies
from service.workflow.identify import hash_of
from tests.integration.api_world import Caller, a_request
from tests.integration.reconciler_world import ReconcilerWorld
from tests.judges import a_judge
from tests.postgres import Database


def _person(name: str, *roles: Role, groups: tuple[str, ...] = (), teams: tuple[str, ...] = ()) -> Principal:
    return Principal(PrincipalKind.PERSON, name, None, frozenset(teams), frozenset(groups), frozenset(roles))


MORE_PEOPLE = {
    "liz": _person("liz", Role.APPROVER, groups=("platform",)),
    "sam": _person("sam", Role.APPROVER, groups=("security",)),
    "dan": _person("dan", Role.APPROVER, groups=("platform", "security")),
    "ada": _person("ada", Role.REQUESTER, teams=("team-a",)),
    "ada-too": _person("ada", Role.APPROVER, groups=("platform",)),
    "max": _person("max", Role.BREAK_GLASS, Role.REQUESTER, teams=("team-a",)),
    "pat": _person("pat", Role.ADMIN),
    "bot": Principal(
        PrincipalKind.SERVICE_ACCOUNT,
        "bot",
        None,
        frozenset({"team-a"}),
        frozenset({"platform"}),
        frozenset({Role.REQUESTER, Role.APPROVER, Role.ADMIN, Role.BREAK_GLASS}),
    ),
}

TWO_OF_PLATFORM: Document = {"name": "two", "require": [{"group": "platform", "count": 2}]}


class ApprovalWorld(ReconcilerWorld):
    """Everybody who takes part in a decision; call one by name: ``world.by("liz")``."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        super().__init__(database, now)
        self._client = self.api.app.test_client()
        with self.transaction() as session:
            for name, who in MORE_PEOPLE.items():
                over = now() + timedelta(days=400)
                identities.add_token(
                    session, uuid7(now(), os.urandom(10)), hash_of(f"wft_{name}"), who, over, now()
                )
        self.deadlines = Deadlines(DeadlinesEdge(self.transaction, now, a_judge()), 1.0)

    def by(self, name: str) -> "Caller":
        """Return somebody's client."""
        return Caller(self._client, name)

    def rules(self, *documents: Document, keep: bool = False) -> None:
        """Let these policies hold, and no other unless told so."""
        with self.transaction() as session:
            if not keep:
                session.execute(text("UPDATE policy SET state = 'retired' WHERE state = 'active'"))
            for document in documents:
                made = policies.add(session, document["name"], document, {"person": "pia"}, self.now())
                policies.activate(session, made.name, made.version, {"person": "pat"}, self.now())

    def noted(self, kind: str) -> int:
        """Return how many audit events of a kind there are."""
        with self.transaction() as session:
            count = text("SELECT count(*) FROM audit_event WHERE kind = :kind")
            return session.scalar(count, {"kind": kind}) or 0

    def tick(self) -> int:
        """Let the clock do what is due; return how many exposures it looked at."""
        return self.deadlines.turn()

    def settle(self) -> None:
        """Let the worker look until there is nothing left to do."""
        for _ in range(5):
            if self.cycle() == 0:
                return
        raise AssertionError("the worker does not come to rest")

    def ask(self, who: str = "ann", **spec: Any) -> "Case":
        """Let somebody ask; return the exposure."""
        return Case(self, self.by(who).post("/v1/exposures", a_request(**spec)))

    def alive(self, **spec: Any) -> "Case":
        """Return an exposure that is live."""
        case = self.ask(**spec)
        if case.status()["state"] == "AwaitingApproval":
            case.approve("eve")
        self.settle()
        self.cluster.add_endpoints("team-a", "hello")
        self.settle()
        assert case.state() == "Active"
        return case


class Case:
    """One exposure and what people do with it."""

    def __init__(self, world: ApprovalWorld, made: TestResponse) -> None:
        assert made.status_code == 201, made.text
        self.world, self.made = world, made
        self.at = made.headers["Location"]
        self.id = made.json["metadata"]["id"]

    def document(self, who: str = "ann") -> Document:
        """Return what its owner sees."""
        return dict(self.world.by(who).get(self.at).json)

    def status(self) -> Document:
        """Return its status."""
        return dict(self.document()["status"])

    def state(self) -> str:
        """Return its state in one word."""
        return str(self.status()["state"])

    def revision(self, number: int) -> Document:
        """Return one revision."""
        return dict(self.world.by("ann").get(f"{self.at}/revisions/{number}").json)

    def decisions(self) -> list[str]:
        """Return the decision of each revision."""
        return [each["decision"] for each in self.world.by("ann").get(f"{self.at}/revisions").json["items"]]

    def newest(self) -> int:
        """Return the newest revision's number."""
        return int(self.document()["metadata"]["generation"])

    def change(self, who: str = "ann", **spec: Any) -> TestResponse:
        """Change some fields of the spec."""
        return self.world.by(who).patch(self.at, {"spec": spec})

    def review(
        self, who: str, verdict: str = "approve", number: int | None = None, **fields: Any
    ) -> TestResponse:
        """Review a revision, the newest unless told otherwise, with the digest that it has."""
        number = number or self.newest()
        body = {"verdict": verdict, "digest": self.revision(number)["digest"], "comment": None} | fields
        return self.world.by(who).post(f"{self.at}/revisions/{number}/reviews", body)

    def approve(self, *people: str) -> "Case":
        """Let people approve the newest revision."""
        for who in people:
            answer = self.review(who)
            assert answer.status_code == 201, answer.text
        return self

    def act(self, verb: str, who: str = "ann", body: Document | None = None) -> TestResponse:
        """Suspend, resume, or whatever else is POSTed below it."""
        return self.world.by(who).post(f"{self.at}/{verb}", body or {}, If_Match="*")

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Return status, reason and message of a condition."""
        found = next(c for c in self.status()["conditions"] if c["type"] == kind)
        return found["status"], found["reason"], found["message"]

    def kinds(self) -> list[str]:
        """Return the kind of each event."""
        return [event["kind"] for event in self.events()]

    def events(self) -> list[Document]:
        """Return what happened, oldest first."""
        return list(self.world.by("ann").get(f"{self.at}/events?page_size=200").json["items"])

    def in_cluster(self) -> bool:
        """Return whether the cluster has its Service."""
        return self.world.cluster.service("team-a", "hello") is not None
