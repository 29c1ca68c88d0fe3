"""Bring the schema to a migration, up or down.

One job migrates, as the database's owner; api and worker only look (``schema_state``). Each migration is a
transaction of its own, so what fails leaves the ones before it done and itself undone.
"""

import sys
from collections.abc import Callable

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from service.admin.schema_state import ahead, place, revisions
from service.domain.errors import Conflict, NotFound
from service.store.schema import WAIT_SECONDS, migrating

BASE, HEAD = "base", "head"


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
            raise Conflict(ahead(present))
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


def _present(connection: Connection) -> str:
    """Return the revision under the lock, and leave no transaction open: Alembic opens its own."""
    table = connection.scalar(text("SELECT to_regclass('alembic_version')::text"))
    found = connection.scalar(text("SELECT version_num FROM alembic_version")) if table else None
    connection.commit()
    return found or BASE


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(place()).replace("%", "%%"))
    return config
