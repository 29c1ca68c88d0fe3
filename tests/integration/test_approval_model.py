"""The approvals beside a model of them: whatever people, policies, clock and worker do in whatever order.

Many people, some with a second token, some who act for others, ask, change, review, break the glass, pause
and take back; rules change under what waits; time passes, and now the worker looks first and now the clock.
After every step: nothing is approved or live without its quorum, nothing has moved as the table does not say,
what is live stays while a change waits.
"""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from service.deadlines.loop import Clock as Deadlines
from service.deadlines.loop import Edge as DeadlinesEdge
from service.domain.errors import WharfingerError
from service.domain.exposure import ExposureRecord, Metadata, Opinion, Revision, RevisionKind, Role
from service.domain.freeze import Freeze
from service.domain.identifiers import uuid7
from service.domain.manifest import Mark
from service.domain.spec import ExposureType, ServicePort, Spec
from service.domain.status import state_word
from service.reconciler.edge import Edge
from service.store import exposures, identities
from service.workflow import break_glass as glass
from service.workflow import decide, freeze, govern, intent
from service.workflow.act import Act
from service.workflow.identify import hash_of
from service.workflow.renew import renew_exposure
from service.workflow.revise import Edit, revise_exposure
from service.workflow.submit import Submitted, submit_exposure
from tests.conftest import Clock
from tests.integration.api_world import fill
from tests.integration.approval_model import (
    BANS,
    HOUSES,
    KNOWN,
    MOST_TOTAL,
    OPEN,
    OWNERS,
    PEOPLE,
    REVIEWERS,
    TABLE,
    TOLD,
    Knowledge,
    Said,
    is_approved,
    is_over,
    is_path,
    is_trusted,
    is_unreviewed,
    may_review,
    name_of,
    number_of,
    opens_nothing,
    writers,
)
from tests.integration.reconciler_world import Cluster, Looker
from tests.judges import a_judge
from tests.postgres import Database, empty

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
PROFILE = settings(
    max_examples=300 if LONG else 12,
    stateful_step_count=60 if LONG else 30,
    derandomize=not LONG,
    database=None,
    deadline=None,
    # What the short run finds is told as it was found: shrinking takes minutes, and belongs to the long one.
    phases=tuple(Phase) if LONG else (Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
NAMES = ("hello", "world")
CHANGES: dict[str, Callable[[Spec, Clock], Spec]] = {
    "words": lambda spec, _: replace(spec, justification=spec.justification + "!"),
    "more": lambda spec, _: replace(spec, ports=(spec.ports[0], ServicePort(port=443, name="https"))),
    "fewer": lambda spec, _: replace(spec, ports=spec.ports[:1]),
    "short": lambda spec, _: replace(spec, lifetime=10 * 3600),
    "long": lambda spec, _: replace(spec, lifetime=240 * 3600),
    "narrow": lambda spec, _: replace(spec, selector={**spec.selector, "tier": "web"}),
    "other": lambda spec, _: replace(spec, selector={"app": "other"}),
    "inside": lambda spec, _: replace(spec, type=ExposureType.CLUSTER_IP),
    "outside": lambda spec, _: replace(spec, type=ExposureType.NODE_PORT),
    "later": lambda spec, clock: replace(spec, not_before=clock() + timedelta(hours=6)),
}
OWNER, REVIEWER = st.sampled_from(OWNERS), st.sampled_from(REVIEWERS)
TYPE = st.sampled_from([ExposureType.CLUSTER_IP, ExposureType.NODE_PORT])
NAME, PLACE = st.sampled_from(NAMES), st.integers(0, 3)


class Approvals(RuleBasedStateMachine):
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
        self.govern(0, 0)
        self.have("hello")

    # What people do.

    @rule(name=NAME, who=OWNER, kind=TYPE, hours=st.sampled_from([None, 10, 72]), asked=st.booleans())
    def submit(self, name: str, who: str, kind: ExposureType, hours: int | None, asked: bool) -> None:
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

    @rule(name=NAME, who=OWNER, change=st.sampled_from(sorted(CHANGES)))
    def revise(self, name: str, who: str, change: str) -> None:
        self.have(name)
        edit = Edit(lambda before: CHANGES[change](before.spec, self.clock), lambda _: None)
        self.on(name, who, lambda s, known, act: revise_exposure(s, known.exposure.id, edit, act, self.judge))

    @rule(name=NAME, who=OWNER)
    def renew(self, name: str, who: str) -> None:
        self.on(name, who, lambda s, known, act: renew_exposure(s, known.exposure.id, "on", act, self.judge))

    @rule(name=NAME, who=REVIEWER, say=st.sampled_from(Opinion), back=PLACE, right=st.integers(0, 4))
    def review(self, name: str, who: str, say: Opinion, back: int, right: int = 1) -> None:
        """Review the newest revision mostly, with its digest mostly."""
        record = self.have(name)
        revision = record.revisions[-1 if back else 0]
        digest = revision.digest if right else record.revisions[0].digest + "0"
        new, principal = UUID(int=next(self.ids)), PEOPLE[who]
        drafted = decide.ReviewDraft(say, digest, None)
        where = (record.exposure.id, revision.number)
        made = self.attempt(lambda s: decide.review(s, where, drafted, self.act(who), self.judge, new))
        sees = principal.sees_all() or "team-a" in principal.teams
        if say is Opinion.COMMENT:
            assert (made is not None) == (sees and digest == revision.digest)
            return
        known = self.known[where]
        allowed = may_review(principal, known) and self.is_undecided(record, revision)
        assert (made is not None) == (allowed and digest == revision.digest)
        if made is not None:
            self.said[new] = Said(principal, say.value, digest)

    @rule(name=NAME, people=st.permutations(["eve", "liz", "sam", "dan"]), size=st.integers(1, 4))
    def approve_together(self, name: str, people: list[str], size: int) -> None:
        for who in people[:size]:
            self.review(name, who, Opinion.APPROVE, 1)
            self.every_step_is_lawful()

    @rule(name=NAME, who=st.sampled_from(["ann", "max"]), kind=TYPE, hours=st.sampled_from([10, 72]))
    def go_live(self, name: str, who: str, kind: ExposureType, hours: int) -> None:
        """Come as far as one can, from wherever it is."""
        self.have(name, who, kind, hours)
        self.approve_together(name, ["eve", "liz", "sam", "dan"], 4)
        self.disturb(name, "ready")
        self.look(2)

    @rule(name=NAME, who=REVIEWER, place=st.integers(0, 9))
    def take_back_a_review(self, name: str, who: str, place: int) -> None:
        record = self.of(name)
        mine = [r for r in record.reviews if r.id in self.said] if record else []
        if record is None or not mine:
            return
        review = mine[place % len(mine)]
        where = (record.exposure.id, review.revision)
        revision = record.revisions[review.revision - 1]
        done = self.attempt(lambda s: (decide.withdraw_review(s, where, review.id, self.act(who)), True)[1])
        own = name_of(self.said[review.id].who.person) == name_of(PEOPLE[who].person)
        sees = PEOPLE[who].sees_all() or "team-a" in PEOPLE[who].teams
        counts = review.voided_at is None and self.is_undecided(record, revision)
        assert bool(done) == (own and sees and counts)

    @rule(name=NAME, who=st.sampled_from(["max", "max", "max", "bot", "eve"]), hours=st.sampled_from([1, 24]))
    def break_glass(self, name: str, who: str, hours: int) -> None:
        record = self.have(name)
        newest = record.revisions[-1]
        emergency = glass.Emergency(newest.digest, "INC-1", "down", hours * 3600)
        where = (record.exposure.id, newest.number)
        done = self.attempt(lambda s: glass.break_glass(s, where, emergency, self.act(who), self.judge))
        assert done is None or (who == "max" and newest.decision == "pending")

    @rule(name=NAME, who=OWNER, verb=st.sampled_from(["suspend", "resume", "resume", "withdraw", "remove"]))
    def intend(self, name: str, who: str, verb: str) -> None:
        def do(session: Session, record: ExposureRecord, act: Act) -> object:
            here, newest = record.exposure.id, record.revisions[-1].number
            if verb == "withdraw":
                return intent.withdraw(session, here, newest, act)
            if verb == "resume":
                return intent.resume(session, here, lambda _: None, act, self.judge)
            return {"suspend": intent.suspend, "remove": intent.remove}[verb](
                session, here, lambda _: None, act
            )

        self.on(name, who, do)

    # What platform, worker and clock do.

    @rule(house=st.integers(0, len(HOUSES) - 1), ban=st.sampled_from([0, 0, 1, 2]))
    def govern(self, house: int, ban: int) -> None:
        """Let other rules hold; two administrators do it together."""
        rule_of = {"expression": BANS[ban], "message": "Not here."}
        for name, document in (("house", HOUSES[house]), ("ban", {"deny": [rule_of]})):
            with self.database.transaction() as session:
                made, is_new = govern.put_policy(session, name, document, self.act("pia"), self.judge)
                if is_new and made.state != "active":
                    approve = (name, made.version, Opinion.APPROVE, None)
                    govern.review_policy(session, *approve, self.act("pat"))
        self.house, self.ban = house, ban

    @rule(hours=st.sampled_from([1, 48]))
    def freeze(self, hours: int) -> None:
        until = self.clock() + timedelta(hours=hours)
        wanted = Freeze("dev", "xmas", self.clock(), until, "closed")
        assert self.attempt(lambda s: freeze.put_freeze(s, wanted, self.act("pia"))) is not None

    @rule(name=NAME, how=st.sampled_from(["ready", "gone", "lost"]))
    def disturb(self, name: str, how: str) -> None:
        """Pods get ready, somebody deletes the Service, the next create's answer is lost."""
        if how == "lost":
            self.cluster.lose_answer_of("create")
        elif how == "ready":
            self.answered.add(name)
            self.cluster.add_endpoints("team-a", name)
        elif self.cluster.peek("team-a", name) is not None:
            self.cluster.remove("team-a", name)

    @rule(times=st.integers(1, 2))
    def look(self, times: int) -> None:
        """Let the worker look; what is live and waits for nothing is left as it is."""
        for _ in range(times):
            at_rest = {name: found for name in NAMES if (found := self.settled_service(name))}
            banned = self.banned()
            self.looker.look()
            self.every_step_is_lawful()
            for name, found in at_rest.items():
                assert self.cluster.peek("team-a", name) == found
            for record in self.records.values():
                live = number_of(record, "live")
                assert live is None or (record.exposure.id, live) not in banned
                self.check_cluster(record)

    @rule()
    def tick(self) -> None:
        self.deadlines.turn()
        self.is_late = False
        self.every_step_is_lawful()
        assert not self.banned()

    @rule(hours=st.sampled_from([1, 4, 10, 24, 72, 7 * 24]), look_first=st.booleans())
    def wait(self, hours: int, look_first: bool) -> None:
        self.clock.advance(hours=hours)
        self.is_late = True
        if look_first:
            self.look(1)
        self.tick()

    # What is always so.

    @invariant()
    def every_step_is_lawful(self) -> None:
        before, self.records = self.records, self.read()
        told = self.told()
        for key, record in self.records.items():
            then = before.get(key)
            for revision in record.revisions:
                self.check_moved(then, record, revision)
                self.check_quorum(record, revision)
                self.check_told(record, revision, told[key, revision.number])
            self.check_ports(record)
            self.check_word(record)
            self.check_suspension(then, record)

    def check_moved(self, then: ExposureRecord | None, record: ExposureRecord, revision: Revision) -> None:
        now = revision.decision.value
        if then is None or revision.number > len(then.revisions):
            assert now in ("pending", "approved")
            return
        had = then.revisions[revision.number - 1]
        was = had.decision.value
        assert was == now or (was, now) in TABLE
        assert replace(revision, decision=had.decision, decided_at=None, break_glass=None) == replace(
            had, decided_at=None, break_glass=None
        )
        if (was, now) == ("live", "retired"):
            assert number_of(record, "live") is not None or record.exposure.ended_at is not None
        if (was, now) == ("approved", "live"):
            assert then.exposure.intent == "present"

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

    def check_told(self, record: ExposureRecord, revision: Revision, words: list[str]) -> None:
        assert is_path(words), words
        decision, last = revision.decision.value, words[-1]
        by_the_whole = record.exposure.intent == "absent" and decision == "withdrawn"
        by_the_worker = (last, decision) in (("live", "retired"), ("retired", "live"))
        assert last == decision or by_the_whole or by_the_worker

    def check_ports(self, record: ExposureRecord) -> None:
        wanted = {n for r in record.revisions if r.decision.value in OPEN for n in r.allocation.numbers()}
        have = {
            state: {c.port for c in record.claims if c.state.value == state} for state in ("held", "bound")
        }
        assert have["held"] <= wanted <= have["held"] | have["bound"]
        if record.exposure.ended_at is not None:
            assert not wanted
            assert not have["bound"]
            assert not any(r.decision.value in OPEN for r in record.revisions)
        elif record.exposure.intent == "present":
            assert any(r.decision.value in OPEN for r in record.revisions)

    def check_word(self, record: ExposureRecord) -> None:
        word, exposure = state_word(record, self.clock()), record.exposure
        pending, approved, live = (number_of(record, each) for each in ("pending", "approved", "live"))
        assert (word == "Ended") == (exposure.ended_at is not None)
        assert (exposure.end_reason is None) <= (word != "Ended")
        assert (word == "Ending") == (exposure.intent == "absent" and exposure.ended_at is None)
        assert (word == "Suspended") == (exposure.intent == "suspended" and exposure.ended_at is None)
        assert (exposure.suspension is not None) == (exposure.intent == "suspended")
        if exposure.intent == "present" and exposure.ended_at is None:
            assert (word == "AwaitingApproval") == (pending is not None and live is approved is None)
            assert word != "Active" or (live is not None and pending is approved is None)
            assert word != "ActiveChangePending" or live is not None
            assert word != "Scheduled" or (approved is not None and live is None)

    def check_suspension(self, then: ExposureRecord | None, record: ExposureRecord) -> None:
        """What the clock has suspended a renewal alone lifts, and one that was granted is not undone."""
        if then is None:
            return
        was, now = then.exposure.suspension, record.exposure.suspension
        granted = {
            r.number
            for r in record.revisions
            if r.kind is RevisionKind.RENEWAL and r.decision.value in ("approved", "live")
        }
        if was == "expired" and record.exposure.intent == "present":
            assert granted - {r.number for r in then.revisions if r.decision != "pending"}
        waiting = number_of(record, "approved")
        if now == "expired" and was != "expired":
            assert waiting not in granted

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

    # How the model knows.

    def have(
        self, name: str, who: str = "ann", kind: ExposureType = ExposureType.NODE_PORT, hours: int = 72
    ) -> ExposureRecord:
        """Return the exposure that has a name; who finds it ended asks for another one."""
        record = self.of(name)
        if record is None or record.exposure.ended_at is not None:
            allowed = ExposureType.CLUSTER_IP if self.ban == 1 else kind
            self.submit(name, who, allowed, hours, asked=False)
            self.every_step_is_lawful()
        record = self.of(name)
        assert record is not None
        return record

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


@pytest.mark.timeout(1800)
def test_nothing_gets_round_its_approval(own_database: Database) -> None:
    class Here(Approvals):
        database, owner = own_database, create_engine(own_database.owner_url)

    run_state_machine_as_test(Here, settings=PROFILE)
    Here.owner.dispose()
