"""Settings come from the environment; what is wrong is said with the variable's name and never its value."""

import os

import pytest
from environs import EnvError

from service.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WHARFINGER_")]:
        monkeypatch.delenv(name)


def read_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"WHARFINGER_{name}", value)
    return read_settings()


@pytest.mark.parametrize("name", ["DATABASE_URL", "MIGRATION_DATABASE_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:secret@db/wharfinger",
        "sqlite:///secret",
        "db.example:5432/secret",
        "postgresql:secret",
        "postgresql://",
        "postgresql://me:secret@db:port/wharfinger",
        "postgresql://me:secret@db:99999/wharfinger",
        "secret",
        "",
    ],
)
def test_a_bad_database_url_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    with pytest.raises(
        EnvError, match=f'"WHARFINGER_{name}" invalid: .*postgresql://USER:PASSWORD'
    ) as caught:
        read_with(monkeypatch, **{name: url})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_the_one_driver_is_used_whatever_the_url_names(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    settings = read_with(monkeypatch, DATABASE_URL=f"{scheme}://me:p%40ss@db:5432/wharfinger?sslmode=require")
    assert settings.database_url == "postgresql+psycopg://me:p%40ss@db:5432/wharfinger?sslmode=require"


def test_a_file_may_hold_the_url(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "url").write_text("postgresql://db/wharfinger")
    settings = read_with(monkeypatch, DATABASE_URL_FILE=str(tmp_path / "url"))
    assert settings.database_url == "postgresql+psycopg://db/wharfinger"


def test_a_released_port_cools_for_a_day_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().cooling_hours == 24
    assert read_with(monkeypatch, COOLING_HOURS="0.5").cooling_hours == 0.5


def test_nothing_has_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_with(monkeypatch)
    assert settings.database_url is None
    assert settings.processes == min(64, len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROCESSES", "0"),
        ("THREADS", "many"),
        ("POLL_SECONDS", "0"),
        ("COOLING_HOURS", "-1"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_value_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(EnvError, match=f"WHARFINGER_{name}"):
        read_with(monkeypatch, **{name: value})
