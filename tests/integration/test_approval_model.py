"""The approvals beside a model of them: whatever people, policies, clock and worker do in whatever order.

Many people, some with a second token, some who act for others, ask, change, review, break the glass, pause
and take back; rules change under what waits; time passes, and now the worker looks first and now the clock.
After every step: nothing is approved or live without its quorum, nothing has moved as the table does not say,
what is live stays while a change waits.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from service.domain.exposure import ExposureRecord, Opinion
from service.domain.freeze import Freeze
from service.domain.spec import ExposureType, ServicePort, Spec
from service.workflow import break_glass as glass
from service.workflow import decide, freeze, intent
from service.workflow.act import Act
from service.workflow.renew import renew_exposure
from service.workflow.revise import Edit, revise_exposure
from tests.conftest import Clock
from tests.integration.approval_harbour import ApprovalHarbour
from tests.integration.approval_model import (
    HOUSES,
    OWNERS,
    PEOPLE,
    REVIEWERS,
    Said,
    may_review,
    name_of,
    number_of,
)
from tests.postgres import Database

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
PROFILE = settings(
    max_examples=150 if LONG else 6,
    stateful_step_count=60 if LONG else 25,
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


class Approvals(ApprovalHarbour):
    """Everything that anybody can do."""

    # What people do.

    @rule(name=NAME, who=OWNER, kind=TYPE, hours=st.sampled_from([None, 10, 72]), asked=st.booleans())
    def submit(self, name: str, who: str, kind: ExposureType, hours: int | None, asked: bool) -> None:
        self.ask(name, who, kind, hours, asked)

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

    @rule(name=NAME, change=st.sampled_from(["words", "short", "narrow"]), looks=st.booleans())
    def build_on_broken_glass(self, name: str, change: str, looks: bool) -> None:
        """Change what nobody has reviewed into something that opens no more than that."""
        self.break_glass(name, "max", 24)
        self.every_step_is_lawful()
        if looks:
            self.look(1)
        self.revise(name, "ada", change)

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
        self.let_hold(house, ban)

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


@pytest.mark.timeout(1800)
def test_nothing_gets_round_its_approval(own_database: Database) -> None:
    class Here(Approvals):
        database, owner = own_database, create_engine(own_database.owner_url)

    run_state_machine_as_test(Here, settings=PROFILE)
    Here.owner.dispose()
