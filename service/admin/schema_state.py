"""Whether the schema is where this release wants it: what api and worker ask when they start.

Without Alembic, which takes a quarter of a second to load: a migration's file begins with its revision.
"""

from functools import cache
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.domain.errors import Unavailable
from service.store.schema import recorded_revision

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "migrations", PACKAGE.parent / "migrations")
"""In the wheel they stand in the package, in a checkout beside it."""

RUN_MIGRATE = "run `wharfinger migrate`"


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
    return f"ahead: {ahead(present)}"


def ahead(present: str) -> str:
    """Return what is said of a revision that only a newer release knows."""
    return (
        f"the schema is at {present}, which this release does not know (its newest is {revisions()[-1]}): "
        "a newer release was here; use that one"
    )


def place() -> Path:
    """Return the folder of the migrations."""
    found = next((place for place in PLACES if (place / "env.py").is_file()), None)
    if found is None:
        raise FileNotFoundError(f"The migrations are missing: neither {PLACES[0]} nor {PLACES[1]} is there.")
    return found


@cache
def revisions() -> tuple[str, ...]:
    """Return every revision of this release, oldest first: a line without branches."""
    return tuple(sorted(file.name.partition("_")[0] for file in (place() / "versions").glob("[0-9]*_*.py")))
