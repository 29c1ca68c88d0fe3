"""One engine a process, one transaction a request; what PostgreSQL says, in the words of the error tree.

Round trips are the price of a request: each one hands the GIL away and queues for it again. So a transaction
is one pipeline: BEGIN goes with the first statement, COMMIT with the last ones, and a statement that is kept
back goes with the next one whose answer somebody reads. ``store.prepared`` has those that can be.
"""

import select
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias

import orjson
import psycopg
from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event, make_url, orm, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.domain.errors import Busy, Unavailable

Session: TypeAlias = orm.Session
"""One transaction, open."""

CHANNEL = "wharfinger"
LACKING_STATES = {
    "42501": "The database's login lacks rights. GRANT wharfinger_app TO it, and migrate with this release.",
    "42P01": "The database has no such table. Run wharfinger migrate.",
    "25006": "The database may only be read: the server is a standby. Lead the URL to the one that is not.",
}
"""Insufficient privilege, undefined table, read-only: what is missing is not the caller's to give."""

BUSY_STATES = {"40001", "40P01", "55P03", "57014"}
"""Serialization failure, deadlock, lock timeout, statement timeout: the same request again may pass."""

GATHERING = "gathering"
"""By this name a connection's options and a session's info have what their transaction has still to send."""

SESSION_OPTIONS = (
    "-c lock_timeout=4s -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s"
    " -c jit=off"  # compiling costs more than the longest of these statements
)

WIRE_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""When a connection whose packets are swallowed is given up: after 10 s; TCP itself takes 15 min and more.

Seconds, but for the last one: ms that what was sent may go unconfirmed. (libpq, Parameter Key Words)
"""


class Transactions(Protocol):
    """Opens transactions: ``with transactions() as session``."""

    def __call__(self) -> AbstractContextManager[Session]: ...


def open_engine(url: str, pool_size: int = 5) -> Engine:
    """Return the process's engine; connections are made when needed, and looked at before they are lent.

    Each statement commits by itself but within ``transactions``: the driver would wait for the answer to its
    own BEGIN.

    Raises:
        Unavailable: the URL has an option that PostgreSQL's client does not know.
    """
    try:
        psycopg.conninfo.make_conninfo(**make_url(url).query)  # type: ignore[arg-type]
    except psycopg.ProgrammingError as error:
        raise Unavailable(f"The database's URL cannot be used: {error}") from error
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        isolation_level="AUTOCOMMIT",
        json_serializer=orjson.dumps,
        json_deserializer=orjson.loads,
        connect_args={"application_name": "wharfinger", "options": SESSION_OPTIONS, **WIRE_OPTIONS},
    )
    event.listen(engine, "checkout", _refuse_hung_up)
    event.listen(engine, "do_execute", _execute)
    event.listen(engine, "rollback_savepoint", _send_before_rollback)
    return engine


def _refuse_hung_up(driver: Any, *_: Any) -> None:
    """Let the pool connect anew when the server has hung up: a ping would cost each request a round trip.

    An idle connection has nothing to read but the server's farewell.
    """
    look = select.poll()
    if not driver.closed:
        look.register(driver.fileno(), select.POLLIN)
    if driver.closed or look.poll(0):
        raise DisconnectionError


class Gathering:
    """What one transaction has still to send, and the driver's connection that it goes by."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.begin_is_due = True
        self._pipeline: AbstractContextManager[Any] | None = None
        self._checks: list[Callable[[], None]] = []

    def __enter__(self) -> "Gathering":
        return self

    def __exit__(self, *error: Any) -> None:
        self.send(*error)

    def begin(self) -> None:
        """Keep back the transaction's BEGIN, once."""
        if self.begin_is_due:
            self.begin_is_due = False
            self.keep_back("BEGIN")

    def keep_back(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Keep back a statement in the driver's own form; return the cursor that will have its rows."""
        self.begin()
        if self._pipeline is None:
            self._pipeline = self.driver.pipeline()
            self._pipeline.__enter__()
        return self._execute(statement, values)

    def check(self, answer: Callable[[], None]) -> None:
        """Look at the answer to what was kept back once it is there, before anybody sees a later one."""
        self._checks.append(answer)

    def run(self, statement: str, values: Sequence[Any] = (), *, is_alone: bool = False) -> Any:
        """Send a statement with all that was kept back; return the cursor that has its rows.

        Args:
            is_alone: it needs no transaction around it; without others there is none.
        """
        if not is_alone:
            self.begin()
        cursor = self._execute(statement, values)
        self.send()
        return cursor

    def commit(self) -> None:
        """End the transaction: with what was kept back, unless its answer may be that it must not be."""
        if self._checks:
            self.send()
        self.run("COMMIT")

    def send(self, *error: Any) -> None:
        """Send what was kept back, wait for the answers, and look at those that are to be looked at."""
        if self._pipeline is not None:
            opened, self._pipeline = self._pipeline, None
            checks, self._checks = self._checks, []
            opened.__exit__(*(error or (None, None, None)))
            for answer in checks if not any(error) else ():
                answer()

    def _execute(self, statement: str, values: Sequence[Any]) -> Any:
        return psycopg.RawCursor(self.driver).execute(statement, values, prepare=True)


class _Lazy(orm.Session):
    """Takes what SQLAlchemy needs when its first statement comes: most transactions send none.

    A savepoint is begun at once, for what the driver sends after it.
    """

    def __init__(self, engine: Engine, lent: PoolProxiedConnection, gathering: Gathering) -> None:
        super().__init__(expire_on_commit=False)
        self.info[GATHERING] = gathering
        self.is_rolled_back = False
        self._engine, self._lent = engine, lent
        self._connection: Connection | None = None

    def get_bind(self, *_: Any, **__: Any) -> Connection:
        """Return the connection that everything is sent by."""
        if self._connection is None:
            options: Any = {GATHERING: self.info[GATHERING]}
            self._connection = Connection(self._engine, self._lent).execution_options(**options)
        return self._connection

    def rollback(self) -> None:
        """Take everything back, and whatever comes after it."""
        self.is_rolled_back = True
        super().rollback()
        self.info[GATHERING].begin_is_due = True

    def begin_nested(self) -> orm.SessionTransaction:
        """Begin a savepoint."""
        nested = super().begin_nested()
        self.connection()
        return nested


def _execute(cursor: Any, statement: str, values: Any, context: Any) -> bool:
    """Send one of SQLAlchemy's statements with all that was kept back."""
    gathering: Gathering | None = context.execution_options.get(GATHERING)
    if gathering:
        gathering.begin()
    cursor.execute(statement, values)
    if gathering:
        gathering.send()
    return True


def _send_before_rollback(connection: Connection, *_: Any) -> None:
    """Let ROLLBACK TO SAVEPOINT not go with others: the driver would forget its plans too late.

    It drops them then, and would do so after the next statement, whose plan it takes for prepared ever after.
    """
    gathering: Gathering | None = connection.get_execution_options().get(GATHERING)
    if gathering:
        gathering.send()


@event.listens_for(_Lazy, "before_commit")
def _send_before_commit(session: orm.Session) -> None:
    """Look at what was kept back in a savepoint before it is released."""
    gathering_of(session).send()


def gathering_of(session: Session) -> Gathering:
    """Return what a transaction has still to send."""
    found: Gathering = session.info[GATHERING]
    return found


def transactions(engine: Engine) -> Transactions:
    """Return the opener of transactions: commit at the end, roll back on any exception.

    Raises (when used):
        Busy: a deadlock, a lock or a statement took too long.
        Unavailable: the database does not answer.
    """

    @contextmanager
    def transaction() -> Iterator[Session]:
        try:
            with _lent(engine) as lent:
                gathering = Gathering(lent.driver_connection)
                with _Lazy(engine, lent, gathering) as session, gathering:
                    yield session
                    if not (session.is_rolled_back or gathering.begin_is_due):
                        gathering.commit()
                    if session.in_transaction() and not session.is_rolled_back:
                        session.commit()
        except PoolTimeout as error:
            raise Busy("All database connections are in use. Try again in a second.") from error
        except (DBAPIError, psycopg.Error) as error:
            raise _told(error) from error

    return transaction


@contextmanager
def _lent(engine: Engine) -> Iterator[PoolProxiedConnection]:
    """Borrow a connection of the pool, which rolls back what was not committed."""
    lent = engine.raw_connection()
    driver: Any = lent.driver_connection
    try:
        yield lent
    finally:
        if driver.closed and lent.is_valid:
            lent.invalidate()
        lent.close()


def _told(error: DBAPIError | psycopg.Error) -> Exception:
    """Return what PostgreSQL said in our words; an error of our own making stays as it is."""
    said = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(said, "sqlstate", None)
    if state in LACKING_STATES:
        return Unavailable(LACKING_STATES[state])
    if state in BUSY_STATES:
        return Busy("Somebody else is changing the same thing. Try again in a second.")
    invalidated = isinstance(error, DBAPIError) and error.connection_invalidated
    if invalidated or isinstance(said, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable("The database does not answer. Try again in a few seconds.")
    return error


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
