"""The past of a node port: who had it, from when until when, how it ended, and who may see what."""

from datetime import timedelta
from uuid import UUID

import pytest

from service.domain.errors import NotFound
from service.domain.exposure import Decision, ExposureRecord, PortOrigin
from service.domain.history import Ending
from service.domain.ports import Pool
from service.store import exposures, foreign, identities, ports
from service.workflow import read
from service.workflow.reassign import Theft, give_up_port, reassign_port, retake_port
from tests.integration.api_world import PEOPLE, World, a_request
from tests.integration.reconciler_world import Story
from tests.postgres import Database

HOUR = timedelta(hours=1)
DNS = ("kube-system", "dns")
ACTOR = {"kind": "worker", "person": "worker", "acted_for": None}


@pytest.fixture
def world(database: Database, clock) -> World:
    return World(database.transaction, clock)


def submit(world: World, *node_ports: int | None, name: str = "hello") -> UUID:
    body = a_request(
        ports=[{"name": f"p{i}", "port": 80 + i, "node_port": n} for i, n in enumerate(node_ports)]
    )
    body["metadata"]["name"] = name
    return UUID(world.ann.submit(body).json["metadata"]["id"])


def endings(world: World, port: int, who: str = "eve") -> list[str]:
    return [tenure.ending.value for tenure in status(world, port, who).history]


def status(world: World, port: int, who: str = "eve") -> read.PortStatus:
    with world.transaction() as session:
        return read.node_port(session, "dev", port, PEOPLE[who], world.now())


def record_of(world: World, exposure_id: UUID) -> ExposureRecord:
    with world.transaction() as session:
        found = exposures.get(session, exposure_id)
    assert found is not None
    return found


def test_a_released_port_remembers_who_had_it_from_when_until_when(world: World, clock) -> None:
    mine = submit(world, 30001)
    begun = clock()
    clock.advance(hours=1)
    with world.transaction() as session:
        ports.bind(session, mine, [30001], clock())
    clock.advance(hours=1)
    with world.transaction() as session:
        ports.release(session, mine, (), clock() + HOUR, clock())
    [tenure] = status(world, 30001).history
    assert (tenure.began_at, tenure.ended_at, tenure.cooling_until) == (begun, clock(), clock() + HOUR)
    assert (tenure.ending, tenure.state, tenure.exposure_id) == ("released", "bound", mine)
    assert (tenure.owner.team, tenure.owner.name, tenure.reason) == (
        "team-a",
        "hello",
        "product demo on Thursday",
    )


def test_a_port_that_an_edit_dropped_is_told_apart_and_the_others_stay(world: World, clock) -> None:
    mine = submit(world, 30001, 30002)
    with world.transaction() as session:
        ports.bind(session, mine, [30001, 30002], clock())
        assert ports.release(session, mine, [30002], clock() + HOUR, clock(), Ending.DROPPED) == [30001]
    assert (endings(world, 30001), endings(world, 30002)) == (["dropped"], [])
    assert status(world, 30002).state == "bound"


def test_a_hold_that_never_became_bound_is_unused_and_free_at_once(world: World) -> None:
    Story(world, a_request()).delete()
    assert (endings(world, 30007), status(world, 30007).state) == (["unused"], "free")


def test_the_newest_tenure_comes_first(world: World, clock) -> None:
    for name in ("one", "two"):
        mine = submit(world, 30001, name=name)
        with world.transaction() as session:
            ports.drop_holds(session, mine, clock())
    assert [tenure.owner.name for tenure in status(world, 30001).history] == ["two", "one"]


def test_a_foreign_service_comes_moves_and_goes(world: World, clock) -> None:
    for observed in ({30001: DNS}, {30001: DNS}, {30001: ("kube-system", "proxy")}, {}):
        with world.transaction() as session:
            foreign.import_foreign(session, "dev", observed, clock())
        clock.advance(minutes=1)
    assert endings(world, 30001) == ["gone", "gone"]
    assert [tenure.owner.name for tenure in status(world, 30001).history] == ["proxy", "dns"]
    assert status(world, 30001).state == "free"


def test_a_quiet_look_changes_nothing(world: World, clock) -> None:
    with world.transaction() as session:
        assert foreign.import_foreign(session, "dev", {30001: DNS}, clock()).changed == 1
        assert foreign.import_foreign(session, "dev", {30001: DNS}, clock()).changed == 0


def test_a_foreign_service_takes_a_held_port_over_and_the_history_keeps_the_loser(
    world: World, clock
) -> None:
    mine = submit(world, 30001)
    with world.transaction() as session:
        [lost] = foreign.import_foreign(session, "dev", {30001: DNS}, clock()).losers
    assert (lost.exposure_id, lost.port, lost.state) == (mine, 30001, "held")
    now = status(world, 30001)
    assert (now.state, now.owner and now.owner.name, now.since) == ("foreign", "dns", clock())
    [tenure] = now.history
    assert (tenure.ending, tenure.exposure_id, tenure.thief and tenure.thief.name) == ("lost", mine, "dns")


def test_a_bound_port_is_never_taken_over_but_reported(world: World, clock) -> None:
    mine = submit(world, 30001)
    with world.transaction() as session:
        ports.bind(session, mine, [30001], clock())
        found = foreign.import_foreign(session, "dev", {30001: DNS}, clock())
    assert [(claim.port, claim.exposure_id) for claim in found.conflicts] == [(30001, mine)]
    assert (found.losers, found.changed) == ((), 0)
    assert status(world, 30001).state == "bound"


def test_a_number_outside_the_range_that_somebody_has_or_had_can_be_read(world: World, clock) -> None:
    with pytest.raises(NotFound, match="gives out node ports 30000-30040; 31000 is none of them"):
        status(world, 31000)
    for observed, state in (({31000: DNS}, "foreign"), ({}, "free")):
        with world.transaction() as session:
            foreign.import_foreign(session, "dev", observed, clock())
        assert status(world, 31000).state == state


def test_a_claim_that_a_shrunken_range_does_not_cover_can_be_read(world: World, clock) -> None:
    submit(world, 30040)
    with world.transaction() as session:
        identities.put_cluster(session, identities.Cluster("dev", None, Pool(30000, 30010)), clock())
    assert status(world, 30040).state == "held"


@pytest.mark.parametrize(("who", "sees"), [("ann", True), ("eve", True), ("ben", False)])
def test_the_exposure_behind_a_past_is_seen_by_who_may_see_it(world: World, who: str, sees: bool) -> None:
    mine = submit(world, 30001)
    with world.transaction() as session:
        ports.drop_holds(session, mine, world.now())
    [tenure] = status(world, 30001, who).history
    assert tenure.exposure_id == (mine if sees else None)
    assert tenure.owner.name == "hello"


def test_a_chosen_port_that_was_stolen_moves_to_another_one_for_the_same_revision(
    world: World, clock
) -> None:
    mine = submit(world, None, 30002)
    record = record_of(world, mine)
    stolen = record.revisions[0].allocation.ports[0].number
    with world.transaction() as session:
        foreign.import_foreign(session, "dev", {stolen: DNS}, clock())
        theft = Theft(stolen, DNS, record.revisions)
        new = reassign_port(session, record, theft, clock(), ACTOR)
    after = record_of(world, mine)
    given = after.revisions[0].allocation.ports
    assert [(port.number, port.origin) for port in given] == [
        (new, PortOrigin.CHOSEN),
        (30002, PortOrigin.ASKED),
    ]
    assert {claim.port for claim in after.claims} == {new, 30002}
    assert after.revisions[0].digest == record.revisions[0].digest
    assert after.revisions[0].decision is Decision.PENDING
    event = world.ann.get(f"/v1/exposures/{mine}/events").json["items"][-1]
    assert (event["kind"], event["data"]) == (
        "port-reassigned",
        {"thief": "kube-system/dns", "old": stolen, "new": new},
    )


def test_a_bound_port_that_the_apiserver_refused_goes_to_the_thief_when_it_is_reassigned(
    world: World, clock
) -> None:
    mine = submit(world, None)
    record = record_of(world, mine)
    stolen = record.revisions[0].allocation.ports[0].number
    with world.transaction() as session:
        ports.bind(session, mine, [stolen], clock())
        assert reassign_port(session, record, Theft(stolen, DNS, record.revisions), clock(), ACTOR)
    assert (status(world, stolen).state, endings(world, stolen)) == ("foreign", ["reassigned"])


def test_with_no_port_left_nothing_is_reassigned_and_the_thief_has_its_number(world: World, clock) -> None:
    mine = submit(world, None)
    record = record_of(world, mine)
    stolen = record.revisions[0].allocation.ports[0].number
    with world.transaction() as session:
        identities.put_cluster(session, identities.Cluster("dev", None, Pool(stolen, stolen)), clock())
        assert reassign_port(session, record, Theft(stolen, DNS, record.revisions), clock(), ACTOR) is None
    assert record_of(world, mine).revisions[0].allocation == record.revisions[0].allocation
    assert status(world, stolen).state == "foreign"


def test_a_port_that_was_asked_for_is_not_reassigned_but_given_up_and_taken_back(world: World, clock) -> None:
    mine = submit(world, 30001)
    record = record_of(world, mine)
    theft = Theft(30001, DNS, record.revisions)
    with world.transaction() as session:
        with pytest.raises(ValueError, match="asked for"):
            reassign_port(session, record, theft, clock(), ACTOR)
        assert give_up_port(session, record, theft, clock())
        assert not retake_port(session, record, record.revisions[0], 30001, clock())
        foreign.import_foreign(session, "dev", {}, clock())
        assert retake_port(session, record, record.revisions[0], 30001, clock())
    assert (status(world, 30001).state, endings(world, 30001)) == ("held", ["gone", "lost"])
