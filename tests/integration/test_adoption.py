"""Adopting a Service that somebody else made: from the request to the mark, and each end before it."""

from typing import Any

import pytest

from service.domain.difference import differences
from service.domain.manifest import Mark
from service.domain.spec import Document
from tests.conftest import Clock
from tests.integration.adoption_world import AdoptionWorld, shop
from tests.integration.reconciler_world import node_port_thief
from tests.postgres import Database

PORTS = (30021, 30022)


@pytest.fixture
def world(database: Database, clock: Clock) -> AdoptionWorld:
    return AdoptionWorld(database, clock)


def changed(before: Document, after: Document) -> set[str]:
    """Return where two Services differ, but for what each write moves."""
    moving = ("managedFields", "resourceVersion")
    for service in (before, after):
        service["metadata"] = {k: v for k, v in service["metadata"].items() if k not in moving}
    return {change["pointer"] for change in differences(before, after)}


def test_an_approved_adoption_changes_nothing_but_the_mark(world: AdoptionWorld) -> None:
    before = world.make()
    wanted = world.asked()
    assert world.written() == []
    wanted.review()
    world.settle()
    after = wanted.service()
    mark = Mark.of(after)
    assert mark is not None
    assert str(mark.exposure_id) == wanted.read()["exposure_id"]
    assert world.written() == ["replace"]
    assert changed(before, after) == {
        "#/metadata/labels/app.kubernetes.io~1managed-by",
        *(
            f"#/metadata/annotations/wharfinger.dev~1{name}"
            for name in ("exposure-id", "revision", "digest", "create-token", "request-id")
        ),
    }


def test_from_the_wish_to_the_end_everybody_is_told_what_it_waits_for(world: AdoptionWorld) -> None:
    made = world.make()
    answer = world.wish()
    assert (answer.status_code, answer.json["state"]) == (202, "waiting")
    assert "reads Service team-a/shop next" in answer.json["message"]
    world.cycle()
    shown = world.api.ann.get(answer.headers["Location"]).json
    assert (shown["state"], shown["uid"]) == ("requested", made["metadata"]["uid"])
    assert shown["service"]["metadata"]["annotations"] == {"example.com/contact": "ann"}
    assert "managedFields" not in shown["service"]["metadata"]
    exposure = world.api.eve.get(f"/v1/exposures/{shown['exposure_id']}").json
    assert (exposure["status"]["state"], exposure["spec"]["lifetime"]) == ("AwaitingApproval", "720h")
    assert [port["origin"] for port in exposure["status"]["ports"]] == ["asked", "asked"]
    assert exposure["status"]["pending"]["missing"] == ["approver"]
    assert exposure["metadata"]["team"] == "team-a"


def test_the_numbers_are_held_for_the_team_at_once_and_their_past_is_kept(world: AdoptionWorld) -> None:
    wanted = world.pending()
    assert [owner[:2] for owner in world.owners(*PORTS)] == [("held", "team-a")] * 2
    world.clock.advance(minutes=2)
    world.cycle(2)
    assert [owner[:2] for owner in world.owners(*PORTS)] == [("held", "team-a")] * 2
    before = world.api.ben.get("/v1/clusters/dev/node-ports/30021").json["history"]
    assert [(each["state"], each["owner"]["team"], each["ending"]) for each in before] == [
        ("foreign", None, "adopted")
    ]
    wanted.review()
    world.settle()
    assert [owner[:2] for owner in world.owners(*PORTS)] == [("bound", "team-a")] * 2


def test_what_is_adopted_is_live_and_its_event_shows_the_mark_alone(world: AdoptionWorld) -> None:
    wanted = world.adopted()
    status = wanted.exposure()["status"]
    assert (status["live"]["revision"], status["observed_generation"]) == (1, 1)
    assert wanted.applied()[0] == "InSync"
    events = wanted.events()
    assert list(events) == ["requested", "adoption-requested", "approved", "adopted", "live"]
    assert events["adopted"]["uid"] == wanted.read()["uid"]
    places = {change["pointer"].split("/")[-1] for change in events["adopted"]["changes"]}
    assert all(place.startswith(("wharfinger.dev~1", "app.kubernetes.io~1managed-by")) for place in places)
    assert len(places) == 6
    assert events["adoption-requested"]["annotations"] == ["example.com/contact"]


def test_what_is_adopted_is_ours_as_any_other(world: AdoptionWorld) -> None:
    wanted = world.adopted()
    world.cluster.hand_edit("team-a", "shop", lambda s: s["spec"].update(selector={"app": "mine"}))
    world.settle()
    assert wanted.service()["spec"]["selector"] == {"app": "shop"}
    world.cluster.remove("team-a", "shop")
    world.settle()
    assert [port["nodePort"] for port in wanted.service()["spec"]["ports"]] == list(PORTS)
    world.by("ann").delete(wanted.exposure_at, If_Match="*")
    world.settle()
    assert world.cluster.peek("team-a", "shop") is None
    assert [owner[0] for owner in world.owners(*PORTS)] == ["cooling", "cooling"]


def test_labels_and_annotations_of_others_stay_through_later_revisions(world: AdoptionWorld) -> None:
    wanted = world.adopted()
    assert world.by("ann").patch(wanted.exposure_at, {"spec": {"lifetime": "1h"}}).status_code == 202
    world.settle()
    metadata = wanted.service()["metadata"]
    assert metadata["labels"]["app"] == "shop"
    assert metadata["annotations"]["example.com/contact"] == "ann"


def test_a_load_balancer_is_adopted_with_its_hidden_numbers(world: AdoptionWorld) -> None:
    service = shop(
        type="LoadBalancer",
        externalTrafficPolicy="Local",
        healthCheckNodePort=30025,
        loadBalancerSourceRanges=["10.0.0.0/8"],
    )
    wanted = world.adopted(service)
    assert world.written() == ["replace"]
    assert wanted.service()["spec"]["healthCheckNodePort"] == 30025
    assert [owner[:2] for owner in world.owners(*PORTS, 30025)] == [("bound", "team-a")] * 3
    assert wanted.exposure()["spec"]["load_balancer"]["source_ranges"] == ["10.0.0.0/8"]


def test_a_service_without_node_ports_is_adopted_too(world: AdoptionWorld) -> None:
    wanted = world.adopted(shop(type="ClusterIP", ports=[{"port": 80}]))
    assert (world.written(), wanted.exposure()["spec"]["type"]) == (["replace"], "ClusterIP")


# Refused by the worker, with the reasons.


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


def test_a_policy_that_approves_by_itself_approves_an_adoption_too(world: AdoptionWorld) -> None:
    world.rules({"name": "easy", "auto": True})
    world.make()
    wanted = world.asked()
    assert (wanted.state(), world.written()) == ("adopted", ["replace"])
    assert "automatic" in wanted.events()["approved"]


# While it waits.


def test_another_service_that_takes_a_number_is_a_thief_as_always(world: AdoptionWorld) -> None:
    wanted = world.pending()

    def give_away(service: Document) -> None:
        service["spec"]["ports"] = service["spec"]["ports"][:1]

    world.cluster.hand_edit("team-a", "shop", give_away)
    world.cluster.add_service(node_port_thief(30022))
    world.cycle()
    assert world.owner(30022) == ("foreign", "team-b/thief")
    assert wanted.exposure()["status"]["state"] == "NeedsRequester"
    assert wanted.applied()[0] == "AdoptionChanged"
    wanted.review()
    world.cycle(2)
    assert (world.written(), wanted.state()) == ([], "requested")


@pytest.mark.parametrize("how", ["rejected", "withdrawn", "deleted", "expired", "invalidated"])
def test_what_comes_to_nothing_leaves_service_and_numbers_as_they_were(
    world: AdoptionWorld, how: str
) -> None:
    before = world.make()
    wanted = world.asked()
    at = wanted.exposure_at
    if how == "rejected":
        wanted.review("reject")
    elif how == "withdrawn":
        assert world.by("ann").post(f"{at}/revisions/1/withdraw", {}).status_code == 202
    elif how == "deleted":
        assert world.by("ann").delete(at, If_Match="*").status_code == 202
    elif how == "expired":
        world.clock.advance(days=15)
        world.tick()
    else:
        rule = {"expression": 'object.spec.type == "NodePort"', "message": "Not here."}
        world.rules({"name": "no-node-ports", "deny": [rule]})
        world.clock.advance(hours=2)
        world.tick()
    assert (wanted.state(), wanted.service(), world.written()) == ("ended", before, [])
    assert world.owners(*PORTS) == [("foreign", None, None)] * 2
    world.settle()
    assert world.owners(*PORTS) == [("foreign", None, None)] * 2
    assert world.owner(30021) == ("foreign", "team-a/shop")


def test_the_numbers_of_a_service_that_went_meanwhile_are_free_in_the_end(world: AdoptionWorld) -> None:
    wanted = world.pending()
    world.cluster.remove("team-a", "shop")
    world.cycle()
    wanted.review("reject")
    world.clock.advance(minutes=2)
    world.cycle()
    assert world.owners(*PORTS) == [("free", None, None)] * 2


def test_what_is_not_adopted_yet_cannot_be_changed_or_hurried(world: AdoptionWorld) -> None:
    wanted = world.pending()
    digest = wanted.exposure()["status"]["pending"]["digest"]
    change = world.by("ann").patch(wanted.exposure_at, {"spec": {"selector": {"app": "other"}}})
    emergency = {"digest": digest, "incident": "I-1", "reason": "fire", "duration": "1h"}
    hurry = world.by("max").post(f"{wanted.exposure_at}/revisions/1/break-glass", emergency)
    assert [(answer.status_code, answer.json["code"]) for answer in (change, hurry)] == [
        (409, "not-adopted")
    ] * 2


def test_an_adoption_that_is_suspended_waits_with_its_service_untouched(world: AdoptionWorld) -> None:
    wanted = world.pending().review()
    before = wanted.service()
    world.by("ann").post(f"{wanted.exposure_at}/suspend", {}, If_Match="*")
    world.settle()
    assert (wanted.service(), wanted.state()) == (before, "requested")
    assert [owner[0] for owner in world.owners(*PORTS)] == ["held", "held"]
    world.by("ann").post(f"{wanted.exposure_at}/resume", {}, If_Match="*")
    world.settle()
    assert wanted.state() == "adopted"


# What was approved is not there any more.


def remade(world: AdoptionWorld) -> None:
    world.cluster.remove("team-a", "shop")
    world.cluster.add_service(shop())


def remade_without_ports(world: AdoptionWorld) -> None:
    world.cluster.remove("team-a", "shop")
    world.cluster.add_service(shop(type="ClusterIP", ports=[{"port": 80}]))


def gone(world: AdoptionWorld) -> None:
    world.cluster.remove("team-a", "shop")


def edited(world: AdoptionWorld) -> None:
    world.cluster.hand_edit("team-a", "shop", lambda s: s["spec"].update(selector={"app": "other"}))


def dying(world: AdoptionWorld) -> None:
    world.cluster.hand_edit("team-a", "shop", lambda s: s["metadata"].update(finalizers=["example.com/x"]))
    world.cluster.remove("team-a", "shop")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (remade, "is taken in the cluster by Service team-a/shop"),
        (remade_without_ports, "was made anew"),
        (gone, "is gone"),
        (edited, "spec.selector changed"),
        (dying, "is being deleted"),
    ],
)
def test_the_approval_of_one_service_takes_over_no_other(
    world: AdoptionWorld, change: Any, words: str
) -> None:
    wanted = world.pending()
    change(world)
    wanted.review()
    for _ in range(3):
        world.clock.advance(minutes=10)
        world.cycle()
    reason, message = wanted.applied()
    assert (reason, words in message, world.written()) == ("AdoptionChanged", True, [])
    assert wanted.exposure()["status"]["state"] == "NeedsRequester"
    world.by("ann").delete(wanted.exposure_at, If_Match="*")
    world.settle()
    assert (wanted.state(), world.written()) == ("ended", [])
    assert wanted.exposure()["status"]["state"] == "Ended"
    world.clock.advance(minutes=2)
    world.cycle()
    left = "free" if change in (gone, remade_without_ports) else "foreign"
    assert world.owners(*PORTS) == [(left, None, None)] * 2


def test_a_service_that_is_put_back_as_it_was_is_adopted_after_all(world: AdoptionWorld) -> None:
    wanted = world.pending()
    edited(world)
    wanted.review()
    world.cycle()
    assert wanted.applied()[0] == "AdoptionChanged"
    world.cluster.hand_edit("team-a", "shop", lambda s: s["spec"].update(selector={"app": "shop"}))
    world.clock.advance(minutes=10)
    world.settle()
    assert wanted.state() == "adopted"


def test_a_change_between_the_last_read_and_the_mark_is_not_taken_over(world: AdoptionWorld) -> None:
    wanted = world.pending().review()
    world.cluster.before_next("replace", lambda: edited(world))
    world.cycle(2)
    assert wanted.applied()[0] == "AdoptionChanged"
    assert Mark.of(wanted.service()) is None


# Answers that get lost.


def test_a_mark_whose_answer_was_lost_is_confirmed_by_the_next_look(world: AdoptionWorld) -> None:
    wanted = world.pending().review()
    world.cluster.lose_answer_of("replace")
    world.cycle()
    assert wanted.state() == "requested"
    world.clock.advance(seconds=5)
    world.settle()
    assert (wanted.state(), world.written()) == ("adopted", ["replace"])
    assert len(wanted.events()["adopted"]["changes"]) == 6


def test_a_mark_that_was_never_confirmed_is_taken_off_again_when_the_adoption_ends(
    world: AdoptionWorld,
) -> None:
    before = world.make()
    wanted = world.asked().review()
    world.cluster.lose_answer_of("replace")
    world.cycle()
    assert Mark.of(wanted.service()) is not None
    world.by("ann").delete(wanted.exposure_at, If_Match="*")
    for _ in range(3):
        world.cycle()
        world.clock.advance(seconds=20)
    assert changed(before, wanted.service()) == set()
    assert (wanted.state(), world.written()) == ("ended", ["replace", "replace"])
    assert world.owners(*PORTS) == [("foreign", None, None)] * 2
    assert wanted.exposure()["status"]["state"] == "Ended"


def test_a_request_waits_while_its_cluster_is_away_and_says_so(world: AdoptionWorld) -> None:
    world.make()
    wanted = world.wish()
    world.cluster.away = True
    world.cycle()
    shown = world.api.ann.get(wanted.headers["Location"]).json
    assert (shown["state"], "cannot read the cluster now" in shown["message"]) == ("waiting", True)
    world.cluster.away = False
    world.cycle()
    assert world.api.ann.get(wanted.headers["Location"]).json["state"] == "requested"
