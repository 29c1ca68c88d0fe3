"""Statements that are kept back: when they are sent, what they answer, and when an error of theirs comes."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from psycopg.errors import UniqueViolation
from sqlalchemy import Integer, Text, bindparam, column, insert, literal, select, text, values
from sqlalchemy.orm import Session

from service.store import tables as t
from service.store.prepared import Prepared
from tests.integration.api_world import World, a_request, assert_problem
from tests.postgres import Database

NUMBERS = values(column("number", Integer), name="numbers").data([(1,), (2,), (3,)])
UP_TO = Prepared(select(NUMBERS.c.number).where(NUMBERS.c.number <= bindparam("last", type_=Integer)))
ECHO = Prepared(select(bindparam("said", type_=Text).label("said"), literal("as written", Text).label("own")))
ADD_TEAM = Prepared(
    insert(t.team).values(
        name=bindparam("team", type_=Text), created_at=bindparam("now", type_=t.team.c.created_at.type)
    )
)
"""A team is the simplest row there is, and has its name once."""
COUNT = Prepared(select(text("count(*) AS teams FROM team WHERE name LIKE 'kept-%'")))


class Missing(Exception):
    """A row that was to be there was not."""


def teams(session: Session) -> int:
    """Send what was kept back; return how many teams of these tests there are."""
    found: int = COUNT.first(session, {}).teams
    return found


def run(database: Database, *steps: Callable[[Session], object]) -> None:
    """Take these steps in one transaction."""
    with database.transaction() as session:
        for step in steps:
            step(session)


def add_team(session: Session) -> None:
    """Keep back the writing of a team, the same each time."""
    ADD_TEAM.later(session, {"team": "kept-a", "now": datetime(2030, 1, 1, tzinfo=UTC)})


def want_a_row(session: Session) -> None:
    """Keep back a look for a row that is not there."""
    UP_TO.later(session, {"last": 0}, if_none=Missing)


def fail(session: Session) -> None:
    """Fail as a request does."""
    raise Missing


def test_rows_have_the_names_of_their_columns(database: Database) -> None:
    with database.transaction() as session:
        assert [row.number for row in UP_TO.rows(session, {"last": 2})] == [1, 2]


def test_a_fact_may_be_told_or_be_the_one_that_was_written(database: Database) -> None:
    with database.transaction() as session:
        row = ECHO.first(session, {"said": "told"})
    assert (row.said, row.own) == ("told", "as written")


def test_a_fact_that_was_neither_told_nor_written_is_missed(database: Database) -> None:
    empty = Prepared(select(NUMBERS.c.number).where(NUMBERS.c.number == bindparam("wanted", required=True)))
    with database.transaction() as session, pytest.raises(KeyError, match="wanted"):
        empty.first(session, {})


@pytest.mark.parametrize(("last", "first"), [(3, 1), (0, None)])
def test_the_first_row_is_none_without_one(database: Database, last: int, first: int | None) -> None:
    with database.transaction() as session:
        found = UP_TO.first(session, {"last": last})
    assert (found and found.number) == first


def test_what_is_asked_ahead_is_answered_whatever_was_sent_meanwhile(database: Database) -> None:
    with database.transaction() as session:
        early, late = UP_TO.ask(session, {"last": 1}), UP_TO.ask(session, {"last": 3})
        between = UP_TO.rows(session, {"last": 2})
        assert [len(late()), len(between), len(early())] == [3, 2, 1]


def test_what_is_asked_alone_is_sent_when_its_rows_are_read(database: Database) -> None:
    with database.transaction() as session:
        assert [row.number for row in UP_TO.ask(session, {"last": 1})()] == [1]


def test_what_is_kept_back_is_written_before_the_next_answer(database: Database, clock) -> None:
    with database.transaction() as session:
        ADD_TEAM.later(session, {"team": "kept-a", "now": clock()})
        assert teams(session) == 1


def test_what_is_kept_back_is_written_before_a_statement_of_sqlalchemys(database: Database, clock) -> None:
    with database.transaction() as session:
        ADD_TEAM.later(session, {"team": "kept-a", "now": clock()})
        assert session.scalar(select(t.team.c.name).where(t.team.c.name == "kept-a")) == "kept-a"


def test_what_is_still_kept_back_at_the_end_is_committed(database: Database, clock) -> None:
    with database.transaction() as session:
        ADD_TEAM.later(session, {"team": "kept-a", "now": clock()})
    with database.transaction() as reader:
        assert teams(reader) == 1


def test_what_is_kept_back_is_gone_when_the_request_fails(database: Database) -> None:
    with pytest.raises(Missing):
        run(database, add_team, fail)
    with database.transaction() as reader:
        assert teams(reader) == 0


def test_an_error_of_what_was_kept_back_comes_with_the_next_answer(database: Database) -> None:
    with pytest.raises(UniqueViolation, match="team_pkey"):
        run(database, add_team, add_team, teams, fail)


def test_an_error_at_the_very_end_takes_everything_back(database: Database) -> None:
    with pytest.raises(UniqueViolation, match="team_pkey"):
        run(database, add_team, add_team)
    with database.transaction() as reader:
        assert teams(reader) == 0


def test_a_row_that_is_not_there_is_refused_before_a_later_answer_is_seen(database: Database) -> None:
    seen: list[int] = []
    with pytest.raises(Missing):
        run(database, want_a_row, lambda session: seen.append(teams(session)))
    assert seen == []


def test_a_row_that_is_not_there_is_refused_at_the_end_and_nothing_is_committed(
    database: Database,
) -> None:
    with pytest.raises(Missing):
        run(database, add_team, want_a_row)
    with database.transaction() as reader:
        assert teams(reader) == 0


def test_a_row_that_is_there_is_not_refused(database: Database) -> None:
    with database.transaction() as session:
        UP_TO.later(session, {"last": 1}, if_none=Missing)
        assert len(UP_TO.rows(session, {"last": 3})) == 3


def test_a_savepoint_takes_back_what_was_kept_back_within_it_and_nothing_before(
    database: Database, clock
) -> None:
    with database.transaction() as session:
        ADD_TEAM.later(session, {"team": "kept-before", "now": clock()})
        with session.begin_nested() as attempt:
            ADD_TEAM.later(session, {"team": "kept-within", "now": clock()})
            assert teams(session) == 2
            attempt.rollback()
        assert teams(session) == 1
    with database.transaction() as reader:
        assert teams(reader) == 1


def test_a_savepoint_takes_back_what_nobody_had_sent_yet(database: Database, clock) -> None:
    with database.transaction() as session:
        with session.begin_nested() as attempt:
            ADD_TEAM.later(session, {"team": "kept-within", "now": clock()})
            attempt.rollback()
        assert teams(session) == 0


def test_a_statement_is_still_prepared_after_a_savepoint_that_was_rolled_back(
    database: Database, clock
) -> None:
    with database.transaction() as session:
        with session.begin_nested() as attempt:
            ADD_TEAM.later(session, {"team": "kept-within", "now": clock()})
            attempt.rollback()
        assert [teams(session), teams(session)] == [0, 0]


def test_a_savepoint_that_is_kept_keeps_what_nobody_had_sent_yet(database: Database, clock) -> None:
    with database.transaction() as session:
        with session.begin_nested():
            ADD_TEAM.later(session, {"team": "kept-within", "now": clock()})
        assert teams(session) == 1


ONE, SEVERAL = [{"port": 80}], [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
ASKED = [{"name": "a", "port": 80, "node_port": 30007}, {"name": "b", "port": 81}]
"""The first is one that the exposure of that name has."""


@pytest.mark.parametrize("ports", [ONE, SEVERAL, ASKED], ids=["one", "several", "one of them is its own"])
def test_a_name_that_is_taken_is_said_before_any_port_is_held(database: Database, clock, ports) -> None:
    world = World(database.transaction, clock)
    first = world.ann.submit()
    before = world.rows()
    problem = assert_problem(
        world.ann.post("/v1/exposures", a_request(type="NodePort", ports=ports)), 409, "name-taken"
    )
    assert first.location.endswith(problem["exposure_id"])
    assert world.rows() == before


def test_the_connection_serves_the_next_request_after_a_late_refusal(database: Database, clock) -> None:
    world = World(database.transaction, clock)
    world.ann.submit()
    world.ann.post("/v1/exposures", a_request(type="NodePort", ports=SEVERAL))
    other = a_request(type="NodePort", ports=SEVERAL)
    other["metadata"]["name"] = "other"
    assert world.ann.get(world.ann.submit(other).location).status_code == 200
