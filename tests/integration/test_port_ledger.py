"""The ledger's rules, one request at a time: which numbers may be had, by whom, and what a refusal says."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
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
STATIC, DYNAMIC = POOL.static_band(), POOL.dynamic_band()
HOUR = timedelta(hours=1)


@pytest.fixture
def world(database: Database, clock) -> World:
    return World(database.transaction, clock)


def request_for(team: str, name: str, *node_ports: int | None, **spec: Any) -> dict[str, Any]:
    listed = [
        {"name": f"p{index}", "port": 80 + index, "node_port": number}
        for index, number in enumerate(node_ports)
    ]
    body = a_request(**({"ports": listed} | spec))
    body["metadata"] = {"cluster": "dev", "namespace": team, "team": team, "name": name}
    return body


def submit(caller: Caller, team: str, name: str, *node_ports: int | None) -> UUID:
    return UUID(caller.submit(request_for(team, name, *node_ports)).json["metadata"]["id"])


def numbers_of(world: World, exposure_id: UUID) -> list[int]:
    document = world.eve.get(f"/v1/exposures/{exposure_id}").json
    return [port["node_port"] for port in document["status"]["ports"]]


def taker_of(exposure_id: UUID, team: str, now: datetime) -> ports.Taker:
    return ports.Taker(exposure_id, Metadata("dev", team, "x", team), "a test", now)


def ask(
    session: Session, exposure_id: UUID, team: str, now: datetime, wanted: Mapping[int, str]
) -> ports.Held:
    return ports.hold(session, taker_of(exposure_id, team, now), ports.Want(asked=wanted))


def choose(
    session: Session, exposure_id: UUID, team: str, now: datetime, *ranges: range, count: int = 1
) -> tuple[int, ...]:
    want = ports.Want(count=count, ranges=ranges)
    return ports.hold(session, taker_of(exposure_id, team, now), want).chosen


def cool(session: Session, exposure_id: UUID, now: datetime, *numbers: int) -> None:
    assert ports.bind(session, exposure_id, numbers, now)() == set(numbers)
    assert ports.release(session, exposure_id, (), now + HOUR, now) == sorted(numbers)


def test_a_chosen_port_is_of_the_static_band_while_that_has_one(world: World) -> None:
    chosen = [
        number
        for n in range(len(STATIC))
        for number in numbers_of(world, submit(world.ann, "team-a", f"n{n}", None))
    ]
    assert sorted(chosen) == list(STATIC)
    assert numbers_of(world, submit(world.ann, "team-a", "last", None))[0] in DYNAMIC


def test_a_port_of_the_dynamic_band_comes_with_a_warning(world: World) -> None:
    assert world.ann.submit(request_for("team-a", "some", *[None] * 16)).json["warnings"] == []
    answer = world.ann.submit(request_for("team-a", "more", None)).json
    [warning] = answer["warnings"]
    assert (
        f"Node port {answer['status']['ports'][0]['node_port']} is of the dynamic band 30016-30040" in warning
    )


def test_tcp_and_udp_of_one_port_share_a_chosen_number(world: World) -> None:
    both = [
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        {"name": "dns-udp", "port": 53, "protocol": "UDP"},
        {"name": "web", "port": 80, "protocol": "TCP"},
    ]
    made = world.ann.submit(request_for("team-a", "dns", ports=both))
    tcp, udp, web = (port["node_port"] for port in made.json["status"]["ports"])
    assert tcp == udp != web
    assert world.rows()[1] == 2


def test_udp_joins_the_number_that_tcp_asked_for(world: World) -> None:
    both = [
        {"name": "dns-udp", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "node_port": 30011},
    ]
    made = world.ann.submit(request_for("team-a", "dns", ports=both))
    given = [(port["node_port"], port["origin"]) for port in made.json["status"]["ports"]]
    assert given == [(30011, "chosen"), (30011, "asked")]
    assert world.rows()[1] == 1


def test_a_load_balancers_hidden_ports_are_claims(world: World) -> None:
    balancer = {"type": "LoadBalancer", "external_traffic_policy": "Local", "ports": [{"port": 80}]}
    quiet = world.ann.submit(request_for("team-a", "quiet", **balancer))
    assert world.rows()[1] == 1  # for health checks, although no node ports are allocated
    open_one = balancer | {"load_balancer": {"allocate_node_ports": True}}
    loud = world.ann.submit(request_for("team-a", "loud", **open_one))
    assert world.rows()[1] == 3
    for made, node_ports in ((quiet, 0), (loud, 1)):
        spec = world.ann.get(f"{made.location}/manifest", Accept="application/json").json["spec"]
        assert spec["healthCheckNodePort"] in STATIC
        assert sum("nodePort" in port for port in spec["ports"]) == node_ports


def test_a_cooling_port_is_kept_from_other_teams_until_its_time(world: World, clock) -> None:
    mine, other = submit(world.ann, "team-a", "one", 30001), submit(world.ben, "team-b", "two", 30002)
    with world.transaction() as session:
        cool(session, mine, clock(), 30001)
    with pytest.raises(NodePortTaken) as caught, world.transaction() as session:
        ask(session, other, "team-b", clock(), {30001: "#/here"})
    assert (caught.value.state, caught.value.until) == ("cooling", clock() + HOUR)
    clock.advance(hours=1)
    with world.transaction() as session:
        ask(session, other, "team-b", clock(), {30001: "#/here"})
        claim = ports.get(session, "dev", 30001)
    assert claim is not None
    assert (claim.state, claim.team, claim.exposure_id, claim.until) == ("held", "team-b", other, None)
    assert claim.since == clock()


def test_a_cooling_port_goes_back_to_its_own_team_at_once_when_it_asks(world: World, clock) -> None:
    first, second = submit(world.ann, "team-a", "one", 30001), submit(world.ann, "team-a", "two", 30002)
    with world.transaction() as session:
        cool(session, first, clock(), 30001)
        ask(session, second, "team-a", clock(), {30001: "#/here"})
        claim = ports.get(session, "dev", 30001)
    assert claim is not None
    assert (claim.state, claim.exposure_id) == ("held", second)


def test_a_cooling_port_is_not_chosen_before_its_time(world: World, clock) -> None:
    two = range(30000, 30002)
    mine = submit(world.ann, "team-a", "one", 30000)
    with world.transaction() as session:
        cool(session, mine, clock(), 30000)
        assert choose(session, mine, "team-a", clock(), two) == (30001,)
    with (
        pytest.raises(PoolExhausted, match="1 cooling, 39 free, 1 held, 39 of the free"),
        world.transaction() as session,
    ):
        choose(session, mine, "team-a", clock(), two)
    clock.advance(hours=1)
    with world.transaction() as session:
        assert choose(session, mine, "team-a", clock(), two) == (30000,)


def test_an_earlier_range_goes_before_a_later_one_though_its_port_has_only_just_cooled(
    world: World, clock
) -> None:
    mine = submit(world.ann, "team-a", "one", 30000)
    with world.transaction() as session:
        cool(session, mine, clock(), 30000)
    clock.advance(hours=1)
    with world.transaction() as session:
        assert choose(session, mine, "team-b", clock(), range(30000, 30001), range(30001, 30041)) == (30000,)


def test_an_exposure_that_comes_back_gets_its_ports_back_each_for_its_own(world: World, clock) -> None:
    submit(world.ben, "team-b", "others", *[None] * 5)
    first = submit(world.ann, "team-a", "one", 30033, None, 30034, None)
    before = numbers_of(world, first)
    with world.transaction() as session:
        cool(session, first, clock(), *before)
        session.execute(
            text("UPDATE exposure SET ended_at = :now, end_reason = 'Deleted' WHERE id = :id"),
            {"now": clock(), "id": first},
        )
    again = submit(world.ann, "team-a", "one", None, None, None, None)
    assert numbers_of(world, again) == before


def test_another_teams_exposure_of_the_same_name_does_not_get_them(world: World, clock) -> None:
    first = submit(world.ann, "team-a", "one", 30001)
    with world.transaction() as session:
        cool(session, first, clock(), 30001)
    assert numbers_of(world, submit(world.ben, "team-b", "one", None)) != [30001]


def test_a_refusal_keeps_none_of_the_ports_that_were_free(world: World) -> None:
    submit(world.ann, "team-a", "one", 30001)
    other = submit(world.ben, "team-b", "two", 30009)
    wanted = {30000: "#/a", 30001: "#/b", 30002: "#/c"}
    with pytest.raises(NodePortTaken) as caught, world.transaction() as session:
        ask(session, other, "team-b", world.now(), wanted)
    assert (caught.value.port, caught.value.pointer) == (30001, "#/b")
    with world.transaction() as session:
        assert [claim.port for claim in ports.page(session, "dev", 0, 9, world.now())] == [30001, 30009]


def test_several_ports_are_had_together_or_not_at_all(world: World) -> None:
    other = submit(world.ann, "team-a", "one", 30001)
    with world.transaction() as session:
        with pytest.raises(PoolExhausted) as caught:
            choose(session, other, "team-a", world.now(), range(30000, 30004), count=4)
        assert (caught.value.usage.by_state, caught.value.usage.by_team) == (
            {"free": 40, "held": 1},
            {"team-a": 1},
        )
        assert [claim.port for claim in ports.page(session, "dev", 0, 9, world.now())] == [30001]


@pytest.mark.parametrize("stated", [{"asked": {30001: "#/a"}, "count": 1}, {"earlier": {30001}, "count": 2}])
def test_a_stated_number_is_not_counted_once_more_among_those_that_are_left(
    world: World, stated: dict[str, Any]
) -> None:
    mine = submit(world.ann, "team-a", "one", 30000)
    want = ports.Want(**stated, ranges=[range(30000, 30002)])
    with pytest.raises(PoolExhausted, match="no 1 free"), world.transaction() as session:
        ports.hold(session, taker_of(mine, "team-a", world.now()), want)


def test_a_full_pool_says_who_has_it_and_when_the_next_port_is_free(world: World, clock) -> None:
    mine = submit(world.ann, "team-a", "big", *[None] * 30)
    submit(world.ben, "team-b", "small", *[None] * 9)
    with world.transaction() as session:
        cool(session, mine, clock(), numbers_of(world, mine)[0])
    with pytest.raises(PoolExhausted) as caught, world.transaction() as session:
        choose(session, mine, "team-a", clock(), range(30000, 30041), count=3)
    usage = caught.value.usage
    assert usage.by_state == {"free": 2, "held": 38, "cooling": 1}
    assert list(usage.by_team.items()) == [("team-a", 29), ("team-b", 9)]
    assert (usage.next_free_at, usage.reserved) == (clock() + HOUR, 0)


def test_asking_again_for_ports_that_one_has_leaves_them_as_they_are(world: World, clock) -> None:
    mine = submit(world.ann, "team-a", "one", 30001, 30002)
    with world.transaction() as session:
        ports.bind(session, mine, [30001], clock())
    clock.advance(hours=1)
    with world.transaction() as session:
        ask(session, mine, "team-a", clock(), {30001: "", 30002: "", 30003: ""})
        claims = ports.page(session, "dev", 0, 9, clock())
    assert [(claim.port, claim.state, claim.since) for claim in claims] == [
        (30001, "bound", clock() - HOUR),
        (30002, "held", clock() - HOUR),
        (30003, "held", clock()),
    ]


def test_a_pool_that_grows_gives_out_the_new_numbers_at_once(world: World, clock) -> None:
    for name, count in (("one", 32), ("more", 9)):
        submit(world.ann, "team-a", name, *[None] * count)
    with world.transaction() as session:
        identities.put_cluster(session, identities.Cluster("dev", None, Pool(29999, 30041)), clock())
    assert sorted(numbers_of(world, submit(world.ann, "team-a", "two", None, None))) == [29999, 30041]


def test_a_pool_that_shrinks_keeps_the_claims_outside_and_gives_out_none_of_them_again(
    world: World, clock
) -> None:
    mine = submit(world.ann, "team-a", "one", 30005, 30040)
    with world.transaction() as session:
        identities.put_cluster(session, identities.Cluster("dev", None, Pool(30000, 30001)), clock())
        assert [claim.port for claim in ports.page(session, "dev", 0, 9, clock())] == [30005, 30040]
        assert ports.drop_holds(session, mine, clock()) == [30005, 30040]
    submit(world.ann, "team-a", "two", None, None)
    answer = world.ann.post("/v1/exposures", request_for("team-a", "three", None))
    assert answer.json["counts"] == {"held": 2}


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
        (f"event WHERE exposure_id = '{UUID(int=0)}'", "seq", "event_exposure_id_seq_key"),
        ("port_claim WHERE cluster = 'dev' AND port > 30000", "port", "port_claim_pkey"),
        (
            "port_history WHERE cluster = 'dev' AND port = 30000",
            "id DESC",
            "port_history_cluster_port_id_idx",
        ),
        ("reservation WHERE cluster = 'dev' AND name > 'a'", "name", "reservation_pkey"),
    ],
)
def test_each_list_is_read_in_order_from_an_index(
    database: Database, table: str, order: str, index: str
) -> None:
    with database.transaction() as session:
        for way in ("seqscan", "sort", "bitmapscan"):
            session.execute(text(f"SET LOCAL enable_{way} = off"))
        plan = "\n".join(session.scalars(text(f"EXPLAIN SELECT * FROM {table} ORDER BY {order} LIMIT 51")))
    assert index in plan
    assert "Sort" not in plan
