"""What the worker asks of the ledger at each word costs by what is due, not by what is in sync."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from service.store import wishes
from service.store.database import gathering_of
from tests.conftest import Clock
from tests.integration.reconciler_world import SteppingWorld
from tests.postgres import Database

MANY = 1000
COPIES = (
    """INSERT INTO exposure SELECT (jsonb_populate_record(e, jsonb_build_object(
         'id', gen_random_uuid(), 'name', 'm-' || number))).*
       FROM exposure AS e, generate_series(1, :many) AS number WHERE e.name = 'hello'""",
    """INSERT INTO exposure_sync SELECT (jsonb_populate_record(s, jsonb_build_object('exposure_id', e.id))).*
       FROM exposure_sync AS s, exposure AS e WHERE e.name LIKE 'm-%'""",
    """INSERT INTO revision SELECT (jsonb_populate_record(r, jsonb_build_object('exposure_id', e.id))).*
       FROM revision AS r, exposure AS e WHERE e.name LIKE 'm-%'""",
)


@pytest.fixture
def world(own_database: Database, clock: Clock) -> SteppingWorld:
    """Give a cluster of its own, and a database whose statistics nobody else moves, autovacuum neither."""
    world = SteppingWorld(own_database, clock)
    for table in ("exposure", "exposure_sync", "revision"):
        world.tamper(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    return world


def test_who_is_resumed_is_found_by_the_word_alone(world: SteppingWorld) -> None:
    story = world.live()
    story.post("suspend")
    world.cycle(2)
    assert world.is_gone(story)
    world.looker.look(listing=False)

    story.post("resume")
    assert world.looker.look(listing=False) == 1
    assert not world.is_gone(story)
    assert world.looker.look(listing=False) == 0


@pytest.mark.parametrize("is_analyzed", [False, True], ids=["a new ledger", "one with statistics"])
def test_a_look_at_what_is_due_reads_each_exposure_once_at_most(
    world: SteppingWorld, own_database: Database, is_analyzed: bool
) -> None:
    world.live(type="ClusterIP", ports=[{"name": "http", "port": 80}])
    for statement in COPIES:
        world.tamper(statement, many=MANY)
    if is_analyzed:
        world.tamper("ANALYZE")

    facts = {"cluster": "dev", "now": world.now(), "lacking": ["NodePortTaken"]}
    touched = sum(map(rows_of, nodes(plan_of(own_database, facts))))
    assert touched <= 2 * MANY, f"It looked at {touched} rows, and {MANY} exposures are in sync."


def plan_of(database: Database, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how PostgreSQL has answered what is due."""
    with database.transaction() as session:
        explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + wishes.DUE.text
        values = [facts["cluster"], facts["lacking"], facts["now"]]
        found: Mapping[str, Any] = gathering_of(session).run(explain, values).fetchone()[0][0]["Plan"]
    return found


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Return a plan's node, and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def rows_of(node: Mapping[str, Any]) -> float:
    """Return how many rows a node has looked at."""
    seen = sum(
        node.get(key, 0) for key in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    )
    return float(seen * node["Actual Loops"])
