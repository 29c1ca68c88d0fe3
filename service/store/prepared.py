"""Statements that every request sends: written by SQLAlchemy once, then sent by the driver itself.

An execution by SQLAlchemy costs several times what the driver needs for it: a context, a result of its own, a
look at each type. Here a statement's text, the order of its parameters and what turns them into what the
driver takes are found once, the server plans it once for each connection, and rows are named tuples. It is
sent in the same transaction as all else, at once or with the next one whose answer somebody reads.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import Session

from service.store.database import gathering_of

DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class Prepared:
    """One statement. Its facts are by name; those that it was written with need not be told."""

    def __init__(self, statement: Executable) -> None:
        compiled: Any = statement.compile(dialect=DIALECT)  # type: ignore[attr-defined]
        self.text: str = compiled.string
        self._written = {
            name: value for name, value in compiled.params.items() if not compiled.binds[name].required
        }
        self._parameters = [(name, _writer(compiled.binds[name])) for name in compiled.positiontup or ()]
        self._row: Any = None

    def rows(self, session: Session, facts: Mapping[str, Any]) -> list[Any]:
        """Send it with all that was kept back, and return its rows."""
        return self._named(gathering_of(session).run(self.text, self._values(facts)))

    def first(self, session: Session, facts: Mapping[str, Any], *, is_alone: bool = False) -> Any:
        """Send it, and return its first row, None without one.

        Args:
            is_alone: it needs no transaction around it; without others there is none.
        """
        cursor = gathering_of(session).run(self.text, self._values(facts), is_alone=is_alone)
        return next(iter(self._named(cursor)), None)

    def ask(self, session: Session, facts: Mapping[str, Any]) -> Callable[[], list[Any]]:
        """Keep it back; return what sends it, unless that is done, and returns its rows.

        Once it was sent its rows are here, and may be asked for after the transaction too.
        """
        gathering = gathering_of(session)
        cursor = gathering.keep_back(self.text, self._values(facts))

        def rows() -> list[Any]:
            gathering.send()
            return self._named(cursor)

        return rows

    def later(
        self, session: Session, facts: Mapping[str, Any], if_none: Callable[[], Exception] | None = None
    ) -> None:
        """Keep it back: its answer, or its error, comes with what is sent next.

        Raises (then):
            what ``if_none`` returns: it had no row.
        """
        gathering = gathering_of(session)
        cursor = gathering.keep_back(self.text, self._values(facts))
        if if_none is not None:
            refusal = if_none

            def check() -> None:
                if cursor.fetchone() is None:
                    raise refusal()

            gathering.check(check)

    def _values(self, facts: Mapping[str, Any]) -> list[Any]:
        written = self._written
        return [
            value if write is None else write(value)
            for name, write in self._parameters
            for value in (facts[name] if name in facts else written[name],)
        ]

    def _named(self, cursor: Any) -> list[Any]:
        """Return a cursor's rows as tuples that have the names of its columns."""
        if self._row is None:
            self._row = _tuple_of([column.name for column in cursor.description])
        return list(map(self._row._make, cursor.fetchall()))


def _tuple_of(columns: Sequence[str]) -> Any:
    return namedtuple("Row", columns)


def _writer(parameter: Any) -> Callable[[Any], Any] | None:
    """Return what turns a parameter into what the driver takes, None: it is so already."""
    found: Callable[[Any], Any] | None = parameter.type.dialect_impl(DIALECT).bind_processor(DIALECT)
    return found
