"""What every suite shares: a fixed clock, and a clean database that the restricted login works on."""

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import create_engine

from tests.postgres import (
    Database,
    Server,
    SharedServer,
    ask_for_server,
    embedded_server,
    empty,
    external_server,
    external_url,
)

# How long an example takes says something of the machine's load, not of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# A run keeps thousands of tests to its end, and by Python's own thresholds they are gone through again and
# again: a third of the time that collecting them takes. What is in no cycle is freed at once, as ever.
gc.set_threshold(50_000, 20, 50)

SHARED = pytest.StashKey[SharedServer]()
FOLDER = "postgres_folder"


def pytest_configure(config: pytest.Config) -> None:
    is_controller = bool(getattr(config.option, "numprocesses", None)) and not hasattr(config, "workerinput")
    if is_controller and external_url() is None:
        config.stash[SHARED] = SharedServer()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    if SHARED in node.config.stash:
        node.workerinput[FOLDER] = str(node.config.stash[SHARED].folder)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take the tests themselves out of the garbage collector's sight: they stay to the end."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    if SHARED in config.stash:
        config.stash[SHARED].close()


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self._now = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self._now

    def advance(self, **length: float) -> None:
        """Go on, by the arguments of a timedelta."""
        self._now += timedelta(**length)


@pytest.fixture
def clock() -> Clock:
    """Give a clock at noon of 1 January 2030, UTC."""
    return Clock()


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[Server]:
    """Give the server of this session."""
    with ExitStack() as stack:
        if url := external_url():
            yield external_server(url)
        elif folder := getattr(pytestconfig, "workerinput", {}).get(FOLDER):
            yield ask_for_server(Path(folder))
        else:
            yield stack.enter_context(embedded_server())


@pytest.fixture(scope="session")
def template(postgres: Server) -> Iterator[str]:
    """Give the name of a database with the newest schema, to copy."""
    with postgres.migrated() as name:
        yield name


@pytest.fixture(scope="session")
def _shared(postgres: Server, template: str) -> Iterator[tuple[Database, Callable[[], None]]]:
    """Give this process's database, and how it is emptied: ten times faster than a new copy for each test."""
    with postgres.database(template) as made:
        owner = create_engine(made.owner_url)
        yield made, lambda: empty(owner)
        owner.dispose()


@pytest.fixture
def database(_shared: tuple[Database, Callable[[], None]]) -> Database:
    """Give a clean database with the newest schema."""
    made, clean = _shared
    clean()
    return made


@pytest.fixture
def own_database(postgres: Server, template: str) -> Iterator[Database]:
    """Give a database for one test alone: for those that break connections or need many."""
    with postgres.database(template, pool_size=50) as made:
        yield made


@pytest.fixture
def bare_database(postgres: Server) -> Iterator[Database]:
    """Give a database without a schema."""
    with postgres.database() as made:
        yield made
