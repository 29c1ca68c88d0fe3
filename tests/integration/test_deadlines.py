"""The clock of the product looks at several exposures at once, and none of them holds up another."""

from collections.abc import Callable, Sequence
from uuid import UUID

import pytest

from service.deadlines.loop import Clock as Deadlines
from service.deadlines.loop import Edge
from service.deadlines.visit import RETRY
from service.domain.errors import Unavailable
from service.domain.exposure import Exposure, ExposureRecord, Revision
from service.domain.gate import Reason
from service.store import exposures
from service.store.database import Session
from service.workflow.judge import Judge
from tests.conftest import Clock
from tests.integration.api_world import named
from tests.integration.approval_world import TWO_OF_PLATFORM, ApprovalWorld, Case
from tests.judges import EVALUATOR
from tests.postgres import Database


class FailingJudge(Judge):
    """Fails at one exposure, by its name."""

    def __init__(self, name: str, error: Callable[[], Exception]) -> None:
        super().__init__(EVALUATOR)
        self._name, self._error = name, error

    def denials(self, session: Session, record: ExposureRecord, revision: Revision) -> Sequence[Reason]:
        if record.exposure.metadata.name == self._name:
            raise self._error()
        return super().denials(session, record, revision)


@pytest.fixture
def world(database: Database, clock: Clock) -> ApprovalWorld:
    """Give three requests that are to be judged again."""
    return ApprovalWorld(database, clock)


def ask(world: ApprovalWorld, name: str) -> Case:
    return Case(world, world.by("ann").post("/v1/exposures", named(name)))


def exposure_of(world: ApprovalWorld, case: Case) -> Exposure:
    with world.transaction() as session:
        record = exposures.get(session, UUID(case.id))
    assert record is not None
    return record.exposure


def failing(world: ApprovalWorld, error: Callable[[], Exception]) -> Deadlines:
    return Deadlines(Edge(world.transaction, world.now, FailingJudge("b", error)), 1.0)


def test_one_that_cannot_be_judged_is_put_off_and_the_others_are_looked_at(
    world: ApprovalWorld, clock: Clock
) -> None:
    cases = [ask(world, name) for name in ("a", "b", "c")]
    world.tick()
    world.rules(TWO_OF_PLATFORM)

    assert failing(world, lambda: ZeroDivisionError("of b")).turn() == 3

    a, b, c = (exposure_of(world, case) for case in cases)
    assert a.judged_at == c.judged_at > b.judged_at
    assert b.next_deadline_at == clock() + RETRY
    clock.advance(seconds=RETRY.total_seconds())
    assert world.tick() == 1
    assert exposure_of(world, cases[1]).judged_at == a.judged_at


def test_without_a_database_nothing_is_put_off(world: ApprovalWorld) -> None:
    ask(world, "b")
    world.tick()
    world.rules(TWO_OF_PLATFORM)

    with pytest.raises(Unavailable):
        failing(world, lambda: Unavailable("The database does not answer.")).turn()
