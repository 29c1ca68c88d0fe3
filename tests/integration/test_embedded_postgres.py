"""The PostgreSQL of development: starts from nothing, keeps its data, and leaves no process behind.

As root these run below a folder that only root may enter, so what unprivileged.py lends is tried too.
"""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from devcluster.errors import StartFailed
from devcluster.postgres import APP, DATABASE, LOGIN, OWNER, SUPERUSER, EmbeddedPostgres

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from devcluster.postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), durable=False):
    print("up", flush=True)
    time.sleep(600)
"""


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)


def postmaster_of(folder: Path) -> int:
    return int((folder / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)


def test_it_starts_from_nothing_and_keeps_its_data(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with EmbeddedPostgres(folder) as first, connect(first.owner_url) as owner:
        owner.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with EmbeddedPostgres(folder) as again, connect(again.owner_url) as owner:
        assert owner.execute("SELECT number FROM kept").fetchone() == (7,)
    with pytest.raises(psycopg.OperationalError):
        connect(again.owner_url)


def test_what_was_committed_outlives_kill_9_of_the_postmaster(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "data") as server:
        with connect(server.owner_url) as owner:
            owner.execute("CREATE TABLE kept AS SELECT 7 AS number")
        postmaster = postmaster_of(tmp_path / "data")

        server.crash()
        server.restart()

        with connect(server.owner_url) as owner:  # the same URL: its clients need not be told
            assert owner.execute("SELECT number FROM kept").fetchone() == (7,)
        assert postmaster_of(tmp_path / "data") != postmaster


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of ``server``."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[EmbeddedPostgres]:
    """Give a running one to look at."""
    with EmbeddedPostgres(home, durable=False) as started:
        yield started


def test_it_makes_the_roles_of_production_and_nobody_may_do_more(server: EmbeddedPostgres) -> None:
    query = """
        SELECT rolname, rolsuper, rolcanlogin, rolcreaterole FROM pg_roles
        WHERE rolname ~ '^wharfinger' ORDER BY 1
    """
    with connect(server.app_url) as login:
        assert login.execute(query).fetchall() == [
            (APP, False, False, False),
            (LOGIN, False, True, False),
            (OWNER, False, True, True),
        ]
        assert login.execute("SELECT pg_has_role(%s, 'MEMBER')", [APP]).fetchone() == (True,)
        assert login.execute("SELECT current_database()").fetchone() == (DATABASE,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            login.execute("CREATE TABLE mine ()")


def test_it_can_be_reached_on_loopback_with_the_right_password_only(
    server: EmbeddedPostgres, home: Path
) -> None:
    with connect(server.url(SUPERUSER, DATABASE)) as superuser:
        assert superuser.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert superuser.execute("SHOW unix_socket_directories").fetchone() == ("",)
    for url in (server.app_url.replace("@", "x@"), server.url(OWNER, DATABASE).replace(OWNER, LOGIN)):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(url)
    assert stat.S_IMODE((home / "secret").stat().st_mode) == 0o600


def test_it_does_not_lose_anything_by_default(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server, connect(server.app_url) as login:
        assert login.execute("SHOW fsync").fetchone() == ("on",)
        assert login.execute("SHOW synchronous_commit").fetchone() == ("on",)


@pytest.mark.usefixtures("server")
def test_a_second_one_in_the_same_folder_is_refused_with_the_first_ones_process(home: Path) -> None:
    with pytest.raises(StartFailed, match=f"in use by process {os.getpid()}"):
        EmbeddedPostgres(home, durable=False).start()


def test_data_of_another_version_is_refused_and_kept(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=False):
        pass
    version = tmp_path / "cluster" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(StartFailed, match="made by PostgreSQL 17, and this is 18"):
        EmbeddedPostgres(tmp_path).start()
    assert version.exists()


@pytest.mark.parametrize("pid", [1, 2**22 - 1], ids=["somebody else's", "of nobody"])
def test_a_status_file_that_nobody_keeps_does_not_matter(tmp_path: Path, pid: int) -> None:
    with EmbeddedPostgres(tmp_path, durable=False):
        status = (tmp_path / "cluster" / "postmaster.pid").read_text()
    (tmp_path / "cluster" / "postmaster.pid").write_text("\n".join([str(pid), *status.splitlines()[1:]]))
    with EmbeddedPostgres(tmp_path, durable=False) as server, connect(server.app_url) as login:
        assert login.execute("SELECT 1").fetchone() == (1,)


def test_what_a_killed_first_start_left_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "cluster.new").mkdir()
    (tmp_path / "cluster.new" / "PG_VERSION").write_text("18\n")
    (tmp_path / "password").write_text("old")
    with EmbeddedPostgres(tmp_path, durable=False) as server, connect(server.app_url) as login:
        assert login.execute("SELECT 1").fetchone() == (1,)
    assert {path.name for path in tmp_path.iterdir()} == {"cluster", "lock", "postgres.log", "secret"}


def test_it_ends_with_a_parent_that_is_killed_and_can_be_started_again_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        server = postmaster_of(tmp_path)
        parent.send_signal(signal.SIGKILL)
    with EmbeddedPostgres(tmp_path, durable=False) as again, connect(again.app_url) as login:
        assert login.execute("SELECT 1").fetchone() == (1,)
        wait_until_gone(server)
        last = postmaster_of(tmp_path)
    wait_until_gone(last)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=False):
        pass
    (tmp_path / "cluster" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(StartFailed, match=r"(?s)ended at once.*no_such_setting"):
        EmbeddedPostgres(tmp_path, durable=False).start()
