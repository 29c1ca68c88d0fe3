"""Many writes in few transactions: nothing lost, and no fault is another's."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from service.domain.errors import Busy, Unavailable
from service.reconciler.batch import Batch
from service.store import exposures, sync
from service.store.database import Session
from tests.conftest import Clock
from tests.integration.reconciler_world import ReconcilerWorld, Story
from tests.postgres import Database

FREE = {"ports": [{"name": "http", "port": 80, "target_port": 8080, "protocol": "TCP"}]}
"""A port whose number the ledger chooses."""


class Counted:
    """Transactions, counted; the first one waits until several threads want one."""

    def __init__(self, world: ReconcilerWorld, wait_for: int) -> None:
        self._world, self._wait_for = world, wait_for
        self.count = 0
        self.arrived = threading.Semaphore(0)

    @contextmanager
    def __call__(self) -> Iterator[Session]:
        self.count += 1
        if self.count == 1:
            for _ in range(self._wait_for):
                assert self.arrived.acquire(timeout=10)
        with self._world.transaction() as session:
            yield session


@pytest.fixture
def world(database: Database, clock: Clock) -> ReconcilerWorld:
    return ReconcilerWorld(database, clock)


@pytest.fixture
def stories(world: ReconcilerWorld) -> list[Story]:
    return [world.request(f"n{number}", **FREE) for number in range(8)]


def write_all(
    world: ReconcilerWorld, stories: list[Story], fault: Exception | None = None
) -> tuple[Counted, list[object]]:
    """Let each story's sync be written by a thread of its own; the first one holds all others up."""
    transactions = Counted(world, len(stories) - 1)
    batch = Batch(transactions)

    def note(story: Story, session: Session) -> str:
        assert exposures.lock(session, story.id) is not None
        sync.record(session, story.id, world.now(), message=f"by {story.name}")
        if fault is not None and story.name == "n3":
            raise fault
        return story.name

    def run(story: Story) -> object:
        if story is not stories[0]:
            transactions.arrived.release()
        try:
            return batch.write(story.id, lambda session: note(story, session))
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(stories)) as pool:
        first = pool.submit(run, stories[0])
        while transactions.count == 0:
            threading.Event().wait(0.01)
        others = [pool.submit(run, story) for story in stories[1:]]
        return transactions, [future.result() for future in [first, *others]]


def messages(world: ReconcilerWorld, stories: list[Story]) -> list[str | None]:
    return [world.record(story).sync.message for story in stories]


def test_what_gathers_behind_a_commit_is_committed_together(
    world: ReconcilerWorld, stories: list[Story]
) -> None:
    transactions, found = write_all(world, stories)
    assert found == [story.name for story in stories]
    assert messages(world, stories) == [f"by {story.name}" for story in stories]
    assert transactions.count <= 4


def test_a_fault_of_one_is_nobody_elses(world: ReconcilerWorld, stories: list[Story]) -> None:
    fault = ZeroDivisionError("of n3")
    _, found = write_all(world, stories, fault)
    assert Counter(type(one).__name__ for one in found) == {"str": 7, "ZeroDivisionError": 1}
    assert messages(world, stories) == [
        None if story.name == "n3" else f"by {story.name}" for story in stories
    ]


def test_a_row_that_somebody_else_holds_is_written_once_it_is_free(
    world: ReconcilerWorld, stories: list[Story]
) -> None:
    is_locked = threading.Event()

    def hold() -> None:
        with world.transaction() as session:
            exposures.lock(session, stories[3].id)
            is_locked.set()
            time.sleep(0.3)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        assert is_locked.wait(10)
        _, found = write_all(world, stories)
    assert found == [story.name for story in stories]
    assert messages(world, stories)[3] == "by n3"


def test_without_a_database_everybody_hears_of_it(world: ReconcilerWorld) -> None:
    @contextmanager
    def away() -> Iterator[Session]:
        raise Unavailable("The database does not answer.")
        yield

    with pytest.raises(Unavailable):
        Batch(away).write(world.request().id, lambda session: None)


def test_who_will_not_wait_for_a_row_is_told_at_once(world: ReconcilerWorld) -> None:
    story = world.request()
    batch = Batch(world.transaction)
    with world.transaction() as session:
        exposures.lock(session, story.id)
        with pytest.raises(Busy):
            batch.write(story.id, lambda other: exposures.lock(other, story.id, wait=False))


def record(world: ReconcilerWorld, batch: Batch, story: Story) -> None:
    """Let a story's sync be written, as an action does."""

    def note(session: Session) -> None:
        assert exposures.lock(session, story.id) is not None
        sync.record(session, story.id, world.now(), message=f"by {story.name}")

    batch.write(story.id, note)


def test_where_many_are_under_way_the_first_one_waits_for_company(
    world: ReconcilerWorld, stories: list[Story]
) -> None:
    transactions = Counted(world, 0)
    batch = Batch(transactions, lambda: 2 * len(stories), gather_seconds=10)

    with ThreadPoolExecutor(len(stories)) as pool:
        for done in [pool.submit(record, world, batch, story) for story in stories]:
            done.result(timeout=5)

    assert transactions.count == 1
    assert messages(world, stories) == [f"by {story.name}" for story in stories]


def test_company_that_does_not_come_is_not_waited_for_long(
    world: ReconcilerWorld, stories: list[Story]
) -> None:
    batch = Batch(Counted(world, 0), lambda: 100)

    record(world, batch, stories[0])

    assert messages(world, stories[:1]) == ["by n0"]


def test_several_of_one_caller_are_written_together_and_each_has_its_outcome(
    world: ReconcilerWorld, stories: list[Story]
) -> None:
    transactions = Counted(world, 0)
    fault = ZeroDivisionError("of n3")

    def write(session: Session, story: Story) -> str:
        if story.name == "n3":
            raise fault
        return story.name

    writes = {story.id: partial(write, story=story) for story in stories}
    outcomes = Batch(transactions).write_all(writes)

    assert transactions.count == 1 + len(stories)
    with pytest.raises(ZeroDivisionError):
        outcomes[stories[3].id]()
    assert [outcomes[story.id]() for story in stories if story.name != "n3"] == [
        story.name for story in stories if story.name != "n3"
    ]


def test_who_is_written_goes_on_while_the_next_ones_gather(
    world: ReconcilerWorld, stories: list[Story]
) -> None:
    is_first, under_way = threading.Event(), [2 * len(stories)]

    @contextmanager
    def transaction() -> Iterator[Session]:
        with world.transaction() as session:
            yield session
            if not is_first.is_set():
                under_way[0] = 100  # from now on nobody comes in time
                is_first.set()

    batch = Batch(transaction, lambda: under_way[0], gather_seconds=2)

    def write_twice(story: Story) -> float:
        record(world, batch, story)
        went_on = time.monotonic()
        record(world, batch, story)
        return went_on

    with ThreadPoolExecutor(len(stories)) as pool:
        written = [pool.submit(write_twice, story) for story in stories]
        assert is_first.wait(10)
        committed = time.monotonic()
        went_on = [future.result(timeout=30) for future in written]
    assert max(went_on) - committed < 1
