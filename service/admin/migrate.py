"""Bring the schema to a migration, up or down, and say whether it is where this release wants it.

One job migrates, as the database's owner; api and worker only look (``schema_state``). Each migration is a
transaction of its own, so what fails leaves the ones before it done and itself undone.
"""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.domain.errors import Conflict, NotFound, Unavailable
from service.store.schema import WAIT_SECONDS, migrating, recorded_revision

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "migrations", PACKAGE.parent / "migrations")
"""In the wheel they stand in the package, in a checkout beside it."""

BASE, HEAD = "base", "head"
RUN_MIGRATE = "run `wharfinger migrate`"


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def migrate(
    url: str,
    target: str = HEAD,
    say: Callable[[str], None] = _tell,
    wait_seconds: float = WAIT_SECONDS,
) -> str:
    """Bring the schema to a migration; return its revision, ``base`` for none.

    Args:
        url: the owner's.
        target: ``head``, ``base``, or a revision, above or below the present one.
        say: is told what is waited for and what is done.

    Raises:
        NotFound: there is no such revision.
        Conflict: the database is at a revision that this release does not know.
        Busy, Unavailable: see ``migrating``.
    """
    order = revisions()
    wanted = order[-1] if target == HEAD else target
    if wanted not in (BASE, *order):
        raise NotFound(f"There is no migration {target!r}; there are {', '.join(order)}, base and head.")
    steps = [BASE, *order]
    with migrating(url, say, wait_seconds) as connection:
        present = _present(connection)
        if present not in steps:
            raise Conflict(_ahead(present))
        run = command.upgrade if steps.index(wanted) >= steps.index(present) else command.downgrade
        config = _config()
        config.attributes["connection"] = connection
        run(config, wanted)
    say(
        f"The schema is at {wanted} already."
        if wanted == present
        else f"The schema went from {present} to {wanted}."
    )
    return wanted


def schema_state(engine: Engine) -> str | None:
    """Return what is wrong with the schema for this release, None when nothing is: /readyz and worker ask."""
    try:
        present = recorded_revision(engine)
    except Unavailable as error:
        return str(error)
    except PoolTimeout:
        return "all database connections are in use"
    order = revisions()
    if present is None:
        return f"no schema: {RUN_MIGRATE}"
    if present == order[-1]:
        return None
    if present in order:
        return f"behind: the schema is at {present}, this release needs {order[-1]}: {RUN_MIGRATE}"
    return f"ahead: {_ahead(present)}"


def _ahead(present: str) -> str:
    return (
        f"the schema is at {present}, which this release does not know (its newest is {revisions()[-1]}): "
        "a newer release was here; use that one"
    )


def _present(connection: Connection) -> str:
    """Return the revision under the lock, and leave no transaction open: Alembic opens its own."""
    table = connection.scalar(text("SELECT to_regclass('alembic_version')::text"))
    found = connection.scalar(text("SELECT version_num FROM alembic_version")) if table else None
    connection.commit()
    return found or BASE


def _config() -> Config:
    place = next((place for place in PLACES if (place / "env.py").is_file()), None)
    if place is None:
        raise FileNotFoundError(f"The migrations are missing: neither {PLACES[0]} nor {PLACES[1]} is there.")
    config = Config()
    config.set_main_option("script_location", str(place).replace("%", "%%"))
    return config


@cache
def revisions() -> tuple[str, ...]:
    """Return every revision of this release, oldest first: a line without branches."""
    scripts = ScriptDirectory.from_config(_config())
    return tuple(script.revision for script in reversed(list(scripts.walk_revisions())))
