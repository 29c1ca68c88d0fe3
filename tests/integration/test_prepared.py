"""Statements that the driver sends itself: with the next answer, in order, and in the same transaction."""

import re
import time
from itertools import groupby
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Integer, Text, bindparam, func, insert, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import now as transaction_begun

from service.domain.exposure import Metadata
from service.domain.spec import Spec
from service.store import tables as t
from service.store.database import gathering_of
from service.store.prepared import Prepared
from service.workflow.act import Act
from service.workflow.submit import submit_exposure
from tests.integration.api_world import PEOPLE, World, a_request, assert_problem, named
from tests.postgres import Database

ADD = Prepared(insert(t.team).values(name=bindparam("name"), created_at=func.now()).returning(t.team.c.name))
NAMES = Prepared(select(t.team.c.name).order_by(t.team.c.name))
NAMED = Prepared(select(t.team.c.name).where(t.team.c.name == bindparam("wanted")))
BEGUN = Prepared(select(transaction_begun().label("at")))
ADDED_BY_NAME = text("SELECT name FROM team ORDER BY name")
DIRECTION = re.compile(r"(?:[^\t]*\t)?([FB])\t")
"""Of a line of libpq's trace: to the server (F) or from it (B)."""


class Absent(Exception):
    """What a test raises when a statement had no row."""


def names(database: Database) -> list[str]:
    """Return the teams that are committed."""
    with database.transaction() as session:
        return list(session.scalars(ADDED_BY_NAME))


def add(session: Session, name: str) -> None:
    """Keep a new team back."""
    ADD.later(session, {"name": name})


def want_nobody(session: Session) -> None:
    """Keep back what has no row, and says so."""
    NAMED.later(session, {"wanted": "nobody"}, if_none=Absent)


def round_trips(session: Session, trace: Path) -> Any:
    """Return what counts how often the transaction has waited for the server since."""
    file, driver = trace.open("w"), gathering_of(session).driver
    driver.pgconn.trace(file.fileno())

    def count() -> int:
        driver.pgconn.untrace()
        file.close()
        lines = trace.read_text(errors="replace").splitlines()
        ways = [way[1] for line in lines if (way := DIRECTION.match(line))]
        return sum(way == "F" for way, _ in groupby(ways))

    return count


def test_rows_have_the_names_of_their_columns(database: Database) -> None:
    with database.transaction() as session:
        add(session, "team-a")
        [row] = Prepared(select(t.team.c.name, t.team.c.name.label("also"))).rows(session, {})
    assert (row.name, row.also) == ("team-a", "team-a")


def test_a_value_that_the_statement_was_written_with_need_not_be_told(database: Database) -> None:
    said = Prepared(
        select(literal("mine", Text).label("own"), bindparam("told", type_=Integer).label("told"))
    )
    with database.transaction() as session:
        [row] = said.rows(session, {"told": 7})
    assert row == ("mine", 7)


def test_a_fact_that_is_missing_is_an_error_before_anything_is_sent(database: Database) -> None:
    unknown = Prepared(select(t.team.c.name).where(t.team.c.name == bindparam("wanted")))
    with database.transaction() as session:
        with pytest.raises(KeyError, match="wanted"):
            unknown.later(session, {"name": "team-a"})
        add(session, "team-a")
    assert names(database) == ["team-a"]


@pytest.mark.parametrize("value", [{"a": [1, None]}, [], None])
def test_a_value_is_written_as_its_column_wants_it(database: Database, value: Any) -> None:
    echo = Prepared(select(bindparam("value", type_=JSONB(none_as_null=True)).label("value")))
    with database.transaction() as session:
        assert echo.first(session, {"value": value}).value == value


def test_first_is_the_first_row_or_none(database: Database) -> None:
    with database.transaction() as session:
        for name in ("team-b", "team-a"):
            add(session, name)
        assert NAMES.first(session, {}).name == "team-a"
        assert NAMED.first(session, {"wanted": "nobody"}) is None


def test_what_is_alone_opens_no_transaction(database: Database) -> None:
    with database.transaction() as session:
        moments = {BEGUN.first(session, {}, is_alone=True).at for _ in range(3)}
    assert len(moments) == 3


def test_all_else_is_in_one_transaction_with_what_sqlalchemy_sends(database: Database) -> None:
    with database.transaction() as session:
        moments = {
            BEGUN.first(session, {}).at,
            session.scalar(text("SELECT now()")),
            BEGUN.first(session, {}).at,
        }
    assert len(moments) == 1


def test_what_is_kept_back_comes_before_what_is_sent_next_whoever_sends_it(database: Database) -> None:
    with database.transaction() as session:
        add(session, "team-a")
        assert [row.name for row in NAMES.rows(session, {})] == ["team-a"]
        add(session, "team-b")
        assert list(session.scalars(ADDED_BY_NAME)) == ["team-a", "team-b"]


def test_what_is_kept_back_at_the_end_is_committed(database: Database) -> None:
    with database.transaction() as session:
        add(session, "team-a")
    assert names(database) == ["team-a"]


def test_what_is_kept_back_is_gone_after_an_error_of_the_caller(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as session:
            add(session, "team-a")
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        fail()
    assert names(database) == []


def test_whatever_is_kept_back_takes_one_round_trip(database: Database, tmp_path: Path) -> None:
    with database.transaction() as session:
        for name in ("team-a", "team-b"):  # prepared, so that only the statements themselves are sent
            add(session, name)
        NAMES.rows(session, {})
        NAMED.rows(session, {"wanted": "team-a"})
        counted = round_trips(session, tmp_path / "trace")
        add(session, "team-c")
        first, second = NAMED.ask(session, {"wanted": "team-b"}), NAMED.ask(session, {"wanted": "team-c"})
        add(session, "team-d")
        found = NAMES.rows(session, {}), first(), second()
        trips = counted()
    assert [[row.name for row in rows] for rows in found] == [
        ["team-a", "team-b", "team-c", "team-d"],
        ["team-b"],
        ["team-c"],
    ]
    assert trips == 1


def test_an_answer_that_was_asked_for_is_as_of_when_it_was_asked(database: Database) -> None:
    with database.transaction() as session:
        before = NAMES.ask(session, {})
        add(session, "team-a")
        after = NAMES.ask(session, {})
        assert [row.name for row in after()] == ["team-a"]
        assert before() == []


def test_a_row_that_is_lacking_is_told_before_the_next_answer(database: Database) -> None:
    seen: list[Any] = []

    def act() -> None:
        with database.transaction() as session:
            add(session, "team-a")
            want_nobody(session)
            seen.extend(NAMES.rows(session, {}))

    with pytest.raises(Absent):
        act()
    assert (seen, names(database)) == ([], [])


def test_a_row_that_is_lacking_is_told_at_the_commit_which_is_none_then(database: Database) -> None:
    def act() -> None:
        with database.transaction() as session:
            add(session, "team-a")
            want_nobody(session)

    with pytest.raises(Absent):
        act()
    assert names(database) == []


def test_what_tells_why_a_row_is_lacking_may_ask_the_database(database: Database) -> None:
    def act() -> None:
        with database.transaction() as session:
            add(session, "team-a")
            NAMED.later(session, {"wanted": "nobody"}, lambda: Absent(NAMES.rows(session, {})))
            NAMES.rows(session, {})

    with pytest.raises(Absent, match="team-a"):
        act()


def test_what_went_before_a_savepoint_outlives_it(database: Database) -> None:
    with database.transaction() as session:
        add(session, "team-a")
        with session.begin_nested() as attempt:
            add(session, "team-b")
            attempt.rollback()
        add(session, "team-c")
    assert names(database) == ["team-a", "team-c"]


def test_a_savepoint_keeps_what_was_kept_back_in_it(database: Database) -> None:
    with database.transaction() as session:
        with session.begin_nested():
            add(session, "team-a")
        with session.begin_nested() as attempt:
            add(session, "team-b")
            attempt.rollback()
    assert names(database) == ["team-a"]


def test_statements_are_still_prepared_after_a_savepoint_was_taken_back(database: Database) -> None:
    with database.transaction() as session:
        NAMES.rows(session, {})
        with session.begin_nested() as attempt:
            add(session, "team-a")
            attempt.rollback()
        assert [NAMES.rows(session, {}) for _ in range(2)] == [[], []]


def test_a_row_that_is_lacking_in_a_savepoint_ends_that_alone(database: Database) -> None:
    def attempt(session: Session) -> None:
        with session.begin_nested():
            add(session, "team-b")
            want_nobody(session)

    with database.transaction() as session:
        add(session, "team-a")
        with pytest.raises(Absent):
            attempt(session)
        add(session, "team-c")
    assert names(database) == ["team-a", "team-c"]


def until_somebody_waits(database: Database) -> None:
    """Return once a transaction waits for another one's lock."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with database.transaction() as session:
            if session.scalar(waiting):
                return
        time.sleep(0.01)
    raise AssertionError("Nobody waits.")


@pytest.fixture
def world(database: Database, clock) -> World:
    """Give the api with an exposure whose name is ``hello``."""
    made = World(database.transaction, clock)
    made.ann.submit()
    return made


@pytest.mark.parametrize(
    "ports",
    [
        pytest.param([{"port": 80, "node_port": 30007}], id="a-number-that-is-taken-too"),
        pytest.param([{"port": 80, "name": "a"}, {"port": 81, "name": "b"}], id="several-in-a-savepoint"),
        pytest.param([{"port": 80, "node_port": 30010}], id="a-free-number"),
    ],
)
def test_a_taken_name_is_told_whatever_is_asked_of_the_ports_and_holds_none(
    world: World, ports: list[dict[str, Any]]
) -> None:
    before = world.rows()
    assert_problem(world.ann.post("/v1/exposures", a_request(ports=ports)), 409, "name-taken")
    assert world.rows() == before


def test_a_taken_name_is_told_where_no_port_is_needed(world: World) -> None:
    before = world.rows()
    body = a_request(type="ClusterIP", ports=[{"port": 80}], lifetime=...)
    assert_problem(world.ann.post("/v1/exposures", body), 409, "name-taken")
    assert world.rows() == before


def test_a_name_that_is_taken_meanwhile_is_told_with_who_has_it(database: Database, clock) -> None:
    world, answers, first = World(database.transaction, clock), list[Any](), UUID(int=1)
    spec = Spec.from_document(named("same")["spec"] | {"lifetime": 3600})
    asking = Thread(target=lambda: answers.append(world.ann.post("/v1/exposures", named("same"))))
    with database.transaction() as session:
        act = Act(PEOPLE["ann"], clock(), "r-1")
        submit_exposure(session, Metadata("dev", "team-a", "same", "team-a"), spec, act, world.judge, first)
        asking.start()
        until_somebody_waits(database)
    asking.join()
    assert assert_problem(answers[0], 409, "name-taken")["exposure_id"] == str(first)
