"""No way round an approval: every attempt is answered with its reason, and nothing comes of it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from tests.conftest import Clock
from tests.integration import bypass_changes, bypass_reviews, bypass_times
from tests.integration.bypass import Attempt, Ground, Refusal, comes_to_nothing
from tests.postgres import Database, Server, empty

ATTEMPTS = bypass_reviews.TABLE.rows | bypass_changes.TABLE.rows | bypass_times.TABLE.rows


@pytest.fixture(scope="module")
def _field(postgres: Server, template: str) -> Iterator[Database]:
    """Give a database of this module alone: attempts set rules of their own."""
    with postgres.database(template) as made:
        yield made


@pytest.fixture
def ground(_field: Database, clock: Clock) -> Ground:
    owner = create_engine(_field.owner_url)
    empty(owner)
    with owner.begin() as connection:
        connection.exec_driver_sql("DELETE FROM policy")
    owner.dispose()
    return Ground(_field, clock)


@pytest.mark.parametrize(("attempt", "expected"), ATTEMPTS.values(), ids=ATTEMPTS)
def test_nothing_comes_of_it(ground: Ground, attempt: Attempt, expected: Refusal) -> None:
    comes_to_nothing(ground, attempt, expected)


def test_there_are_forty_and_more() -> None:
    assert len(ATTEMPTS) >= 40
