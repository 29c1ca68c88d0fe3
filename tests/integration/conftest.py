"""The harbours of the workers' tests: processes' threads, a real database, a cluster in memory."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.integration.worker_harbour import Harbour, PacedClock
from tests.postgres import Database


@pytest.fixture
def harbour(own_database: Database) -> Iterator[Harbour]:
    """Give a harbour."""
    with ExitStack() as stack:
        yield Harbour(own_database, stack, PacedClock())


@pytest.fixture
def brisk(own_database: Database) -> Iterator[Harbour]:
    """Give a harbour for what the worker does every few seconds."""
    with ExitStack() as stack:
        yield Harbour(own_database, stack, PacedClock(20))
