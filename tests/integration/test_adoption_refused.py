"""Why the worker refuses to adopt a Service: told by field, all at once, and nothing is changed by it."""

import pytest

from service.domain.errors import WriteForbidden
from tests.conftest import Clock
from tests.integration.adoption_world import PORTS, AdoptionWorld, shop
from tests.postgres import Database


@pytest.fixture
def world(database: Database, clock: Clock) -> AdoptionWorld:
    return AdoptionWorld(database, clock)


def test_what_no_exposure_can_say_is_refused_by_name_all_at_once(world: AdoptionWorld) -> None:
    service = shop(externalIPs=["192.0.2.9"], publishNotReadyAddresses=True, selector={})
    service["metadata"]["ownerReferences"] = [{"kind": "Shop", "name": "main", "uid": "u"}]
    before = world.make(service)
    wanted = world.asked()
    assert (wanted.state(), wanted.pointers()) == (
        "refused",
        [
            "/metadata/ownerReferences",
            "/spec/externalIPs",
            "/spec/publishNotReadyAddresses",
            "/spec/selector",
        ],
    )
    assert (wanted.service(), wanted.read()["exposure_id"], wanted.read()["uid"]) == (before, None, None)
    assert [owner[0] for owner in world.owners(*PORTS)] == ["foreign", "foreign"]


def test_a_service_that_is_not_there_is_refused(world: AdoptionWorld) -> None:
    faults = world.asked().read()["faults"]
    assert [(fault["code"], fault["pointer"]) for fault in faults] == [("not-found", "")]


def test_what_is_an_exposure_already_is_refused(world: AdoptionWorld) -> None:
    world.live()
    wanted = world.asked(name="hello")
    assert wanted.pointers() == ["/metadata/labels/app.kubernetes.io~1managed-by", *MARKS]


MARKS = [
    f"/metadata/annotations/wharfinger.dev~1{name}"
    for name in ("exposure-id", "revision", "digest", "create-token", "request-id")
]


def test_a_name_that_an_exposure_asks_for_is_refused(world: AdoptionWorld) -> None:
    world.request("shop", type="ClusterIP", ports=[{"port": 80}])
    world.make()
    assert [fault["code"] for fault in world.asked().read()["faults"]] == ["name-taken"]


def test_what_a_deny_rule_matches_is_refused_with_its_reasons(world: AdoptionWorld) -> None:
    rule = {"expression": 'object.spec.type == "NodePort"', "message": "Not here."}
    world.rules({"name": "no-node-ports", "deny": [rule]})
    world.make()
    faults = world.asked().read()["faults"]
    assert [(fault["code"], fault["detail"]) for fault in faults] == [("policy-denied", "Not here.")]
    assert world.noted("policy-denied") == 1
    assert [owner[0] for owner in world.owners(*PORTS)] == ["foreign", "foreign"]


@pytest.mark.parametrize(
    ("statement", "code", "pointer"),
    [
        ("INSERT INTO quota VALUES ('team-a', 'dev', NULL, 1)", "quota-exceeded", ""),
        (
            "INSERT INTO reservation VALUES ('dev', 'theirs', 30022, 30022, 'team-b', 'why', NULL, now())",
            "node-port-reserved",
            "/spec/ports/1/nodePort",
        ),
        ("UPDATE cluster SET last_port = 30021", "invalid", "/spec/ports/1/nodePort"),
    ],
    ids=["quota", "reservation", "range"],
)
def test_what_holds_for_every_request_holds_for_an_adoption(
    world: AdoptionWorld, statement: str, code: str, pointer: str
) -> None:
    world.make()
    world.tamper(statement)
    faults = world.asked().read()["faults"]
    assert [(fault["code"], fault["pointer"]) for fault in faults] == [(code, pointer)]
    assert [owner[0] for owner in world.owners(*PORTS)] == ["foreign", "foreign"]


def test_a_number_that_the_ledger_knows_as_an_exposures_is_refused_with_its_owner(
    world: AdoptionWorld,
) -> None:
    other = world.live(ports=[{"name": "http", "port": 80, "node_port": 30021}])
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"]["ports"][0].update(nodePort=30030))
    world.cluster.add_service(shop())
    wanted = world.asked()
    assert wanted.pointers() == ["/spec/ports/0/nodePort"]
    assert f"team-a/{other.name}" in wanted.read()["faults"][0]["detail"]


def test_a_read_that_the_cluster_refuses_ends_the_wait_with_its_reason(world: AdoptionWorld) -> None:
    world.make()
    world.cluster.refuse_next("service", WriteForbidden("services is forbidden here"))
    wanted = world.asked()
    told = [(fault["code"], fault["detail"]) for fault in wanted.read()["faults"]]
    assert (wanted.state(), told) == ("refused", [("cluster", "services is forbidden here")])
