"""What one act sends to PostgreSQL: its statements for pgbench, and how often it waits for an answer."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, event

LITERAL = re.compile(r"E?'(?:[^']|'')*'")
DIRECTION = re.compile(r"(?:[^\t]*\t)?([FB])\t")
"""Of a line of libpq's trace: to the server (F) or from it (B)."""
PREPARED_AFTER = 8
VARIABLE = re.compile(r"\$(\d+)")
COLON = re.compile(r":(?=\w)")


@dataclass(frozen=True, slots=True)
class Capture:
    """``statements`` with their values inside, BEGIN and COMMIT among them."""

    statements: tuple[str, ...]
    round_trips: int

    def script(self, expressions: Mapping[str, str]) -> str:
        """Return it for pgbench, some of its texts replaced by expressions."""
        text = ";\n".join(map(_without_variables, self.statements)) + ";\n"
        for old, new in expressions.items():
            if old not in text:
                raise ValueError(f"no statement has {old}")
            text = text.replace(old, new)
        return text


def capture(engine: Engine, act: Callable[[], None]) -> Capture:
    """Return what an act sends when it has been done some times, so that its statements are prepared."""
    sent: list[str] = []
    drivers: list[Any] = []
    engine.dispose()  # connections made before would not be listened to
    with _listening(engine, sent, drivers), tempfile.NamedTemporaryFile() as trace:
        for _ in range(PREPARED_AFTER):
            act()
        sent.clear()
        for driver in drivers:
            driver.pgconn.trace(trace.fileno())
        act()
        for driver in drivers:
            driver.pgconn.untrace()
        lines = Path(trace.name).read_text(errors="replace").splitlines()
    ways = [way[1] for line in lines if (way := DIRECTION.match(line))]
    return Capture(tuple(sent), sum(way == "F" for way, _ in groupby(ways)))


@contextmanager
def _listening(engine: Engine, sent: list[str], drivers: list[Any]) -> Iterator[None]:
    """Note each statement that is sent meanwhile, by SQLAlchemy or by the driver, with its values inside."""
    writer = psycopg.connect(engine.url.set(drivername="postgresql").render_as_string(False))
    inside = psycopg.ClientCursor(writer)
    raw: Any = psycopg.RawCursor

    class Noting(raw):  # type: ignore[misc]
        def execute(self, statement: str, values: Any = (), **options: Any) -> Any:
            sent.append(VARIABLE.sub(lambda found: _literal(values[int(found[1]) - 1], writer), statement))
            return super().execute(statement, values, **options)

    def on_connect(connection: Any, _: Any) -> None:
        drivers.append(connection)

    def on_statement(_: Connection, __: Any, statement: str, values: Any, *___: Any) -> None:
        sent.append(inside.mogrify(statement, values))

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "before_cursor_execute", on_statement)
    psycopg.RawCursor = Noting  # type: ignore[misc]
    try:
        yield
    finally:
        psycopg.RawCursor = raw  # type: ignore[misc]
        writer.close()


def _literal(value: Any, writer: Any) -> str:
    return sql.Literal(value).as_string(writer)


def _without_variables(statement: str) -> str:
    """Hide what pgbench would take for variables: a colon and a letter within quotes."""
    return LITERAL.sub(lambda found: _escaped(found[0]), statement)


def _escaped(literal: str) -> str:
    if not COLON.search(literal):
        return literal
    assert "\\" not in literal, "a backslash would need another way"
    return "U&" + COLON.sub(lambda _: "\\003A", literal)
