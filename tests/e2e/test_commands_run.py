"""The commands of docker-compose.yml as processes: how they start, what they say if not, how they end."""

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3
from sqlalchemy import create_engine

from devcluster import ControlPlane
from devcluster.ports import free_ports
from tests.architecture import compose
from tests.e2e.gated import Attempt, Gated
from tests.e2e.parts import Part, environment, readiness, run_command, wait_until
from tests.e2e.postgres_gate import commit_of
from tests.e2e.world import wait_for_look
from tests.postgres import Database

STOP_SECONDS = 10.0
PASSWORDS = dict.fromkeys(
    ("POSTGRES_PASSWORD", "WHARFINGER_OWNER_PASSWORD", "WHARFINGER_LOGIN_PASSWORD", "WORKER_KUBECONFIG"), "x"
)


@contextmanager
def as_in_compose(name: str, log: Path, **places: str) -> Iterator[Part]:
    """Run one command as docker-compose.yml has it, but for where things are.

    Which modules each process loads is written into its log.
    """
    settings = compose.environment(name, **PASSWORDS)
    program, *words = compose.commands()[name]
    for setting, place in places.items():
        assert setting in settings, f"{name} has no {setting} in docker-compose.yml"
        settings[setting] = place
    command = [str(Path(sys.executable).with_name(program)), *words]
    part = Part(name, log, environment() | settings | {"PYTHONPROFILEIMPORTTIME": "1"}, command)
    try:
        yield part
    finally:
        part.kill()


def loaded(log: Path) -> set[str]:
    """Return the packages whose import a log tells of."""
    lines = (line.rpartition("|")[2] for line in log.read_text().splitlines() if "import time:" in line)
    return {name.strip().partition(".")[0] for name in lines}


def told_by(log: Path) -> list[str]:
    """Return what a process said itself."""
    return [line for line in log.read_text().splitlines() if "import time:" not in line]


def terminate(part: Part) -> int:
    """Send SIGTERM; return the exit code."""
    part.signal(signal.SIGTERM)
    return part.wait_for_exit(STOP_SECONDS)


def test_the_commands_of_docker_compose_start_work_and_end(
    control_plane: ControlPlane, bare_database: Database, tmp_path: Path
):
    port = free_ports(1, apart_from=control_plane.node_port_range)[0]
    url, address = f"http://127.0.0.1:{port}", f"127.0.0.1:{port}"
    api_log, worker_log = tmp_path / "api.log", tmp_path / "worker.log"
    with as_in_compose(
        "api", api_log, WHARFINGER_DATABASE_URL=bare_database.url, WHARFINGER_BIND=address
    ) as api:
        wait_until(lambda: readiness(url) == 503, "without a schema it is not ready")
        told = urllib3.request("GET", f"{url}/readyz?verbose", retries=False).data.decode()
        assert "wharfinger migrate" in told
        owner = bare_database.owner_url
        with as_in_compose(
            "migrate", tmp_path / "migrate.log", WHARFINGER_MIGRATION_DATABASE_URL=owner
        ) as job:
            assert job.wait_for_exit() == 0, job.tail()
        wait_until(lambda: readiness(url) == 200, "with the schema it is")
        added = run_command("cluster", "add", "dev", DATABASE_URL=bare_database.url)
        assert added.returncode == 0, added.stderr
        kubeconfig = str(control_plane.kubeconfig("worker"))
        with as_in_compose(
            "worker",
            worker_log,
            WHARFINGER_DATABASE_URL=bare_database.url,
            WHARFINGER_KUBECONFIG=kubeconfig,
        ) as worker:
            wait_for_look(worker, bare_database, datetime.now(UTC))
            assert terminate(worker) == 0, worker.tail()
        assert terminate(api) == 0, api.tail()
        assert readiness(url) is None
    for log in (api_log, worker_log):
        assert [line for line in told_by(log) if not line.startswith("{")] == [], (
            "JSON, the server's lines too"
        )
    assert "flask" in loaded(api_log)
    assert "kubernetes" not in loaded(api_log)
    assert "kubernetes" in loaded(worker_log)
    assert "flask" not in loaded(worker_log)


def test_an_api_that_is_told_to_end_answers_what_it_has_begun(gated: Gated):
    world = gated.world
    hold = commit_of("INSERT INTO exposure ", gate=gated.api_gate)
    attempt = Attempt(lambda: world.submit(world.request("begun")))
    hold.wait()
    world.api.signal(signal.SIGTERM)
    wait_until(lambda: "Handling signal: term" in world.api.tail(), "gunicorn has heard it")

    hold.release()

    assert attempt.answered().status == 201
    assert world.api.wait_for_exit(STOP_SECONDS) == 0


def test_a_worker_that_is_told_to_end_writes_down_what_it_has_done(gated: Gated):
    world = gated.world
    exposure = world.submit(world.request("done")).body
    hold = gated.cluster_gate.hold(lambda call: call.is_for("POST", world.namespaces["team-a"]), "after")
    assert world.review(exposure).status == 201
    hold.wait()
    world.worker.signal(signal.SIGTERM)

    hold.release()

    assert world.worker.wait_for_exit(STOP_SECONDS) == 0
    assert world.read(exposure)["status"]["live"] is not None


def refused(*arguments: str, **settings: str | None) -> str:
    """Run a command that cannot work; return the one line that it says."""
    done = run_command(*arguments, **settings)
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    *usage, line = done.stderr.strip().splitlines()
    assert all(said.startswith(("Usage:", "Try ")) or not said for said in usage), done.stderr
    return line


NOBODY = "postgresql://u:secret@127.0.0.1:1/d"
BAD_SETTINGS: Mapping[str, tuple[str, dict[str, str], str]] = {
    "api, no database named": ("api", {}, "Set WHARFINGER_DATABASE_URL="),
    "worker, no database named": ("worker", {}, "Set WHARFINGER_DATABASE_URL="),
    "migrate, no database named": ("migrate", {}, "WHARFINGER_MIGRATION_DATABASE_URL"),
    "api, another database": ("api", {"DATABASE_URL": "mysql://u:secret@h/d"}, "WHARFINGER_DATABASE_URL"),
    "worker, no answer": ("worker", {"DATABASE_URL": NOBODY}, "does not answer"),
    "migrate, no answer": ("migrate", {"MIGRATION_DATABASE_URL": NOBODY}, "does not answer"),
    "api, no number": ("api", {"DATABASE_URL": NOBODY, "THREADS": "many"}, "WHARFINGER_THREADS"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_a_command_that_cannot_start_says_why_in_one_line(case: str):
    command, settings, expected = BAD_SETTINGS[case]

    line = refused(command, **settings)

    assert expected in line
    assert "secret" not in line


def test_a_worker_without_its_schema_says_what_to_run(bare_database: Database):
    assert "run `wharfinger migrate`" in refused("worker", DATABASE_URL=bare_database.url)


def test_a_worker_refuses_the_schema_of_a_newer_release(own_database: Database):
    owner = create_engine(own_database.owner_url)
    with owner.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    owner.dispose()

    assert "9999, which this release does not know" in refused("worker", DATABASE_URL=own_database.url)
