"""One engine a process, one transaction a request; what PostgreSQL says, in the words of the error tree."""

import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias

import psycopg
from sqlalchemy import Connection, Engine, create_engine, make_url, orm, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.domain.errors import Busy, Unavailable

Session: TypeAlias = orm.Session
"""One transaction, open."""

CHANNEL = "wharfinger"
LACKING_STATES = {
    "42501": "The database's login lacks rights. GRANT wharfinger_app TO it, and migrate with this release.",
    "42P01": "The database has no such table. Run wharfinger migrate.",
}
"""Insufficient privilege, undefined table: what is missing is not the caller's to give."""

BUSY_STATES = {"40001", "40P01", "55P03", "57014"}
"""Serialization failure, deadlock, lock timeout, statement timeout: the same request again may pass."""

SESSION_OPTIONS = "-c lock_timeout=4s -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s"


class Transactions(Protocol):
    """Opens transactions: ``with transactions() as session``."""

    def __call__(self) -> AbstractContextManager[Session]: ...


def open_engine(url: str, pool_size: int = 5) -> Engine:
    """Return the process's engine; connections are made when needed, and tried before they are lent.

    Raises:
        Unavailable: the URL has an option that PostgreSQL's client does not know.
    """
    try:
        psycopg.conninfo.make_conninfo(**make_url(url).query)  # type: ignore[arg-type]
    except psycopg.ProgrammingError as error:
        raise Unavailable(f"The database's URL cannot be used: {error}") from error
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=5,
        connect_args={"connect_timeout": 5, "application_name": "wharfinger", "options": SESSION_OPTIONS},
    )


def transactions(engine: Engine) -> Transactions:
    """Return the opener of transactions: commit at the end, roll back on any exception.

    Raises (when used):
        Busy: a deadlock, a lock or a statement took too long.
        Unavailable: the database does not answer.
    """

    @contextmanager
    def transaction() -> Iterator[Session]:
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except PoolTimeout as error:
            raise Busy("All database connections are in use. Try again in a second.") from error
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state in LACKING_STATES:
                raise Unavailable(LACKING_STATES[state]) from error
            if state in BUSY_STATES:
                raise Busy("Somebody else is changing the same thing. Try again in a second.") from error
            if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
                raise Unavailable("The database does not answer. Try again in a few seconds.") from error
            raise

    return transaction


def one_moment(session: Session) -> None:
    """Let a transaction that only reads see one moment with all its statements; this has to be its first."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


class Listener:
    """Waits for ``wake`` on a connection of its own; without one it only waits, and polling makes sure.

    The connection must be a direct one: a pooler in transaction mode loses every LISTEN.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def __call__(self, seconds: float) -> Collection[str]:
        """Return the clusters that were woken: at once when there are some, else after so many seconds."""
        begun = time.monotonic()
        try:
            driver: Any = self._open().connection.driver_connection
            return {notice.payload for notice in driver.notifies(timeout=seconds, stop_after=1)}
        except (SQLAlchemyError, psycopg.Error):
            self.close()
            time.sleep(max(0.0, seconds - (time.monotonic() - begun)))
            return ()

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.execute(text(f"LISTEN {CHANNEL}"))
        return self._connection


def wake(session: Session, cluster: str) -> None:
    """Wake the workers when this transaction commits. At most once a transaction: NOTIFY locks at commit."""
    session.execute(text("SELECT pg_notify(:channel, :cluster)"), {"channel": CHANNEL, "cluster": cluster})
