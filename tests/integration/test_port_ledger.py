"""The ledger's rules, one request at a time: which numbers may be had, by whom, and what a refusal says."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.domain.errors import NodePortTaken, PoolExhausted
from service.domain.exposure import Metadata
from service.domain.ports import Pool
from service.store import identities, ports
from tests.integration.api_world import Caller, World, a_request
from tests.postgres import Database

POOL = Pool(30000, 30040)
HOUR = timedelta(hours=1)


@pytest.fixture
def world(database: Database, clock) -> World:
    return World(database.transaction, clock)


def submit(caller: Caller, team: str, name: str, *node_ports: int | None) -> UUID:
    body = a_request()
    body["metadata"] = {"cluster": "dev", "namespace": team, "team": team, "name": name}
    body["spec"]["ports"] = [
        {"name": f"p{index}", "port": 80 + index, "node_port": number}
        for index, number in enumerate(node_ports)
    ]
    return UUID(caller.submit(body).json["metadata"]["id"])


def taker_of(exposure_id: UUID, team: str, now: datetime) -> ports.Taker:
    return ports.Taker(exposure_id, Metadata("dev", team, "x", team), "a test", now)


def cool(session: Session, exposure_id: UUID, now: datetime, *numbers: int) -> None:
    assert ports.bind(session, exposure_id, numbers, now) == set(numbers)
    assert ports.cool(session, exposure_id, now + HOUR, now) == sorted(numbers)


def test_chosen_ports_are_the_lowest_free_ones_so_the_static_band_goes_first(world: World) -> None:
    submit(world.ann, "team-a", "one", 30001, None, None)
    with world.transaction() as session:
        assert [claim.port for claim in ports.page(session, "dev", 0, 9, world.now())] == [
            30000,
            30001,
            30002,
        ]
    assert 30002 in POOL.static_band()


def test_a_cooling_port_is_kept_from_other_teams_until_its_time(world: World, clock) -> None:
    mine, other = submit(world.ann, "team-a", "one", 30001), submit(world.ben, "team-b", "two", 30002)
    with world.transaction() as session:
        cool(session, mine, clock(), 30001)
    with pytest.raises(NodePortTaken) as caught, world.transaction() as session:
        ports.hold_asked(session, taker_of(other, "team-b", clock()), {30001: "#/here"})
    assert (caught.value.state, caught.value.until) == ("cooling", clock() + HOUR)
    clock.advance(hours=1)
    with world.transaction() as session:
        ports.hold_asked(session, taker_of(other, "team-b", clock()), {30001: "#/here"})
        claim = ports.get(session, "dev", 30001)
    assert claim is not None
    assert (claim.state, claim.team, claim.exposure_id, claim.until) == ("held", "team-b", other, None)


def test_a_cooling_port_goes_back_to_its_own_team_at_once_when_it_asks(world: World, clock) -> None:
    first, second = submit(world.ann, "team-a", "one", 30001), submit(world.ann, "team-a", "two", 30002)
    with world.transaction() as session:
        cool(session, first, clock(), 30001)
        ports.hold_asked(session, taker_of(second, "team-a", clock()), {30001: "#/here"})
        claim = ports.get(session, "dev", 30001)
    assert claim is not None
    assert (claim.state, claim.exposure_id) == ("held", second)


def test_a_cooling_port_is_not_chosen_before_its_time(world: World, clock) -> None:
    mine = submit(world.ann, "team-a", "one", 30000)
    with world.transaction() as session:
        cool(session, mine, clock(), 30000)
        taker = taker_of(mine, "team-a", clock())
        assert ports.hold_chosen(session, taker, Pool(30000, 30001), 1) == [30001]
        with pytest.raises(PoolExhausted, match="1 cooling, 1 held"):
            ports.hold_chosen(session, taker, Pool(30000, 30001), 1)
    clock.advance(hours=1)
    with world.transaction() as session:
        taker = taker_of(mine, "team-a", clock())
        assert ports.hold_chosen(session, taker, Pool(30000, 30001), 1) == [30000]


def test_a_refusal_keeps_none_of_the_ports_that_were_free(world: World) -> None:
    submit(world.ann, "team-a", "one", 30001)
    other = submit(world.ben, "team-b", "two", 30009)
    wanted = {30000: "#/a", 30001: "#/b", 30002: "#/c"}
    with pytest.raises(NodePortTaken) as caught, world.transaction() as session:
        ports.hold_asked(session, taker_of(other, "team-b", world.now()), wanted)
    assert (caught.value.port, caught.value.pointer) == (30001, "#/b")
    with world.transaction() as session:
        assert [claim.port for claim in ports.page(session, "dev", 0, 9, world.now())] == [30001, 30009]


def test_one_number_serves_in_two_clusters(world: World) -> None:
    submit(world.ann, "team-a", "one", 30001)
    with world.transaction() as session:
        identities.put_cluster(session, identities.Cluster("other", None, POOL), world.now())
        identities.add_namespace(session, "other", "team-a", "development")
        identities.give_namespace(session, "team-a", "other", "team-a")
    body = a_request(ports=[{"port": 80, "node_port": 30001}])
    body["metadata"]["cluster"] = "other"
    assert world.ann.submit(body).json["status"]["ports"][0]["node_port"] == 30001


@pytest.mark.parametrize(
    ("table", "order", "index"),
    [
        ("exposure", "created_at DESC, id DESC", "exposure_created_at_id_idx"),
        ("exposure WHERE team = 'team-a'", "created_at DESC, id DESC", "exposure_team_created_at_id_idx"),
        (f"event WHERE exposure_id = '{UUID(int=0)}'", "id", "event_exposure_id_id_idx"),
        ("port_claim WHERE cluster = 'dev' AND port > 30000", "port", "port_claim_pkey"),
    ],
)
def test_each_list_is_read_in_order_from_an_index(
    database: Database, table: str, order: str, index: str
) -> None:
    with database.engine.begin() as connection:
        for way in ("seqscan", "sort", "bitmapscan"):
            connection.execute(text(f"SET LOCAL enable_{way} = off"))
        plan = "\n".join(connection.scalars(text(f"EXPLAIN SELECT * FROM {table} ORDER BY {order} LIMIT 51")))
    assert index in plan
    assert "Sort" not in plan
