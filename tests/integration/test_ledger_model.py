"""The ledger beside a model of it that fits in a dictionary: after every step the two say the same.

People hold, edit and give back; the worker binds and releases; foreign Services come and go; reservations and
the pool change; time passes. Never has a port two owners, no claim is lost, nothing is free that the cluster
may still have, and every tenure that ended is in the history.
"""

import os
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.domain.errors import NodePortTaken, PoolExhausted
from service.domain.exposure import Metadata
from service.domain.history import Ending
from service.domain.ports import Pool
from service.domain.reservation import Reservation, choosable
from service.store import exposures, foreign, identities, port_history, ports, reservations
from service.workflow.act import Act
from service.workflow.draft import requested
from tests.builders import NOON, make_exposure, make_principal, make_revision
from tests.integration.ledger_model import Model, Row
from tests.postgres import Database

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
PROFILE = settings(
    max_examples=500 if LONG else 15,
    stateful_step_count=60 if LONG else 40,
    derandomize=not LONG,
    database=None,
    deadline=None,
    # What the short run finds is told as it was found: shrinking takes minutes, and belongs to the long one.
    phases=tuple(Phase) if LONG else (Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
HOUR = timedelta(hours=1)
TEAMS = ("team-a", "team-b")
POOLS = (Pool(30000, 30019), Pool(30000, 30007), Pool(30004, 30021))
NUMBERS = st.integers(30000, 30021)
SOME = st.frozensets(NUMBERS, max_size=4)
CLUSTERS = (f"model-{number}" for number in count())
IDS = (UUID(int=number) for number in count(1))


class Ledger(RuleBasedStateMachine, Model):
    """One cluster of its own for each run."""

    database: Database
    ours = Bundle("ours")

    @initialize()
    def begin(self) -> None:
        self.cluster, self.pool, self.now, self.turn = next(CLUSTERS), POOLS[0], NOON, 0
        self.rows = {}
        self.teams = {}
        self.rules = {}
        self.ended = {}
        self.in_the_cluster = {}
        with self.transaction() as session:
            identities.put_cluster(session, identities.Cluster(self.cluster, None, self.pool), self.now)
            for team in TEAMS:
                identities.add_team(session, team, self.now)
                identities.add_namespace(session, self.cluster, team, None)

    # What people do.

    @rule(target=ours, team=st.sampled_from(TEAMS), asked=SOME, chosen=st.integers(0, 3))
    def hold(self, team: str, asked: frozenset[int], chosen: int) -> object:
        exposure_id = next(IDS)
        done = self._hold(exposure_id, team, {number for number in asked if number in self.pool}, chosen)
        return exposure_id if done else multiple()

    @rule(exposure=ours, asked=SOME, chosen=st.integers(0, 2))
    def edit(self, exposure: UUID, asked: frozenset[int], chosen: int) -> None:
        own = {number for number, row in self.rows.items() if row.owner == exposure}
        self._hold(exposure, self.teams[exposure], {*own, *(n for n in asked if n in self.pool)}, chosen)

    @rule(target=ours, team=st.sampled_from(TEAMS), place=st.integers(0, 50))
    def covet(self, team: str, place: int) -> object:
        """Ask for a number that somebody has."""
        coveted = [number for number in sorted(self.rows) if number in self.pool]
        exposure_id = next(IDS)
        asked = {coveted[place % len(coveted)]} if coveted else set()
        return exposure_id if self._hold(exposure_id, team, asked, 1) else multiple()

    @rule(team=st.sampled_from(TEAMS))
    def exhaust(self, team: str) -> None:
        for size in (5, 1):
            while self._hold(next(IDS), team, set(), size):
                pass

    @rule(exposure=ours)
    def withdraw(self, exposure: UUID) -> None:
        gone = self._of(exposure, "held")
        with self.transaction() as session:
            assert ports.drop_holds(session, exposure, self.now) == sorted(gone)
        before = {number: self.rows[number].cooling for number in gone}
        self._end(gone, Ending.UNUSED)
        for number, row in before.items():
            if row is not None and row.until is not None and row.until > self.now:
                self.rows[number] = row

    # What the worker does.

    @rule(exposure=ours, some=SOME)
    def bind(self, exposure: UUID, some: frozenset[int]) -> None:
        own = self._of(exposure, "held") | self._of(exposure, "bound")
        with self.transaction() as session:
            assert ports.bind(session, exposure, own | some, self.now)() == own
        for number in own:
            self.rows[number] = replace(self.rows[number], state="bound", cooling=None)
            self.in_the_cluster[number] = exposure

    @rule(exposure=ours, keep=SOME, how=st.sampled_from([Ending.DROPPED, Ending.RELEASED]))
    def release(self, exposure: UUID, keep: frozenset[int], how: Ending = Ending.RELEASED) -> None:
        gone, until = self._of(exposure, "bound") - keep, self.now + HOUR
        with self.transaction() as session:
            assert ports.release(session, exposure, keep, until, self.now, how) == sorted(gone)
        for number in gone:
            self.ended.setdefault(number, []).append((how.value, exposure, self.now))
            self.rows[number] = replace(self.rows[number], state="cooling", until=until)
            del self.in_the_cluster[number]

    @rule(exposure=ours)
    def come_and_go(self, exposure: UUID) -> None:
        self.bind(exposure, frozenset())
        self.release(exposure, frozenset())

    @rule(exposure=ours)
    def come_back(self, exposure: UUID) -> None:
        """Have the earlier numbers again, and others in the place of those that are gone."""
        cooling = self._of(exposure, "cooling")
        self._hold(exposure, self.teams[exposure], set(), len(cooling) + 1, frozenset(cooling))

    @rule(exposure=ours)
    def take_back_in_vain(self, exposure: UUID) -> None:
        """Let an exposure's ports cool, ask for one by another exposure of its team, and withdraw."""
        self.come_and_go(exposure)
        cooling, another = self._of(exposure, "cooling"), next(IDS)
        if cooling and self._hold(another, self.teams[exposure], {min(cooling)}, 0):
            self.withdraw(another)

    @rule(name=st.sampled_from(["dns", "proxy"]), places=st.sets(st.integers(0, 50), max_size=4))
    def steal(self, name: str, places: set[int]) -> None:
        """A foreign Service appears on numbers that somebody has, on those of our own Services first."""
        numbers = sorted(self.rows, key=lambda number: (self._state(number) != "bound", number))
        self.look({numbers[place % len(numbers)]: name for place in places} if numbers else {})

    @rule(observed=st.dictionaries(NUMBERS, st.sampled_from(["dns", "proxy"]), max_size=5))
    def look(self, observed: dict[int, str]) -> None:
        """Foreign Services appear, move and go."""
        with self.transaction() as session:
            seen = {number: ("kube-system", name) for number, name in observed.items()}
            found = foreign.import_foreign(session, self.cluster, seen, self.now)
        bound = {number for number in observed if self._state(number) == "bound"}
        lost = {n for n in observed if self._state(n) in ("held", "cooling")}
        assert {claim.port for claim in found.conflicts} == bound
        assert {claim.port for claim in found.losers} == lost
        self._end(lost, Ending.LOST)
        had = {number: row.owner for number, row in self.rows.items() if row.state == "foreign"}
        self._end({n for n, owner in had.items() if observed.get(n) != owner}, Ending.GONE)
        ours = {n: owner for n, owner in self.in_the_cluster.items() if isinstance(owner, UUID)}
        self.in_the_cluster = {**observed, **ours}
        for number, name in observed.items():
            if number not in bound and had.get(number) != name:
                self.rows[number] = Row("foreign", name, since=self.now)

    @rule(exposure=ours, number=NUMBERS)
    def give_up(self, exposure: UUID, number: int) -> None:
        own = number in self._of(exposure, "held") | self._of(exposure, "bound")
        with self.transaction() as session:
            thief = ("kube-system", "dns")
            assert own == foreign.yield_to(session, exposure, number, thief, Ending.LOST, self.now)
        if own:
            self._end({number}, Ending.LOST)
            self.rows[number] = Row("foreign", "dns", since=self.now)
            self.in_the_cluster[number] = "dns"

    # What the platform and the clock do.

    @rule(name=st.sampled_from("xy"), ends=st.tuples(NUMBERS, NUMBERS), team=st.sampled_from([None, *TEAMS]))
    def reserve(self, name: str, ends: tuple[int, int], team: str | None) -> None:
        wanted = Reservation(
            cluster=self.cluster,
            name=name,
            first=min(ends),
            last=max(ends),
            team=team,
            reason="kept",
            until=self.now + 2 * HOUR,
            created_at=self.now,
        )
        with self.transaction() as session:
            assert reservations.put(session, wanted)[1] == (name not in self.rules)
        self.rules[name] = wanted

    @rule(name=st.sampled_from("xy"))
    def give_free(self, name: str) -> None:
        with self.transaction() as session:
            assert reservations.remove(session, self.cluster, name) == (name in self.rules)
        self.rules.pop(name, None)

    @rule(pool=st.sampled_from(POOLS))
    def stretch(self, pool: Pool) -> None:
        self.pool = pool
        with self.transaction() as session:
            identities.put_cluster(session, identities.Cluster(self.cluster, None, pool), self.now)

    @rule(minutes=st.sampled_from([1, 30, 90]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        over = [n for n, row in self.rows.items() if row.until is not None and row.until <= self.now]
        for number in over:
            del self.rows[number]

    # What is always so.

    @invariant()
    def every_claim_is_as_the_model_says(self) -> None:
        with self.transaction() as session:
            claims = ports.page(session, self.cluster, 0, 1000, self.now)
        told = {c.port: Row(c.state.value, c.exposure_id or c.name, c.until, c.since or NOON) for c in claims}
        assert told == self.rows
        for number, owner in self.in_the_cluster.items():
            assert (told[number].state in ("bound", "foreign"), told[number].owner) == (True, owner)
        assert [c.team for c in claims] == [self.teams.get(self.rows[c.port].owner) for c in claims]  # type: ignore[call-overload]

    @invariant()
    def every_number_of_the_pool_has_one_row(self) -> None:
        query = text("SELECT port FROM port_claim WHERE cluster = :cluster")
        with self.transaction() as session:
            rows = list(session.scalars(query, {"cluster": self.cluster}))
        assert len(rows) == len(set(rows))
        assert set(range(self.pool.first, self.pool.last + 1)) <= set(rows)

    @invariant()
    def every_tenure_that_ended_is_in_the_history(self) -> None:
        with self.transaction() as session:
            for number, endings in self.ended.items():
                told = port_history.of_port(session, self.cluster, number, 1000)
                assert [
                    (tenure.ending.value, tenure.exposure_id or tenure.owner.name, tenure.ended_at)
                    for tenure in reversed(told)
                ] == endings

    # How the model decides.

    def transaction(self) -> AbstractContextManager[Session]:
        return self.database.transaction()

    def _hold(
        self, exposure: UUID, team: str, asked: set[int], chosen: int, earlier: frozenset[int] = frozenset()
    ) -> bool:
        """Hold ports and compare with what the model expects; return whether they were had."""
        self.turn += 5  # of this run alone: the same steps must give the same numbers again
        ranges = choosable(self.pool, list(self.rules.values()), team, self.now, self.turn)
        back = {number for number in earlier if self._may_have(number, exposure, team)}
        chosen -= len(back)
        preferred = [n for numbers in ranges for n in numbers if n not in {*self.rows, *asked, *back}]
        refused = sorted(n for n in asked if not self._may_have(n, exposure, team))
        want = ports.Want(
            asked={number: f"#/{number}" for number in asked},
            earlier=earlier,
            count=chosen + len(back),
            ranges=ranges,
        )
        taker = ports.Taker(
            exposure, Metadata(self.cluster, team, f"e{exposure.int}", team), "tried", self.now
        )
        before = dict(self.rows)
        if refused:
            with pytest.raises(NodePortTaken) as taken, self.transaction() as session:
                self._take(session, taker, want)
            assert taken.value.port == refused[0]
            return False
        if len(preferred) < chosen:
            with pytest.raises(PoolExhausted) as full, self.transaction() as session:
                self._take(session, taker, want)
            states = [row.state for number, row in before.items() if number in self.pool]
            counted = dict(full.value.usage.by_state)
            counted.pop("free", None)
            assert counted == {state: states.count(state) for state in set(states)}
            return False
        with self.transaction() as session:
            held = self._take(session, taker, want)
        assert held.stated == asked | back
        assert set(held.chosen) <= set(preferred)
        assert not any(self._is_kept_from(team, number) for number in held.chosen)
        # Within a range the ledger may pass over a number whose cooling has just ended.
        for numbers in ranges:
            assert len(set(held.chosen) & set(numbers)) == len(set(preferred[:chosen]) & set(numbers))
        self.teams[exposure] = team
        for number in {*asked, *back, *held.chosen}:
            row = self.rows.get(number)
            if row is None or row.owner != exposure or row.state == "cooling":
                self.rows[number] = Row("held", exposure, since=self.now, cooling=row)
        return True

    def _take(self, session: Session, taker: ports.Taker, want: ports.Want) -> ports.Held:
        if taker.exposure_id not in self.teams:
            made = make_exposure(id=taker.exposure_id, metadata=taker.metadata)
            revision = make_revision(exposure_id=made.id)
            exposures.add(session, made, requested(revision, Act(make_principal(), self.now, "model")))
            exposures.add_revision(session, revision)
        return ports.hold(session, taker, want)


@pytest.mark.timeout(600)
def test_the_ledger_does_what_its_model_does(database: Database) -> None:
    class Here(Ledger):
        pass

    Here.database = database
    run_state_machine_as_test(Here, settings=PROFILE)
