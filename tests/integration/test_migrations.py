"""Migrations go up and down, alone, and make the tables that the code knows."""

import io
import subprocess
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from service.admin.migrate import migrate
from service.admin.schema_state import place, revisions, schema_state
from service.domain.errors import Busy, Conflict, Forbidden, NotFound, Unavailable
from service.store.database import open_engine
from service.store.schema import SESSION, migrating
from service.store.tables import METADATA
from tests.postgres import Database, Server, embedded_server

ROOT = Path(__file__).parents[2]

CATALOG = {
    "columns": """
        SELECT table_name, column_name, data_type, udt_name, is_nullable, column_default, identity_generation
        FROM information_schema.columns WHERE table_schema = 'public'
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    """,
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "triggers, functions, views, types": """
        SELECT 'relation', relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'r')
        UNION ALL SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'type', typname FROM pg_type
            WHERE typnamespace = 'public'::regnamespace AND typtype IN ('d', 'e', 'r')
        UNION ALL SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal
    """,
    "grants": """
        SELECT relname, relacl::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relacl IS NOT NULL
    """,
}


def hush(line: str) -> None:
    """Say nothing."""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def catalog(url: str, *without: str) -> dict[str, set[tuple[object, ...]]]:
    """Return everything that a database's schema holds, but Alembic's own table."""
    with connected(url) as connection:
        return {
            what: {tuple(row) for row in connection.execute(text(query)) if "alembic_version" not in str(row)}
            for what, query in CATALOG.items()
            if what not in without
        }


def test_the_names_of_the_files_tell_what_alembic_reads_in_them() -> None:
    config = Config()
    config.set_main_option("script_location", str(place()))
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert revisions() == tuple(reversed([script.revision for script in scripts]))


def test_every_migration_goes_up_and_down_and_up_again(bare_database: Database) -> None:
    url = bare_database.owner_url
    before = catalog(url)
    for below, revision in zip(("base", *revisions()), revisions(), strict=False):
        old = catalog(url)
        assert migrate(url, revision, hush) == revision
        new = catalog(url)
        assert new != old
        assert migrate(url, below, hush) == below
        assert catalog(url) == old
        migrate(url, revision, hush)
        assert catalog(url) == new
    migrate(url, "base", hush)
    assert catalog(url) == before


def test_the_way_down_leaves_no_grant_behind(bare_database: Database) -> None:
    query = """
        SELECT count(*) FROM pg_shdepend JOIN pg_database ON pg_database.oid = dbid
        WHERE refobjid = 'wharfinger_app'::regrole AND datname = current_database()
    """
    migrate(bare_database.owner_url, say=hush)
    with connected(bare_database.owner_url) as connection:
        assert connection.scalar(text(query)) > 0
    migrate(bare_database.owner_url, "base", hush)
    with connected(bare_database.owner_url) as connection:
        assert connection.scalar(text(query)) == 0


def test_the_migrations_make_the_tables_that_the_code_knows(
    own_database: Database, bare_database: Database
) -> None:
    with connected(own_database.owner_url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    with connected(bare_database.owner_url) as connection:
        METADATA.create_all(connection)
    made = catalog(bare_database.owner_url, "grants")
    assert catalog(own_database.owner_url, "grants") == made


def test_migrating_again_changes_nothing(own_database: Database) -> None:
    before = catalog(own_database.owner_url)
    said: list[str] = []
    assert migrate(own_database.owner_url, say=said.append) == revisions()[-1]
    assert catalog(own_database.owner_url) == before
    assert said == [f"The schema is at {revisions()[-1]} already."]


def test_a_migration_waits_for_another_one_and_says_so(bare_database: Database) -> None:
    said: Queue[str] = Queue()
    with ThreadPoolExecutor(1) as threads:
        with migrating(bare_database.owner_url, hush):
            second = threads.submit(migrate, bare_database.owner_url, say=said.put)
            line = said.get(timeout=30)
            assert line.startswith("Waiting for another migration (backend ")
            assert "of wharfinger_owner" in line
            with connected(bare_database.owner_url) as connection:
                assert connection.scalar(text("SELECT to_regclass('exposure')")) is None
        assert second.result(timeout=30) == revisions()[-1]


def test_a_migration_gives_up_on_another_one_and_names_it(bare_database: Database) -> None:
    with migrating(bare_database.owner_url, hush), pytest.raises(Busy, match=r"Another migration \(backend "):
        migrate(bare_database.owner_url, say=hush, wait_seconds=0.3)


def test_a_migration_gives_up_on_a_table_that_is_in_use(own_database: Database) -> None:
    before = catalog(own_database.owner_url)
    with own_database.transaction() as user:
        for table in METADATA.tables:  # whichever the newest migration changes
            user.execute(text(f"SELECT FROM {table} LIMIT 1"))
        with pytest.raises(Busy, match="changed nothing"):
            migrate(own_database.owner_url, "base", hush)
    assert catalog(own_database.owner_url) == before


@pytest.fixture
def plain_owner_url(postgres: Server, bare_database: Database) -> Iterator[str]:
    """Give the URL of an owner who may not make roles."""
    role, url = f"plain_{uuid4().hex}", postgres.superuser_url(bare_database.name)
    with connected(url) as superuser:
        superuser.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD 'plain'"))
        superuser.execute(text(f"ALTER DATABASE {bare_database.name} OWNER TO {role}"))
    yield postgres.url(postgres.owner.set(username=role, password="plain"), bare_database.name)
    with connected(url) as superuser:
        superuser.execute(text(f"DROP OWNED BY {role}"))
        superuser.execute(text(f"ALTER DATABASE {bare_database.name} OWNER TO {postgres.owner.username}"))
        superuser.execute(text(f"DROP ROLE {role}"))


def test_the_role_is_found_by_an_owner_who_may_not_make_roles(
    plain_owner_url: str, bare_database: Database
) -> None:
    assert migrate(plain_owner_url, say=hush) == revisions()[-1]
    assert schema_state(bare_database.engine) is None


def test_the_role_is_made_by_who_may_and_asked_for_by_who_may_not() -> None:
    with embedded_server() as server, server.database() as made:
        with connected(server.superuser_url()) as superuser:
            superuser.execute(text("DROP ROLE wharfinger_app"))
            superuser.execute(text("ALTER ROLE wharfinger_owner NOCREATEROLE"))
        with pytest.raises(Forbidden, match=r"no role wharfinger_app.*CREATE ROLE wharfinger_app NOLOGIN"):
            migrate(made.owner_url, say=hush)
        with connected(server.superuser_url()) as superuser:
            superuser.execute(text("ALTER ROLE wharfinger_owner CREATEROLE"))
        assert migrate(made.owner_url, say=hush) == revisions()[-1]
        with connected(made.owner_url) as owner:
            can_log_in = owner.scalar(
                text("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'wharfinger_app'")
            )
            assert can_log_in is False


def test_an_unknown_target_is_refused_with_those_that_there_are(bare_database: Database) -> None:
    with pytest.raises(NotFound, match="There is no migration '9999'; there are 0001"):
        migrate(bare_database.owner_url, "9999", hush)


def test_a_schema_of_a_newer_release_is_left_alone(own_database: Database) -> None:
    with connected(own_database.owner_url) as owner:
        owner.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="9999, which this release does not know"):
        migrate(own_database.owner_url, say=hush)


def test_the_state_of_the_schema_is_told_to_the_restricted_login(bare_database: Database) -> None:
    assert schema_state(bare_database.engine) == "no schema: run `wharfinger migrate`"
    migrate(bare_database.owner_url, say=hush)
    assert schema_state(bare_database.engine) is None
    with connected(bare_database.owner_url) as owner:
        owner.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert (schema_state(bare_database.engine) or "").startswith("ahead: the schema is at 9999")
    migrate_down_from_unknown(bare_database)
    assert schema_state(bare_database.engine) == "no schema: run `wharfinger migrate`"


def migrate_down_from_unknown(database: Database) -> None:
    with connected(database.owner_url) as owner:
        owner.execute(text("UPDATE alembic_version SET version_num = :known"), {"known": revisions()[-1]})
    migrate(database.owner_url, "base", hush)


def test_a_database_that_is_away_is_told_apart(postgres: Server) -> None:
    url = postgres.owner.set(port=1).render_as_string(hide_password=False)
    assert schema_state(open_engine(url)) == "The database does not answer."
    with pytest.raises(Unavailable, match="does not answer"):
        migrate(url, say=hush)


@pytest.mark.parametrize("revision", revisions())
def test_squawk_finds_no_fault_in_the_sql(tmp_path: Path, revision: str) -> None:
    written = io.StringIO()
    config = Config(output_buffer=written)
    config.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    known = ["base", *revisions()]
    command.upgrade(config, f"{known[known.index(revision) - 1]}:{revision}", sql=True)
    file = tmp_path / "migrations.sql"
    file.write_text(f"{SESSION};\n{written.getvalue()}")
    # Ports and revision numbers stay small; the varchar is Alembic's own table.
    excluded = "--exclude=prefer-bigint-over-int,prefer-text-field"
    squawk = Path(sysconfig.get_path("scripts")) / "squawk"
    done = subprocess.run(
        [squawk, "--pg-version=18", "--reporter=gcc", excluded, file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_new_migration_begins_as_a_file_that_runs(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    config.set_main_option("version_locations", str(tmp_path).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    script = command.revision(config, "make something", rev_id="0001")
    assert isinstance(script, Script)
    compile(Path(script.path).read_text(), script.path, "exec")
    ruff = Path(sysconfig.get_path("scripts")) / "ruff"
    done = subprocess.run(
        [ruff, "check", "--isolated", "--select=E,F,I", script.path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
