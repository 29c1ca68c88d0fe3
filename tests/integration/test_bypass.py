"""No way round an approval: every attempt is answered with its reason, and nothing comes of it."""

from collections.abc import Iterator

import pytest

from tests.integration import bypass_changes, bypass_platform, bypass_reviews, bypass_times
from tests.integration.bypass import Attempt, Ground, Refusal, comes_to_nothing
from tests.postgres import Server

TABLES = (bypass_reviews.TABLE, bypass_changes.TABLE, bypass_times.TABLE, bypass_platform.TABLE)
ATTEMPTS = {name: row for table in TABLES for name, row in table.rows.items()}


@pytest.fixture(scope="module")
def _field(postgres: Server, template: str) -> Iterator[Ground]:
    """Give a ground of this module alone: attempts set rules of their own."""
    with postgres.database(template) as made:
        yield Ground(made)


@pytest.fixture
def ground(_field: Ground) -> Ground:
    return _field.anew()


@pytest.mark.parametrize(("attempt", "expected"), ATTEMPTS.values(), ids=ATTEMPTS)
def test_nothing_comes_of_it(ground: Ground, attempt: Attempt, expected: Refusal) -> None:
    comes_to_nothing(ground, attempt, expected)


def test_there_are_forty_and_more() -> None:
    assert len(ATTEMPTS) >= 40
