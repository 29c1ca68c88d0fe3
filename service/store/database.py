"""One engine a process, one transaction a request; what PostgreSQL says, in the words of the error tree."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from service.domain.errors import Busy, Unavailable

CHANNEL = "wharfinger"
BUSY_STATES = {"40001", "40P01", "55P03", "57014"}
"""Serialization failure, deadlock, lock timeout, statement timeout: the same request again may pass."""

SESSION_OPTIONS = "-c lock_timeout=4s -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s"


class Transactions(Protocol):
    """Opens transactions: ``with transactions() as session``."""

    def __call__(self) -> AbstractContextManager[Session]: ...


def open_engine(url: str, pool_size: int = 5) -> Engine:
    """Return the process's engine; connections are made when they are needed, and tried before they are lent."""
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
            if getattr(error.orig, "sqlstate", None) in BUSY_STATES:
                raise Busy("Somebody else is changing the same thing. Try again in a second.") from error
            if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
                raise Unavailable("The database does not answer. Try again in a few seconds.") from error
            raise

    return transaction


def wake(session: Session, cluster: str) -> None:
    """Wake the workers when this transaction commits. At most once a transaction: NOTIFY locks at commit."""
    session.execute(text("SELECT pg_notify(:channel, :cluster)"), {"channel": CHANNEL, "cluster": cluster})
