"""A storm: faults at random moments, overlapping, while people and a vandal go on; and what came of it.

The moments are real time, so a seed brings back the same wishes and the same order of faults, not the same
instructions.
"""

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.e2e.account import Account, broken_promises, touched
from tests.e2e.crowd import Person
from tests.e2e.fault_world import FaultWorld, Nurse
from tests.e2e.invariants import broken, unsettled
from tests.e2e.parts import run_command
from tests.e2e.snapshot import Snapshot, take
from tests.e2e.vandal import Vandal

PAUSE_SECONDS = (0.05, 0.8)
DEAD_SECONDS = (0.0, 1.5)
SHORT_SECONDS, LONG_SECONDS, LONG_SHARE = (0.2, 2.0), (4.5, 10.0), 0.15
"""How long a wire is frozen or slow. The long ones outlast a call of the worker, and a lease."""

DELAY_SECONDS = (0.02, 0.5)
FRESH_SECONDS = 4.0
"""A process that was started so recently is mostly left alone: it would never come to do anything."""

LULL_EVERY, LULL_SECONDS = 25, 20.0
SETTLE_SECONDS = 900.0
"""More than a create of unknown outcome may be under way, and than the longest pause after failures.

A node port that a killed kube-apiserver left allocated takes longest: it is free after the third repair, and
these are 3 min apart (docs/kubernetes.md).
"""

STILL_SECONDS, SAY_EVERY = 3.0, 30.0
VICTIMS = ("api", "worker", "worker-2", "postgres", "kube-apiserver", "kube-apiserver-2", "etcd")


@dataclass
class Report:
    """What a storm did, and what is not as it should be afterwards."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    by_hand: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it for people."""
        spans = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        counters = {
            "faults": self.faults,
            "answers": self.answers,
            "by hand": self.by_hand,
            "events": self.events,
            "exposures": self.states,
        }
        lines = [f"storm {self.seed}: {self.faults.total()} faults; {spans}"]
        for title, counter in counters.items():
            listed = ", ".join(f"{name} {count}" for name, count in sorted(counter.items()))
            lines.append(f"  {title} ({counter.total()}): {listed}")
        return "\n".join([*lines, f"  broken: {len(self.broken)}", *(f"    {line}" for line in self.broken)])


class Storm:
    """One storm over one world."""

    def __init__(self, world: FaultWorld, seed: int) -> None:
        self._world = world
        self._chance = random.Random(seed)
        self._report = Report(seed)
        self._slow: dict[str, float] = {}
        self._deck: list[str] = []

    def play(self, faults: int, people: int) -> Report:
        """Let it rage until so many faults have struck, and settle; return what came of it."""
        begun, account = time.monotonic(), Account()
        with nursed(self._world) as nurses:
            crowd = [
                Person(self._world.world, random.Random(self._chance.random()), account)
                for _ in range(people)
            ]
            vandal = self._vandal()
            self._rage(faults, nurses, account)
            for one in (*crowd, vandal):
                one.stop()
            self._report.seconds["storm"] = time.monotonic() - begun
            self._world.calm()
            vandal.plunder()
            settled = time.monotonic()
            snapshot = self._settle(account, vandal)
            self._report.seconds["settling"] = time.monotonic() - settled
            for nurse in nurses.values():
                nurse.check()
        self._conclude(snapshot, account, vandal)
        vandal.clean_up()
        return self._report

    def kinds(self) -> list[str]:
        """Return every fault that there is."""
        wired = [f"{word} {wire}" for word in ("cut", "delay", "freeze") for wire in self._world.wires]
        return [*wired, *(f"kill {name}" for name in VICTIMS)]

    def _vandal(self) -> Vandal:
        world = self._world.world
        return Vandal(world.control_plane, world.namespaces, random.Random(self._chance.random()))

    def _rage(self, faults: int, nurses: dict[str, Nurse], account: Account) -> None:
        begun, report = time.monotonic(), self._report
        while report.faults.total() < faults:
            time.sleep(self._chance.uniform(*PAUSE_SECONDS))  # the moment is the fault's
            if kind := self._strike(nurses):
                report.faults[kind] += 1
            if kind and report.faults.total() % LULL_EVERY == 0:
                self._lull()
                seconds = time.monotonic() - begun
                say(
                    f"storm {report.seed}: {report.faults.total()} of {faults} faults in {seconds:.0f} s, "
                    f"{account.answers.total()} requests, {len(account.promises)} of them promises"
                )

    def _strike(self, nurses: dict[str, Nurse]) -> str | None:
        """Let one fault strike; return which, None: what it was for is in trouble already."""
        if not self._deck:  # as many kills as faults of wires, and each of them in turn
            self._deck = [*self.kinds(), *(f"kill {name}" for name in VICTIMS)]
            self._chance.shuffle(self._deck)
        kind = self._deck.pop()
        word, name = kind.split()
        struck = self._kill(nurses[name]) if word == "kill" else self._break(word, name)
        return kind if struck else None

    def _kill(self, nurse: Nurse) -> bool:
        is_fresh = time.monotonic() - nurse.started_at < FRESH_SECONDS
        if not nurse.process.lives() or (is_fresh and self._chance.random() < 0.8):
            return False
        nurse.kill(self._chance.uniform(*DEAD_SECONDS))
        return True

    def _break(self, word: str, name: str) -> bool:
        wire, now = self._world.wires[name], time.monotonic()
        if now < self._slow.get(name, 0):
            return False
        if word == "cut":
            wire.cut()
            return True
        if word == "delay":
            wire.delay(self._chance.uniform(*DELAY_SECONDS))
        else:
            wire.freeze()
        span = LONG_SECONDS if self._chance.random() < LONG_SHARE else SHORT_SECONDS
        seconds = self._chance.uniform(*span)
        self._slow[name] = now + seconds
        threading.Timer(seconds, wire.mend).start()
        return True

    def _lull(self) -> None:
        """Let everything come up for a moment, so that something is going on for the next faults."""
        deadline = time.monotonic() + LULL_SECONDS
        while not self._world.answers() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1.0)

    def _settle(self, account: Account, vandal: Vandal) -> Snapshot:
        """Wait until nothing is left to do, and then whether it stays so; return how it is."""
        deadline, still_since, before = time.monotonic() + SETTLE_SECONDS, time.monotonic(), None
        say_at = time.monotonic() + SAY_EVERY
        while True:
            snapshot = take(self._world.world)
            now, state = time.monotonic(), (len(snapshot.events), list(snapshot.exposures))
            left = [*unsettled(snapshot), *self._wrong(snapshot, account, vandal)]
            if state != before or left:
                still_since, before = now, state
            if now >= say_at:
                say_at = now + SAY_EVERY
                say("\n  ".join([f"storm {self._report.seed}: not settled yet", *left]))
            if now - still_since > STILL_SECONDS or now > deadline:
                return snapshot
            time.sleep(0.25)

    def _wrong(self, snapshot: Snapshot, account: Account, vandal: Vandal) -> list[str]:
        return [
            *broken(snapshot),
            *broken_promises(snapshot, account.promises),
            *touched(snapshot, vandal.kept),
        ]

    def _conclude(self, snapshot: Snapshot, account: Account, vandal: Vandal) -> None:
        report, world = self._report, self._world.world
        report.broken += [f"not settled: {sentence}" for sentence in unsettled(snapshot)]
        report.broken += self._wrong(snapshot, account, vandal)
        report.broken += [f"an answer that nobody expects: {answer}" for answer in account.unexpected]
        done = run_command("audit", "verify", DATABASE_URL=world.database.url)
        if done.returncode:
            report.broken.append(f"audit verify: {done.stdout}{done.stderr}")
        report.answers, report.by_hand = account.answers, vandal.done
        report.events = Counter(event.kind for event in snapshot.events)
        report.states = Counter(
            "ended" if exposure.ended else f"{exposure.intent} {exposure.state}"
            for exposure in snapshot.exposures
        )


@contextmanager
def nursed(world: FaultWorld) -> Iterator[dict[str, Nurse]]:
    """Give a nurse for each process; at the end everything runs, and stays as it is."""
    nurses = {process.name: Nurse(process) for process in world.processes()}
    try:
        yield nurses
        world.calm()
    finally:
        for nurse in nurses.values():
            nurse.stop()


def say(line: str) -> None:
    """Tell who watches how far it is."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
