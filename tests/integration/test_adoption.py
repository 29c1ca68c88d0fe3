"""Adopting a Service that somebody else made: from the request to the mark."""

import pytest

from service.domain.errors import ClusterAway
from service.domain.manifest import Mark
from tests.conftest import Clock
from tests.integration.adoption_world import ADDRESS, PORTS, THE_MARK, AdoptionWorld, changed, shop
from tests.postgres import Database


@pytest.fixture
def world(database: Database, clock: Clock) -> AdoptionWorld:
    return AdoptionWorld(database, clock)


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
    assert changed(before, after) == THE_MARK


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
    assert wanted.kinds() == ["requested", "adoption-requested", "approved", "adopted", "live"]
    events = dict(wanted.events())
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
    assert wanted.record().revisions[0].allocation.asked() == {*PORTS, 30025}


def test_a_service_without_node_ports_is_adopted_too(world: AdoptionWorld) -> None:
    wanted = world.adopted(shop(type="ClusterIP", ports=[{"port": 80}]))
    assert (world.written(), wanted.exposure()["spec"]["type"]) == (["replace"], "ClusterIP")


def test_a_policy_that_approves_by_itself_approves_an_adoption_too(world: AdoptionWorld) -> None:
    world.rules({"name": "easy", "auto": True})
    world.make()
    wanted = world.asked()
    assert (wanted.state(), world.written()) == ("adopted", ["replace"])
    assert "automatic" in dict(wanted.events())["approved"]


def test_a_mark_whose_answer_was_lost_is_confirmed_by_the_next_look(world: AdoptionWorld) -> None:
    wanted = world.pending().review()
    world.cluster.lose_answer_of("replace")
    world.cycle()
    assert wanted.state() == "requested"
    world.clock.advance(seconds=5)
    world.looker.look(listing=False)  # what is known is from before the write
    assert (wanted.applied()[0], world.written()) == ("ClusterAway", ["replace"])
    world.settle()
    assert (wanted.state(), world.written()) == ("adopted", ["replace"])
    assert len(dict(wanted.events())["adopted"]["changes"]) == 6


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


def test_what_another_worker_decides_meanwhile_is_not_decided_twice(world: AdoptionWorld) -> None:
    world.make()
    wanted = world.wish()
    world.cluster.before_next("service", world.cycle)
    world.cycle()
    shown = world.api.ann.get(wanted.headers["Location"]).json
    assert (shown["state"], shown["faults"]) == ("requested", [])
    assert len(world.api.ann.get("/v1/exposures").json["items"]) == 1


def test_a_fault_with_one_request_is_never_anothers(world: AdoptionWorld) -> None:
    for name in ("away", "fault", "good"):
        world.cluster.add_service(shop(name, type="ClusterIP", ports=[{"port": 80}]))
        world.wish(name=name)
        world.clock.advance(seconds=1)
    world.cluster.refuse_next("service", ClusterAway("no answer"))
    world.cluster.refuse_next("service", RuntimeError("a fault of ours"))
    world.cycle()
    shown = world.api.ann.get(ADDRESS).json["items"]
    assert {item["name"]: item["state"] for item in shown} == {
        "away": "waiting",
        "fault": "refused",
        "good": "requested",
    }
    assert [fault["code"] for item in shown for fault in item["faults"]] == ["internal"]
