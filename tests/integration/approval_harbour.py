"""The world of the approvals' model: its people, its cluster, and what the model knows of every revision.

Rules are in ``test_approval_model``; here is what they share, and what is checked after each of them.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from service.deadlines.loop import Clock as Deadlines
from service.deadlines.loop import Edge as DeadlinesEdge
from service.domain.errors import WharfingerError
from service.domain.exposure import ExposureRecord, Metadata, Opinion, Revision, RevisionKind
from service.domain.identifiers import uuid7
from service.domain.manifest import Mark
from service.domain.principal import Role
from service.domain.spec import ExposureType, ServicePort, Spec
from service.reconciler.edge import Edge
from service.store import exposures, identities
from service.workflow import govern
from service.workflow.act import Act
from service.workflow.identify import hash_of
from service.workflow.submit import Submitted, submit_exposure
from tests.conftest import Clock
from tests.integration.api_world import fill
from tests.integration.approval_laws import check_moved, check_ports, check_suspension, check_told, check_word
from tests.integration.approval_model import (
    BANS,
    HOUSES,
    KNOWN,
    MOST_TOTAL,
    OPEN,
    PEOPLE,
    TOLD,
    Knowledge,
    Said,
    is_approved,
    is_over,
    is_trusted,
    is_unreviewed,
    number_of,
    opens_nothing,
    writers,
)
from tests.integration.reconciler_world import Cluster, Looker
from tests.judges import a_judge
from tests.postgres import Database, empty


class ApprovalHarbour(RuleBasedStateMachine):
    """One cluster, emptied before each run; two names, so that exposures follow one another under each."""

    database: Database
    owner: Engine

    @initialize()
    def begin(self) -> None:
        empty(self.owner)
        with self.owner.begin() as connection:
            connection.execute(text("DELETE FROM policy"))
        self.clock, self.ids = Clock(), iter(range(1, 10**6))
        fill(self.database.transaction, self.clock())
        with self.database.transaction() as session:
            for number, (name, who) in enumerate(KNOWN.items()):
                token = uuid7(self.clock(), number.to_bytes(10, "big"))
                identities.add_token(session, token, hash_of(name), who, self.clock(), self.clock())
        self.cluster, self.judge = Cluster(), a_judge()
        self.cluster.add_namespace("team-a")
        transaction, chance = self.database.transaction, random.Random(5)
        edge = Edge(
            transaction,
            self.clock,
            lambda: self.clock().timestamp(),
            chance.randbytes,
            timedelta(hours=24),
            self.judge,
        )
        self.looker = Looker(self.cluster, edge)
        self.deadlines = Deadlines(DeadlinesEdge(transaction, self.clock, self.judge), 1.0)
        self.current: dict[str, UUID] = {}
        self.known: dict[tuple[UUID, int], Knowledge] = {}
        self.said: dict[UUID, Said] = {}
        self.records: dict[UUID, ExposureRecord] = {}
        self.answered: set[str] = set()
        self.is_late = False  # time went on, and the clock has not looked yet
        self.let_hold(0, 0)
        self.have("hello")

    # What is always so.

    @invariant()
    def every_step_is_lawful(self) -> None:
        before, self.records = self.records, self.read()
        told = self.told()
        for key, record in self.records.items():
            then = before.get(key)
            for revision in record.revisions:
                check_moved(then, record, revision)
                self.check_quorum(record, revision)
                check_told(record, revision, told[key, revision.number])
            check_ports(record)
            check_word(record, self.clock())
            check_suspension(then, record)

    def check_quorum(self, record: ExposureRecord, revision: Revision) -> None:
        if revision.decision.value not in ("approved", "live"):
            return
        known, broken = self.known[record.exposure.id, revision.number], revision.break_glass
        if known.seats is None:
            return
        counted = [r for r in record.reviews_of(revision) if r.id in self.said]
        full = is_approved(known, revision.digest, [self.said[r.id] for r in counted])
        if is_unreviewed(broken):
            assert broken is not None
            assert not is_over(broken, self.clock()) or record.exposure.intent == "absent" or self.is_late
            return
        assert full

    def check_cluster(self, record: ExposureRecord) -> None:
        """After a look of the worker."""
        name = record.exposure.metadata.name
        service = self.cluster.peek("team-a", name)
        mark = Mark.of(service) if service else None
        if mark is None or mark.exposure_id != record.exposure.id:
            return
        assert record.exposure.intent == "present"
        assert record.exposure.ended_at is None
        shown = record.revisions[mark.revision - 1]
        assert mark.digest == shown.digest
        assert shown.decision.value in ("approved", "live"), "what nobody wants any more is there"
        if record.sync.state == "in_sync":
            bound = {c.port for c in record.claims if c.state == "bound"}
            assert bound <= {
                n for r in record.revisions if r.decision.value in OPEN for n in r.allocation.numbers()
            }

    # What the model does and knows.

    def have(
        self, name: str, who: str = "ann", kind: ExposureType = ExposureType.NODE_PORT, hours: int = 72
    ) -> ExposureRecord:
        """Return the exposure that has a name; who finds it ended asks for another one."""
        record = self.of(name)
        if record is None or record.exposure.ended_at is not None:
            allowed = ExposureType.CLUSTER_IP if self.ban == 1 else kind
            self.ask(name, who, allowed, hours, asked=False)
            self.every_step_is_lawful()
        record = self.of(name)
        assert record is not None
        return record

    def ask(self, name: str, who: str, kind: ExposureType, hours: int | None, asked: bool) -> None:
        number = 30007 if asked and kind is ExposureType.NODE_PORT else None
        spec = Spec(
            type=kind,
            selector={"app": name},
            ports=(ServicePort(port=80, name="http", node_port=number),),
            lifetime=hours and hours * 3600,
            justification="shown",
        )
        place, new = Metadata("dev", "team-a", name, "team-a"), UUID(int=next(self.ids))
        made = self.attempt(lambda s: submit_exposure(s, place, spec, self.act(who), self.judge, new))
        if made is not None:
            self.current[name] = new
            self.learn(made, who, None)

    def act(self, who: str) -> Act:
        return Act(PEOPLE[who], self.clock(), "told")

    def attempt(self, do: Callable[[Session], Any]) -> Any:
        """Return what comes of it; None: it was refused, and nothing of it is left."""
        try:
            with self.database.transaction() as session:
                return do(session)
        except WharfingerError:
            return None

    def on(self, name: str, who: str, do: Callable[[Session, ExposureRecord, Act], object]) -> None:
        """Let somebody change the exposure that has a name; who is no owner never can."""
        record = self.of(name)
        if record is None:
            return
        made = self.attempt(lambda s: do(s, record, self.act(who)))
        principal = PEOPLE[who]
        owns = Role.ADMIN in principal.roles or (
            Role.REQUESTER in principal.roles and "team-a" in principal.teams
        )
        assert made is None or owns
        if isinstance(made, Submitted):
            self.learn(made, who, record)

    def learn(self, made: Submitted, who: str, before: ExposureRecord | None) -> None:
        """Note who wrote a new revision and whose approval it needs; it may go without only as rules say."""
        record, revision = made.record, made.record.revisions[-1]
        key = (record.exposure.id, revision.number)
        if key in self.known:
            return  # nothing was changed
        house, needs = HOUSES[self.house], []
        authors, base = writers(PEOPLE[who]), None
        if before is not None:
            base = number_of(before, "approved") or number_of(before, "live")
            pending = number_of(before, "pending")
            sources = [pending] if pending else []
            sources += [base] if base and not is_trusted(before, base) else []
            for number in sources:
                authors |= self.known[before.exposure.id, number].authors
        trusted = before is not None and is_trusted(before, base)
        renews = revision.kind is RevisionKind.RENEWAL
        if trusted and not renews and opens_nothing(before.revisions[base - 1].spec, revision.spec):
            self.known[key] = Knowledge(authors, None)
            assert revision.decision == "approved"
            return
        if "auto" not in house:
            needs = [(each.get("group"), each.get("count", 1)) for each in house["require"]]
        elif renews and not self.is_renewable(record):
            needs = [(None, 1)]
        seats = tuple(needs) or None
        self.known[key] = Knowledge(authors, seats)
        assert (revision.decision == "approved") == (seats is None)
        stored = {(seat["group"], seat["count"]) for seat in revision.verdict["seats"]}
        assert stored == set(seats or ())

    def is_renewable(self, record: ExposureRecord) -> bool:
        """Return whether a renewal needs nobody where requests need nobody."""
        first, lifetime = record.exposure.applied_at, record.revisions[-1].spec.lifetime
        assert first is not None
        assert lifetime is not None
        so_far = (self.clock() - first).total_seconds()
        return record.sync.ready_changed_at is not None and so_far + lifetime <= MOST_TOTAL

    def is_undecided(self, record: ExposureRecord, revision: Revision) -> bool:
        going_on = record.exposure.ended_at is None and record.exposure.intent != "absent"
        later = is_unreviewed(revision.break_glass) and revision.decision.value in ("approved", "live")
        return going_on and (revision.decision == "pending" or later)

    def banned(self) -> set[tuple[UUID, int]]:
        """Return what is not live yet and a deny rule matches now."""

        def matches(spec: Spec) -> bool:
            return (self.ban == 1 and spec.type is ExposureType.NODE_PORT) or (
                self.ban == 2 and len(spec.ports) > 1
            )

        return {
            (key, revision.number)
            for key, record in self.records.items()
            for revision in record.revisions
            if revision.decision.value in ("pending", "approved") and matches(revision.spec)
        }

    def settled_service(self, name: str) -> Any:
        """Return the Service of an exposure that has nothing to wait for but people, None otherwise."""
        record = self.of(name)
        if record is None or record.exposure.intent != "present" or record.sync.state != "in_sync":
            return None
        if number_of(record, "live") != record.sync.revision or number_of(record, "approved") is not None:
            return None
        return self.cluster.peek("team-a", name)

    def of(self, name: str) -> ExposureRecord | None:
        """Return the exposure that has a name now or had it last."""
        return self.records.get(self.current[name]) if name in self.current else None

    def read(self) -> dict[UUID, ExposureRecord]:
        with self.database.transaction() as session:
            return exposures.of_ids(session, sorted({key for key, _ in self.known}))

    def told(self) -> dict[tuple[UUID, int], list[str]]:
        """Return by revision what events say of its decision, in order."""
        found: dict[tuple[UUID, int], list[str]] = {}
        query = text("SELECT exposure_id, revision, kind FROM event WHERE kind = ANY (:kinds) ORDER BY id")
        with self.database.transaction() as session:
            for row in session.execute(query, {"kinds": sorted(TOLD)}):
                found.setdefault((row.exposure_id, row.revision), []).append(TOLD[row.kind])
        return found

    def let_hold(self, house: int, ban: int) -> None:
        """Let other rules hold; two administrators do it together."""
        rule_of = {"expression": BANS[ban], "message": "Not here."}
        for name, document in (("house", HOUSES[house]), ("ban", {"deny": [rule_of]})):
            with self.database.transaction() as session:
                made, is_new = govern.put_policy(session, name, document, self.act("pia"), self.judge)
                if is_new and made.state != "active":
                    approve = (name, made.version, Opinion.APPROVE, None)
                    govern.review_policy(session, *approve, self.act("pat"))
        self.house, self.ban = house, ban
