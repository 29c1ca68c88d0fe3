"""/metrics: node ports, exposures and how each cluster stands; open to everyone, counted in the database."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, text
from werkzeug.test import TestResponse

from service.domain.ports import Pool
from service.store import foreign, identities
from tests.conftest import Clock
from tests.integration.api_world import World, named

METRIC = "wharfinger_node_ports"


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


def samples(answer: TestResponse) -> dict[tuple[str, str, str], float]:
    """Return the gauge's samples by cluster, band and state."""
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    family = families[METRIC]
    assert {other.type for other in families.values()} == {"gauge"}
    return {
        (sample.labels["cluster"], sample.labels["band"], sample.labels["state"]): sample.value
        for sample in family.samples
    }


def test_every_band_has_every_state_without_a_token(world: World) -> None:
    answer = world.stranger.get("/metrics")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    found = samples(answer)
    inside = {(band, state) for _, band, state in found if band != "outside"}
    assert inside == {
        (band, state)
        for band in ("static", "dynamic")
        for state in ("free", "held", "bound", "cooling", "foreign")
    }
    assert (found["dev", "static", "free"], found["dev", "dynamic", "free"]) == (16, 25)
    assert found["dev", "outside", "foreign"] == 0


def test_claims_are_counted_by_band_and_state_in_each_cluster(world: World) -> None:
    with world.transaction() as session:
        identities.put_cluster(session, identities.Cluster("prod", None, Pool(31000, 31999)), world.now())
        identities.put_cluster(session, identities.Cluster("idle", None, Pool(32000, 32009)), world.now())
        seen = dict.fromkeys((31001, 31500, 31501, 40000), ("kube-system", "dns"))
        foreign.import_foreign(session, "prod", seen, world.now())
    world.ann.submit(named("one"))
    found = samples(world.stranger.get("/metrics"))
    assert found["dev", "static", "held"] == 1
    assert found["dev", "static", "free"] == 15
    assert (found["prod", "static", "foreign"], found["prod", "static", "free"]) == (1, 30)
    assert (found["prod", "dynamic", "foreign"], found["prod", "dynamic", "free"]) == (2, 967)
    assert found["prod", "outside", "foreign"] == 1
    assert found["idle", "dynamic", "free"] == 10
    assert ("idle", "static", "free") not in found


def test_counts_are_kept_for_a_few_seconds(world: World, database, clock) -> None:
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    world.stranger.get("/metrics")
    counted = len(statements)
    world.stranger.get("/metrics")
    assert len(statements) == counted > 0
    world.ann.submit(named("one"))
    clock.advance(seconds=5)
    assert samples(world.stranger.get("/metrics"))["dev", "static", "held"] == 1


def test_a_scraper_that_reads_openmetrics_gets_it(world: World) -> None:
    answer = world.stranger.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.mimetype == "application/openmetrics-text"
    assert answer.text.endswith("# EOF\n")


def of_dev(world: World, clock: Clock, name: str) -> float:
    """Return a gauge of the cluster dev, a few seconds later."""
    clock.advance(seconds=5)
    told = world.stranger.get("/metrics").text
    [family] = (f for f in text_string_to_metric_families(told) if f.name == f"wharfinger_cluster_{name}")
    [sample] = (s for s in family.samples if s.labels["cluster"] == "dev")
    return float(sample.value)


@pytest.mark.parametrize(
    ("written", "name", "number"),
    [
        ("UPDATE cluster_view SET orphans = 3", "orphans", 3),
        ("UPDATE cluster_view SET strangers = 2", "strangers", 2),
        ("UPDATE cluster_view SET withheld = 7", "removals_withheld", 7),
        ("UPDATE cluster_view SET frozen = 'another ledger'", "frozen", 1),
        ("UPDATE cluster_view SET problem = 'no answer'", "readable", 0),
        ("UPDATE cluster_view SET seen_at = to_timestamp(1000)", "seen_timestamp_seconds", 1000),
        ("INSERT INTO lease VALUES ('dev', 'me', now() + interval '1 minute', now())", "kept", 1),
    ],
)
def test_how_a_cluster_stands_is_a_gauge(
    world: World, clock: Clock, written: str, name: str, number: float
) -> None:
    with world.transaction() as session:
        session.execute(
            text(
                "INSERT INTO cluster_view (cluster, node_addresses, seen_at, change_count) "
                "VALUES ('dev', '{}', now(), 1)"
            )
        )
    before = of_dev(world, clock, name)
    with world.transaction() as session:
        session.execute(text(written))

    assert (before != number, of_dev(world, clock, name)) == (True, number)


def test_a_cluster_that_nobody_has_looked_at_is_not_readable(world: World, clock: Clock) -> None:
    found = [of_dev(world, clock, name) for name in ("kept", "readable", "frozen", "seen_timestamp_seconds")]
    assert found == [0, 0, 0, 0]


def test_exposures_are_counted_by_state_and_reason(world: World) -> None:
    world.ann.submit(named("one"))
    world.ann.submit(named("two"))
    with world.transaction() as session:
        failed = "UPDATE exposure_sync SET state = 'failed', reason = 'Forbidden' FROM exposure WHERE "
        session.execute(text(failed + "id = exposure_id AND name = 'two'"))
    answer = world.stranger.get("/metrics").text
    assert 'wharfinger_exposures{cluster="dev",reason="",state="none"} 1.0' in answer
    assert 'wharfinger_exposures{cluster="dev",reason="Forbidden",state="failed"} 1.0' in answer
