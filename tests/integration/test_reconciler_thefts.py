"""What becomes of an exposure whose port a foreign Service took: it moves, or waits for its requester."""

from datetime import timedelta

import pytest

from service.domain.errors import ClusterAway
from service.store import ports
from tests.conftest import Clock
from tests.integration.api_world import a_request
from tests.integration.reconciler_world import (
    COOLING,
    PORT,
    SteppingWorld,
    Story,
    assert_needs_requester,
    node_port_thief,
)
from tests.postgres import Database

CHOSEN = [{"name": "http", "port": 80}]
LAST = 30040


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    world = SteppingWorld(database, clock)
    world.cluster.add_namespace("team-b")
    return world


# A port that we chose.


def test_a_chosen_port_that_was_taken_before_the_approval_moves_and_the_review_stands(
    world: SteppingWorld,
) -> None:
    story = world.request(ports=CHOSEN)
    old = story.node_port()
    world.cluster.add_service(node_port_thief(old))
    world.cycle()
    new = story.node_port()
    assert world.owner(old) == ("foreign", "team-b/thief")
    assert world.owner(new) == ("held", "team-a/hello")
    moved = story.events()[-1]
    assert (moved["kind"], moved["revision"]) == ("port-reassigned", 1)
    assert moved["data"] == {"thief": "team-b/thief", "old": old, "new": new}
    assert story.status()["pending"]["digest"] == story.digest
    story.approve()
    world.cycle()
    assert world.service(story)["spec"]["ports"][0]["nodePort"] == new
    assert story.status()["live"] == {"revision": 1, "digest": story.digest}
    assert world.owner(new) == ("bound", "team-a/hello")


def test_a_chosen_port_that_is_stolen_just_before_our_create_moves_and_nothing_is_overwritten(
    world: SteppingWorld,
) -> None:
    story = world.approved(ports=CHOSEN)
    old = story.node_port()
    world.cluster.before_next("create", lambda: world.cluster.add_service(node_port_thief(old)))
    world.cycle()
    thief = world.cluster.peek("team-b", "thief")
    assert f"node port {old} by Service team-b/thief" in story.message()
    world.cycle()
    assert story.condition("Applied") == ("True", "InSync")
    assert story.node_port() == world.service(story)["spec"]["ports"][0]["nodePort"] != old
    assert (world.owner(old), world.owner(story.node_port())) == (
        ("foreign", "team-b/thief"),
        ("bound", "team-a/hello"),
    )
    assert world.cluster.peek("team-b", "thief") == thief
    assert story.kinds().count("port-reassigned") == 1
    assert world.written() == ["create", "create"]


def test_a_port_of_a_live_service_moves_when_a_hand_edit_let_somebody_take_it(world: SteppingWorld) -> None:
    story = world.live(ports=CHOSEN)
    old = story.node_port()
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"]["ports"][0].update(nodePort=LAST))
    world.cluster.add_service(node_port_thief(old))
    world.cycle(2)
    new = story.node_port()
    assert new != old
    assert world.service(story)["spec"]["ports"][0]["nodePort"] == new
    assert world.owner(old) == ("foreign", "team-b/thief")
    assert story.condition("Applied") == ("True", "InSync")


def test_a_number_that_the_cluster_gave_out_twice_stays_where_it_is(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.node_ports.taken.discard(PORT)
    world.cluster.add_service(node_port_thief())
    world.cycle(3)
    assert world.owner(PORT) == ("bound", "team-a/hello")
    assert story.condition("Applied") == ("True", "InSync")
    story.delete()
    world.cycle(2)
    assert world.owner(PORT) == ("foreign", "team-b/thief")


def test_with_no_port_left_it_waits_and_says_so_and_goes_on_by_itself(world: SteppingWorld) -> None:
    story = world.approved(ports=CHOSEN)
    for number in range(30000, LAST + 1):
        world.cluster.add_service(node_port_thief(number, f"thief-{number}"))
    world.cycle(3)
    assert story.condition("Allocated") == ("False", "PoolExhausted")
    assert "No other node port is free" in story.message("Allocated")
    assert (story.kinds().count("port-lost"), world.written()) == (1, [])
    world.cluster.remove("team-b", "thief-30033")
    world.cycle()
    assert story.node_port() == 30033
    assert story.condition("Applied") == ("True", "InSync")


# A port that was asked for.


@pytest.mark.parametrize("approved", [False, True])
def test_an_asked_port_that_is_taken_needs_its_requester(world: SteppingWorld, approved: bool) -> None:
    story = world.approved() if approved else world.request()
    world.cluster.add_service(node_port_thief())
    thief = world.cluster.peek("team-b", "thief")
    for _ in range(3):
        world.later(minutes=10)
    assert_needs_requester(world, story)
    assert (world.written(), world.cluster.peek("team-b", "thief")) == ([], thief)


def test_an_asked_port_that_is_stolen_just_before_our_create_needs_its_requester(
    world: SteppingWorld,
) -> None:
    story = world.approved()
    world.cluster.before_next("create", lambda: world.cluster.add_service(node_port_thief()))
    world.cycle()
    assert story.status()["state"] == "NeedsRequester"
    assert "team-b/thief" in story.message()
    world.later(minutes=10)
    assert_needs_requester(world, story)
    assert world.written() == ["create"]


@pytest.mark.parametrize("approved", [False, True])
def test_when_the_thief_goes_the_port_is_taken_back_and_it_goes_on(
    world: SteppingWorld, approved: bool
) -> None:
    story = world.approved() if approved else world.request()
    world.cluster.add_service(node_port_thief())
    world.cycle(2)
    world.cluster.remove("team-b", "thief")
    world.cycle()
    assert "port-regained" in story.kinds()
    if not approved:
        assert (story.status()["state"], world.owner(PORT)) == ("AwaitingApproval", ("held", "team-a/hello"))
        story.approve()
        world.cycle()
    assert story.condition("Applied") == ("True", "InSync")
    assert story.condition("Allocated") == ("True", "InLedger")
    assert world.owner(PORT) == ("bound", "team-a/hello")


# An exposure with a change that is open: both revisions have the number.


def numbers(world: SteppingWorld, story: Story) -> list[set[int]]:
    """Return the numbers of each revision."""
    return [set(revision.allocation.numbers()) for revision in world.record(story).revisions]


def test_a_chosen_port_that_two_revisions_have_moves_to_one_number(world: SteppingWorld) -> None:
    story = world.live(ports=CHOSEN)
    old = story.node_port()
    story.change(selector={"app": "other"})
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"]["ports"][0].update(nodePort=LAST))
    world.cluster.add_service(node_port_thief(old))
    world.cycle(2)
    new = story.node_port()
    assert new != old
    assert numbers(world, story) == [{new}, {new}]
    assert [e["revision"] for e in story.events() if e["kind"] == "port-reassigned"] == [1, 2]
    assert world.owner(new) == ("bound", "team-a/hello")


def test_an_asked_port_that_two_revisions_have_is_taken_back_once(world: SteppingWorld) -> None:
    story = world.live()
    story.change(selector={"app": "other"})
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"]["ports"][0].update(nodePort=LAST))
    world.cluster.add_service(node_port_thief())
    world.cycle(2)
    assert world.owner(PORT) == ("foreign", "team-b/thief")
    world.cluster.remove("team-b", "thief")
    world.cycle(3)
    assert world.owner(PORT) == ("bound", "team-a/hello")
    assert story.condition("Applied") == ("True", "InSync")
    assert (story.kinds().count("port-lost"), story.kinds().count("port-regained")) == (1, 1)


def test_of_a_port_that_one_revision_asks_for_and_another_was_given_only_the_latter_moves(
    world: SteppingWorld,
) -> None:
    story = world.live()
    story.change(ports=[{**CHOSEN[0], "target_port": 9000}])
    assert numbers(world, story) == [{PORT}, {PORT}]
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"]["ports"][0].update(nodePort=LAST))
    world.cluster.add_service(node_port_thief())
    world.cycle(2)
    first, second = numbers(world, story)
    assert first == {PORT} != second
    assert story.status()["state"] == "NeedsRequester"


def test_what_is_live_is_healed_while_an_open_change_has_lost_its_port(world: SteppingWorld) -> None:
    story = world.live()
    story.change(ports=[{**CHOSEN[0], "node_port": LAST}])
    world.cluster.add_service(node_port_thief(LAST))
    world.cycle(2)
    assert story.condition("Applied") == ("True", "InSync")
    world.cluster.remove("team-a", "hello")
    world.cycle(2)
    assert world.service(story)["spec"]["ports"][0]["nodePort"] == PORT
    said = story.kinds()
    world.cycle(3)
    assert story.kinds() == said


def test_a_change_that_does_without_a_lost_port_is_made(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.remove("team-a", "hello")
    world.cluster.add_service(node_port_thief())
    world.cycle(2)
    assert story.status()["state"] == "NeedsRequester"
    digest = story.change(ports=[{**CHOSEN[0], "node_port": LAST}])["pending"]["digest"]
    story.approve(2, digest)
    world.cycle(2)
    assert world.service(story)["spec"]["ports"][0]["nodePort"] == LAST
    assert story.condition("Applied") == ("True", "InSync")
    assert story.condition("Allocated") == ("True", "InLedger")


def test_an_exposure_without_its_port_can_be_taken_back(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.before_next("create", lambda: world.cluster.add_service(node_port_thief()))
    world.cycle(2)
    story.delete()
    world.cycle(2)
    assert (story.status()["state"], world.owner(PORT)) == ("Ended", ("foreign", "team-b/thief"))
    assert world.cluster.peek("team-b", "thief") is not None


# Never free while the cluster may have it.


def test_while_a_lost_create_may_arrive_a_stranger_is_no_proof_of_a_loss(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cluster.before_next("create", lambda: world.cluster.add_service(node_port_thief()))
    world.cycle()
    world.cycle()
    assert world.owner(PORT) == ("bound", "team-a/hello")
    world.later(seconds=20)
    world.later(seconds=20)
    assert_needs_requester(world, story)


def test_tries_that_were_answered_do_not_put_off_the_news_of_a_theft(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle()
    world.cluster.add_service(node_port_thief())
    for _ in range(7):
        world.later(seconds=2)
    assert world.written().count("create") > 2
    assert world.owner(PORT) == ("bound", "team-a/hello")
    world.later(seconds=2)
    world.cycle()
    assert_needs_requester(world, story)


def test_a_create_that_arrived_after_all_keeps_its_port_through_a_withdrawal(world: SteppingWorld) -> None:
    story = world.approved()
    world.cluster.lose_answer_of("create")
    world.cycle()
    story.delete()
    answers = []

    def ask() -> None:
        body = a_request()
        body["metadata"]["name"] = "other"
        body["metadata"] |= {"namespace": "team-b", "team": "team-b"}
        answers.append(world.api.ben.post("/v1/exposures", body).json["code"])

    ask()
    world.cluster.before_next("delete", ask)
    world.cycle(2)
    ask()
    assert answers == ["node-port-taken"] * 3
    assert (world.owner(PORT), world.is_gone(story)) == (("cooling", "team-a/hello"), True)
    world.clock.advance(seconds=COOLING.total_seconds() + 1)
    body = a_request()
    body["metadata"] |= {"name": "other", "namespace": "team-b", "team": "team-b"}
    assert world.api.ben.post("/v1/exposures", body).status_code == 201


def test_a_foreign_service_on_a_cooling_port_takes_it_over(world: SteppingWorld) -> None:
    story = world.live()
    story.delete()
    world.cycle(2)
    world.cluster.add_service(node_port_thief())
    world.cycle()
    assert world.owner(PORT) == ("foreign", "team-b/thief")
    with world.transaction() as session:
        claim = ports.get(session, "dev", PORT)
    assert claim is not None
    assert claim.since is not None
    assert world.clock() - claim.since < timedelta(seconds=1)
