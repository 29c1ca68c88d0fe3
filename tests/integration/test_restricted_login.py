"""What api and worker may do to the database: grants only, and never to what happened."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.integration.api_world import World
from tests.postgres import Database

FORBIDDEN = [
    "UPDATE event SET kind = 'other'",
    "UPDATE event SET at = now() WHERE id = 1",
    "DELETE FROM event",
    "TRUNCATE event",
    "TRUNCATE exposure CASCADE",
    "ALTER TABLE event DISABLE TRIGGER ALL",
    "DROP TABLE event",
    "UPDATE review SET verdict = 'approve'",
    "DELETE FROM review",
    "DELETE FROM exposure",
    "DELETE FROM revision",
    "DELETE FROM token",
    "UPDATE alembic_version SET version_num = 'x'",
    "CREATE TABLE mine (id INTEGER)",
    "CREATE FUNCTION mine() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE exposure ADD COLUMN mine INTEGER",
    "CREATE INDEX mine ON exposure (name)",
    "DROP TABLE port_claim",
    "CREATE ROLE mine",
    "SET ROLE wharfinger_owner",
    "COPY event TO PROGRAM 'cat'",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_restricted_login_is_refused(database: Database, clock, statement: str) -> None:
    world = World(database.transaction, clock)
    world.ann.submit()
    before = world.rows()
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be (owner|superuser)"),
        database.engine.begin() as login,
    ):
        login.execute(text(statement))
    assert world.rows() == before


def test_the_tests_work_as_the_restricted_login(database: Database) -> None:
    with database.engine.connect() as connection:
        query = text("SELECT rolname, rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user")
        assert connection.execute(query).one() == ("wharfinger_login", False, False)
