"""Adoptions that come to nothing: the Service is untouched, and its numbers are its own at every moment."""

from typing import Any

import pytest

from service.domain.manifest import Mark
from service.domain.spec import Document
from tests.conftest import Clock
from tests.integration.adoption_world import PORTS, AdoptionWorld, changed, shop
from tests.integration.reconciler_world import node_port_thief
from tests.postgres import Database

NO_NODE_PORTS: Document = {
    "name": "no-node-ports",
    "deny": [{"expression": 'object.spec.type == "NodePort"', "message": "Not here."}],
}


@pytest.fixture
def world(database: Database, clock: Clock) -> AdoptionWorld:
    return AdoptionWorld(database, clock)


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


@pytest.mark.parametrize(
    "how", ["rejected", "withdrawn", "deleted", "expired", "invalidated", "forbidden when approved"]
)
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
    elif how == "invalidated":
        world.rules(NO_NODE_PORTS)
        world.clock.advance(hours=2)
        world.tick()
    else:
        wanted.review()
        world.rules(NO_NODE_PORTS)
        world.cycle()
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


def owned(world: AdoptionWorld) -> None:
    owner = {"kind": "Shop", "name": "main", "uid": "u"}
    world.cluster.hand_edit("team-a", "shop", lambda s: s["metadata"].update(ownerReferences=[owner]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (remade, "is taken in the cluster by Service team-a/shop"),
        (remade_without_ports, "was made anew"),
        (gone, "is gone"),
        (edited, "spec.selector changed"),
        (dying, "is being deleted"),
        (owned, "/metadata/ownerReferences changed"),
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
    assert len([kind for kind in wanted.kinds() if kind in ("apply-failed", "port-lost")]) == 1
    assert (reason, words in message, world.written()) == ("AdoptionChanged", True, [])
    assert wanted.exposure()["status"]["state"] == "NeedsRequester"
    wanted.delete()
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


@pytest.mark.parametrize("how", ["its answer was lost", "it was taken back meanwhile"])
def test_a_mark_that_was_never_confirmed_is_taken_off_again(world: AdoptionWorld, how: str) -> None:
    before = world.make()
    wanted = world.asked().review()
    if how == "its answer was lost":
        world.cluster.lose_answer_of("replace")
    else:
        world.cluster.before_next("replace", wanted.delete)
    world.cycle()
    assert Mark.of(wanted.service()) is not None
    wanted.delete()
    for _ in range(3):
        world.cycle()
        world.clock.advance(seconds=20)
    assert changed(before, wanted.service()) == set()
    assert (wanted.state(), world.written()) == ("ended", ["replace", "replace"])
    assert world.owners(*PORTS) == [("foreign", None, None)] * 2
    assert wanted.exposure()["status"]["state"] == "Ended"


def test_what_a_webhook_changed_with_the_mark_is_not_adopted_and_never_deleted(world: AdoptionWorld) -> None:
    wanted = world.pending().review()
    world.cluster.mutate_writes(lambda s: s["spec"].update(selector={"app": "webhook"}))
    world.cycle()
    assert (wanted.applied()[0], wanted.state()) == ("ChangedByCluster", "requested")
    world.cluster.mutate_writes(None)
    wanted.delete()
    for _ in range(3):
        world.cycle()
        world.clock.advance(seconds=20)
    assert (wanted.state(), world.written()) == ("ended", ["replace", "replace"])
    assert Mark.of(wanted.service()) is None


def test_an_end_after_a_failure_of_ours_frees_no_number(world: AdoptionWorld) -> None:
    wanted = world.pending().review()
    world.tamper("UPDATE revision SET manifest = jsonb_set(manifest, '{spec,selector,app}', '\"evil\"')")
    world.cycle()
    assert (wanted.applied()[0], world.written()) == ("DigestMismatch", [])
    wanted.delete()
    assert [owner[:2] for owner in world.owners(*PORTS)] == [("held", "team-a")] * 2
    world.cycle()
    assert world.owners(*PORTS) == [("foreign", None, None)] * 2
