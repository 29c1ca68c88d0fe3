"""The only reader of the environment: every setting of api and worker, with its default and its unit."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from environs import FileAwareEnv, ValidationError, validate

PROCESSES = min(64, len(os.sched_getaffinity(0)))
"""One a core: a request is mostly Python's work, and two that take turns on a core make both slower."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process is told from outside; NAME_FILE names a file that holds the value of NAME."""

    database_url: str | None
    migration_database_url: str | None
    kubeconfig: Path | None
    bind: str
    processes: int
    threads: int
    poll_seconds: float
    cooling_hours: float
    log_format: str
    namespace: str
    signing_key: str | None = field(repr=False)


def read_settings() -> Settings:
    """Return the settings that the environment names.

    Raises:
        environs.EnvError: a value is of the wrong kind; the message names the variable.
    """
    env = FileAwareEnv()
    with env.prefixed("WHARFINGER_"):
        return Settings(
            database_url=_with_driver(env.str("DATABASE_URL", None, validate=_check_url)),
            migration_database_url=_with_driver(env.str("MIGRATION_DATABASE_URL", None, validate=_check_url)),
            kubeconfig=env.path("KUBECONFIG", None),
            bind=env.str("BIND", "127.0.0.1:8080"),
            processes=env.int("PROCESSES", PROCESSES, validate=validate.Range(1, 64)),
            threads=env.int("THREADS", 4, validate=validate.Range(1, 64)),
            poll_seconds=env.float("POLL_SECONDS", 1.0, validate=validate.Range(0.05, 60)),
            cooling_hours=env.float("COOLING_HOURS", 24.0, validate=validate.Range(0, 24 * 90)),
            log_format=env.str("LOG_FORMAT", "text", validate=validate.OneOf(["text", "json"])),
            namespace=env.str("NAMESPACE", "wharfinger"),
            signing_key=env.str("SIGNING_KEY", None),
        )


def _check_url(url: str) -> None:
    """Refuse what is no URL of PostgreSQL; the text does not repeat it, for it may hold a password.

    Raises:
        ValidationError: with what is expected; environs adds the variable's name.
    """
    scheme, _, rest = url.partition("://")
    try:
        good = bool(rest) and urlsplit(url).port != 0
    except ValueError:  # the port is no number
        good = False
    if not good or scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise ValidationError("it has to look like postgresql://USER:PASSWORD@HOST:PORT/DATABASE")


def _with_driver(url: str | None) -> str | None:
    """Return the URL with the one driver that is used (psycopg 3)."""
    return None if url is None else f"postgresql+psycopg://{url.partition('://')[2]}"
