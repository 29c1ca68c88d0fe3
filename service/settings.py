"""The only reader of the environment. Every setting of api and worker stands here, with its default and its unit."""

from dataclasses import dataclass
from pathlib import Path

from environs import FileAwareEnv, ValidationError, validate


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process is told from outside; a name with ``_FILE`` appended names a file that holds the value."""

    database_url: str | None
    migration_database_url: str | None
    kubeconfig: Path | None
    kubectl: str | None
    bind: str
    processes: int
    threads: int
    poll_seconds: float
    cooling_hours: float
    log_format: str


def read_settings() -> Settings:
    """Return the settings that the environment names.

    Raises:
        environs.EnvError: a value is of the wrong kind; the message names the variable.
    """
    env = FileAwareEnv()
    with env.prefixed("WHARFINGER_"):
        return Settings(
            database_url=_url(env.str("DATABASE_URL", None)),
            migration_database_url=_url(env.str("MIGRATION_DATABASE_URL", None)),
            kubeconfig=env.path("KUBECONFIG", None),
            kubectl=env.str("KUBECTL", None),
            bind=env.str("BIND", "127.0.0.1:8080"),
            processes=env.int("PROCESSES", 2, validate=validate.Range(1, 64)),
            threads=env.int("THREADS", 4, validate=validate.Range(1, 64)),
            poll_seconds=env.float("POLL_SECONDS", 1.0, validate=validate.Range(0.05, 60)),
            cooling_hours=env.float("COOLING_HOURS", 24.0, validate=validate.Range(0, 24 * 90)),
            log_format=env.str("LOG_FORMAT", "text", validate=validate.OneOf(["text", "json"])),
        )


def _url(url: str | None) -> str | None:
    """Return the URL with the one driver that is used (psycopg 3)."""
    if url is None:
        return None
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise ValidationError("a database URL begins with postgresql://; nothing else is supported")
    return f"postgresql+psycopg://{rest}"
