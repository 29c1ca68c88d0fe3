"""What one act sends to PostgreSQL: its statements for pgbench, and how often it waits for an answer."""

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event

from service.store.database import ALONE, GATHERING

LITERAL = re.compile(r"E?'(?:[^']|'')*'")
DIRECTION = re.compile(r"(?:[^\t]*\t)?([FB])\t")
"""Of a line of libpq's trace: to the server (F) or from it (B)."""
PREPARED_AFTER = 8
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
    _listen(engine, sent, drivers)
    for _ in range(PREPARED_AFTER):
        act()
    sent.clear()
    with tempfile.NamedTemporaryFile() as trace:
        for driver in drivers:
            driver.pgconn.trace(trace.fileno())
        act()
        for driver in drivers:
            driver.pgconn.untrace()
        lines = Path(trace.name).read_text(errors="replace").splitlines()
    ways = [way[1] for line in lines if (way := DIRECTION.match(line))]
    return Capture(tuple(sent), sum(way == "F" for way, _ in groupby(ways)))


def _listen(engine: Engine, sent: list[str], drivers: list[Any]) -> None:
    writer = psycopg.connect(engine.url.set(drivername="postgresql").render_as_string(False))
    inside = psycopg.ClientCursor(writer)

    def on_connect(connection: Any, _: Any) -> None:
        drivers.append(connection)

    def on_statement(_: Connection, __: Any, statement: str, values: Any, context: Any, ___: bool) -> None:
        gathering = context.execution_options[GATHERING]
        if gathering.begin_is_due and not context.execution_options.keys() & ALONE.keys():
            sent.append("BEGIN")
        sent.append(inside.mogrify(statement, values))

    def on_commit(_: Connection) -> None:
        if sent.count("BEGIN") > sent.count("COMMIT"):
            sent.append("COMMIT")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "before_cursor_execute", on_statement)
    event.listen(engine, "commit", on_commit)


def _without_variables(statement: str) -> str:
    """Hide what pgbench would take for variables: a colon and a letter within quotes."""
    return LITERAL.sub(lambda found: _escaped(found[0]), statement)


def _escaped(literal: str) -> str:
    if not COLON.search(literal):
        return literal
    assert "\\" not in literal, "a backslash would need another way"
    return "U&" + COLON.sub(lambda _: "\\003A", literal)
