"""The PostgreSQL that tests run on: one server a session, a migrated template, databases copied from it.

WHARFINGER_TEST_DATABASE_URL names a superuser of a server of your own; without it a session has an embedded
one. With xdist the controller owns that server, because it outlives every worker, and starts it when the
first one asks: a run without database tests starts none.
"""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from devcluster.postgres import LOGIN, OWNER, SUPERUSER, EmbeddedPostgres, prepare
from service.admin.migrate import migrate
from service.policies import DEV, shipped
from service.store.database import Transactions, open_engine, transactions
from service.store.tables import METADATA
from service.workflow.govern import install

SETTING = "WHARFINGER_TEST_DATABASE_URL"
START_SECONDS = 60.0


@dataclass(frozen=True)
class Database:
    """One database: as the restricted login, and the URL of its owner."""

    name: str
    engine: Engine
    owner_url: str

    @property
    def url(self) -> str:
        """The restricted login's, as a process is told."""
        return self.engine.url.render_as_string(hide_password=False)

    @property
    def transaction(self) -> Transactions:
        """The opener that wiring hands out."""
        return transactions(self.engine)


@dataclass(frozen=True)
class Server:
    """A server with the roles of production; URLs lead to its default database."""

    superuser: URL
    owner: URL
    login: URL

    def url(self, who: URL, database: str) -> str:
        """Return the URL of one of the three at a database."""
        return who.set(database=database).render_as_string(hide_password=False)

    def superuser_url(self, database: str = "postgres") -> str:
        """Return the URL of who may do everything."""
        return self.url(self.superuser, database)

    @contextmanager
    def database(self, template: str = "template0", pool_size: int = 5) -> Iterator[Database]:
        """Give a new database that is a copy of another one; it is dropped at the end."""
        name = f"test_{uuid4().hex}"
        copied = f"TEMPLATE {template} STRATEGY FILE_COPY"  # through the log it takes half as long again
        self._execute(f"CREATE DATABASE {name} {copied} OWNER {self.owner.username}")
        engine = open_engine(self.url(self.login, name), pool_size)
        try:
            yield Database(name, engine, self.url(self.owner, name))
        finally:
            engine.dispose()
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """Give the name of a template: the newest schema, and the policies of development alone."""
        with self.database() as made:
            migrate(made.owner_url, say=lambda line: None)
            with made.transaction() as session:
                install(session, shipped(DEV), datetime(2030, 1, 1, tzinfo=UTC))
            made.engine.dispose()  # a database with guests is no template
            yield made.name

    def _execute(self, statement: str) -> None:
        engine = create_engine(self.superuser_url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))


def external_server(url: str) -> Server:
    """Return a server of your own, with our roles; the passwords are the same each time."""
    password = hashlib.sha256(url.encode()).hexdigest()[:32]
    superuser = make_url(url).set(drivername="postgresql+psycopg")
    prepare(superuser.render_as_string(hide_password=False), password, password)
    return Server(superuser, *(superuser.set(username=user, password=password) for user in (OWNER, LOGIN)))


@contextmanager
def embedded_server() -> Iterator[Server]:
    """Give an embedded server of its own."""
    folder = Path(tempfile.mkdtemp(prefix="wharfinger-tests-"))
    try:
        with EmbeddedPostgres(folder, durable=False) as started:
            yield Server(*(make_url(started.url(user, "postgres")) for user in (SUPERUSER, OWNER, LOGIN)))
    finally:
        shutil.rmtree(folder)


class SharedServer:
    """The controller's side: an embedded server that starts when a worker asks for it in a folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wharfinger-session-"))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="postgres for the workers")
        self._thread.start()

    def _serve(self) -> None:
        while not (self.folder / "wanted").exists():
            if self._over.wait(0.05):
                return
        try:
            with embedded_server() as server:
                self._answer(
                    *(who.render_as_string(False) for who in (server.superuser, server.owner, server.login))
                )
                self._over.wait()
        except Exception as error:
            self._answer(f"failed: {error}")
            raise

    def _answer(self, *lines: str) -> None:
        (self.folder / "answer.new").write_text("\n".join(lines))
        (self.folder / "answer.new").rename(self.folder / "answer")

    def close(self) -> None:
        """Stop the server if there is one."""
        self._over.set()
        self._thread.join()
        shutil.rmtree(self.folder)


def ask_for_server(folder: Path) -> Server:
    """Return the controller's server: a worker's side."""
    (folder / "wanted").touch()
    deadline = time.monotonic() + START_SECONDS
    while not (folder / "answer").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The controller started no PostgreSQL within {START_SECONDS:.0f} s.")
        time.sleep(0.05)
    first, *rest = (folder / "answer").read_text().splitlines()
    if not rest:
        raise RuntimeError(f"The controller could not start PostgreSQL: {first}")
    return Server(*map(make_url, (first, *rest)))


def external_url() -> str | None:
    """Return the server that the environment names."""
    return os.environ.get(SETTING) or None


SHIPPED = "name = 'approver' AND version = 1"
RESTORE = f"""
    DELETE FROM policy WHERE NOT ({SHIPPED});
    UPDATE policy SET state = 'active', retired_at = NULL WHERE {SHIPPED} AND state <> 'active'
"""


def empty(owner: Engine) -> None:
    """Take every row out but the policy that ships for development, and who this ledger is.

    TRUNCATE makes new files for each table: 40 ms instead of one.
    """
    tables = [
        table.name for table in reversed(METADATA.sorted_tables) if table.name not in ("policy", "ledger")
    ]
    with owner.begin() as connection:
        connection.exec_driver_sql("; ".join([*(f"DELETE FROM {name}" for name in tables), RESTORE]))
