"""The owner's side of the schema: one connection that migrates alone, and which revision the database is at.

Alembic takes no lock. A session's advisory lock keeps a second migration out; it is polled, because a
``lock_timeout`` would cancel a waiting ``pg_advisory_lock`` too.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from service.domain.errors import Busy, Forbidden, Unavailable

MIGRATION_LOCK = 7_716_348_279_105_631
"""Any number that nobody else uses; ports take the other kind of advisory lock, with two numbers."""

WAIT_SECONDS, POLL_SECONDS, TELL_SECONDS = 60.0, 0.25, 5.0
SESSION = "SET lock_timeout = '4s'; SET statement_timeout = '15min'"
LOCK_TIMEOUT, UNDEFINED_TABLE, FORBIDDEN = "55P03", "42P01", "42501"


@contextmanager
def migrating(
    url: str, say: Callable[[str], None], wait_seconds: float = WAIT_SECONDS
) -> Iterator[Connection]:
    """Give the one connection that migrates; nobody else has one meanwhile.

    Args:
        url: the owner's, and a direct one: a pooler in transaction mode loses the lock.
        say: is told, a line at a time, what is waited for.

    Raises:
        Busy: another migration did not end in time, or others hold a table for longer than its lock_timeout.
        Unavailable: the database does not answer.
    """
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"connect_timeout": 5, "application_name": "wharfinger migrate"}
    )
    try:
        with engine.connect() as connection:
            _wait_for_lock(connection, say, wait_seconds)
            connection.execute(text(SESSION))
            connection.commit()
            yield connection
    except DBAPIError as error:
        _raise_known(error)
        raise
    finally:
        engine.dispose()


def _raise_known(error: DBAPIError) -> None:
    """Raise what PostgreSQL said in the words of the error tree, when there are some for it."""
    state = getattr(error.orig, "sqlstate", None)
    if state == LOCK_TIMEOUT:
        raise Busy(
            "Somebody uses a table that this migration changes, so it gave up; that step changed nothing. "
            "Run it again in a quieter moment."
        ) from error
    if state == FORBIDDEN and isinstance(error.orig, psycopg.Error):
        said = error.orig.diag
        hint = said.message_hint or "Use the owner of the database."
        raise Forbidden(f"This login may not migrate: {said.message_primary}. {hint}") from error
    if error.connection_invalidated or state is None:
        line = str(error.orig).partition("\n")[0]  # libpq's advice on the next lines is not for this line
        raise Unavailable(f"The database does not answer: {line}") from error


def _wait_for_lock(connection: Connection, say: Callable[[str], None], wait_seconds: float) -> None:
    begun = time.monotonic()
    told = begun - TELL_SECONDS
    attempt = text("SELECT pg_try_advisory_lock(:key)")
    while not connection.scalar(attempt, {"key": MIGRATION_LOCK}):
        connection.rollback()
        waited = time.monotonic() - begun
        if waited >= wait_seconds:
            raise Busy(
                f"Another migration ({_holder(connection)}) is not done after {waited:.0f} s. Nothing was "
                "changed: look what that one does, then run this one again."
            )
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            seconds = f"{waited:.0f} of {wait_seconds:.0f} s"
            say(f"Waiting for another migration ({_holder(connection)}), {seconds}.")
        time.sleep(POLL_SECONDS)


def _holder(connection: Connection) -> str:
    """Return who holds the lock: a bigint key stands in pg_locks in two halves."""
    query = text("""
        SELECT format('backend %s of %s', pid, coalesce(usename, '?'))
        FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND (classid::bigint << 32 | objid::bigint) = :key
    """)
    holder = connection.scalar(query, {"key": MIGRATION_LOCK})
    connection.rollback()
    return holder or "just ended"


def recorded_revision(engine: Engine) -> str | None:
    """Return the migration that the database is at, None when there is none; the restricted login may ask.

    Raises:
        Unavailable: the database does not answer.
    """
    try:
        with engine.connect() as connection:
            revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return revision
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in (UNDEFINED_TABLE, FORBIDDEN):
            return None
        raise Unavailable("The database does not answer.") from error
