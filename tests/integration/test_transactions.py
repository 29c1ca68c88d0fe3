"""What PostgreSQL says, in the words of the error tree; and how the next request goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Thread

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from service.domain.errors import Busy, Unavailable
from service.store.database import open_engine, transactions
from tests.integration.api_world import World, assert_problem, named, shown
from tests.postgres import Database, Server

LOCK = text("SELECT pg_advisory_xact_lock(0, :key)")


def run(database: Database, *steps: str | Callable[[], object]) -> None:
    """Take these steps in one transaction: statements, and what somebody else does meanwhile."""
    with database.transaction() as session:
        for step in steps:
            if isinstance(step, str):
                session.execute(text(step))
            else:
                step()


@pytest.fixture
def alone(own_database: Database) -> Iterator[Database]:
    """Give a database whose engine has a single connection."""
    engine = open_engine(own_database.url, pool_size=1)
    yield Database(own_database.name, engine, own_database.owner_url)
    engine.dispose()


def end_connections(postgres: Server, database: Database) -> None:
    """End every connection to a database, as a restart of the server does."""
    engine = create_engine(postgres.superuser_url(), poolclass=NullPool)
    with engine.connect() as superuser:
        query = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = :name"
        assert superuser.scalar(text(query), {"name": database.name}) > 0


def test_a_deadlock_ends_one_of_the_two_as_busy(own_database: Database) -> None:
    both_hold, outcomes = Barrier(2), []

    def cross(first: int, second: int) -> None:
        try:
            with own_database.transaction() as session:
                session.execute(LOCK, {"key": first})
                both_hold.wait(10)
                session.execute(LOCK, {"key": second})
        except Busy as error:
            outcomes.append(str(error))
        else:
            outcomes.append("done")

    threads = [Thread(target=cross, args=keys) for keys in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["Somebody else is changing the same thing. Try again in a second.", "done"]


def test_a_lock_that_does_not_come_is_busy(own_database: Database) -> None:
    with own_database.transaction() as holder:
        holder.execute(LOCK, {"key": 1})
        with pytest.raises(Busy, match="changing the same thing"):
            run(own_database, "SET LOCAL lock_timeout = '50ms'", "SELECT pg_advisory_xact_lock(0, 1)")


def test_locks_and_statements_of_a_request_are_bounded(own_database: Database) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    with own_database.transaction() as session:
        assert [session.scalar(text(f"SHOW {name}")) for name in names] == ["4s", "15s", "30s"]


def test_a_statement_that_takes_too_long_is_busy(own_database: Database) -> None:
    with pytest.raises(Busy):
        run(own_database, "SET LOCAL statement_timeout = '50ms'", "SELECT pg_sleep(30)")


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("DELETE FROM event", "GRANT wharfinger_app"),
        ("SELECT * FROM no_such_table", "Run wharfinger migrate"),
    ],
)
def test_a_login_or_a_schema_that_lacks_something_says_what_to_do(
    database: Database, statement: str, hint: str
) -> None:
    with pytest.raises(Unavailable, match=hint):
        run(database, statement)


def test_a_database_that_may_only_be_read_says_so(own_database: Database) -> None:
    with pytest.raises(Unavailable, match="standby"):
        run(own_database, "SET TRANSACTION READ ONLY", "UPDATE team SET name = name")


def test_an_option_of_the_url_that_nobody_knows_is_told(postgres: Server) -> None:
    url = postgres.login.update_query_dict({"foo": "bar"}).render_as_string(hide_password=False)
    with pytest.raises(Unavailable, match='invalid connection option "foo"'):
        open_engine(url)


def test_a_database_that_is_away_is_unavailable(postgres: Server) -> None:
    engine = open_engine(postgres.login.set(port=1).render_as_string(hide_password=False))
    with pytest.raises(Unavailable, match="does not answer"), transactions(engine)() as session:
        session.execute(text("SELECT 1"))


def test_a_connection_that_dies_in_a_transaction_is_unavailable(postgres: Server, alone: Database) -> None:
    with pytest.raises(Unavailable):
        run(alone, "SELECT 1", lambda: end_connections(postgres, alone), "SELECT 1")


def test_a_connection_that_dies_before_the_commit_is_unavailable(
    postgres: Server, alone: Database, clock
) -> None:
    world = World(alone.transaction, clock)
    world.ann.submit()
    before = world.rows()
    with pytest.raises(Unavailable):
        run(alone, "DELETE FROM port_claim", lambda: end_connections(postgres, alone))
    assert world.rows() == before


def test_a_request_after_a_restart_of_the_database_is_served(
    postgres: Server, alone: Database, clock
) -> None:
    world = World(alone.transaction, clock)
    made = world.ann.submit()
    end_connections(postgres, alone)
    assert world.ann.get(made.location).json == shown(made)
    end_connections(postgres, alone)
    world.ann.submit(named("second"))


def test_a_request_whose_connection_dies_gets_a_503_and_the_next_one_is_served(
    postgres: Server, alone: Database, clock
) -> None:
    dying: list[bool] = []

    @contextmanager
    def transaction() -> Iterator[Session]:
        with alone.transaction() as session:
            yield session
            if dying:
                end_connections(postgres, alone)

    world = World(transaction, clock)
    before = world.rows()
    dying.append(True)
    assert_problem(world.ann.post("/v1/exposures", named("hello")), 503, "unavailable")
    dying.clear()
    assert world.rows() == before
    world.ann.submit(named("hello"))


def test_a_request_that_finds_no_free_connection_is_busy(own_database: Database) -> None:
    engine = create_engine(own_database.url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    with (
        engine.connect(),
        pytest.raises(Busy, match="connections are in use"),
        transactions(engine)() as session,
    ):
        session.execute(text("SELECT 1"))
    engine.dispose()


def test_an_error_of_the_caller_rolls_back_and_comes_through(own_database: Database, clock) -> None:
    world = World(own_database.transaction, clock)
    world.ann.submit()
    before = world.rows()

    def fail() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run(own_database, "DELETE FROM port_claim", fail)
    assert world.rows() == before


@pytest.mark.parametrize("is_read_first", [True, False])
def test_nothing_is_kept_after_the_caller_took_it_back(
    database: Database, clock, is_read_first: bool
) -> None:
    world = World(database.transaction, clock)
    world.ann.submit()
    before = world.rows()
    with database.transaction() as session:
        if is_read_first:
            session.execute(text("DELETE FROM port_claim"))
        session.rollback()
        session.execute(text("DELETE FROM port_claim"))
    assert world.rows() == before
