"""What the worker makes of drift: healed and explained, a fight spaced out, or kept for people."""

from collections.abc import Callable

import pytest

from service.domain.cluster import OnDrift, Rules
from service.domain.drift import MOST_HEALS
from service.domain.errors import WriteForbidden
from service.domain.exposure import SyncState
from service.domain.spec import Document
from service.reconciler.backoff import CAP_SECONDS
from tests.conftest import Clock
from tests.integration.reconciler_world import PORT, SteppingWorld, Story, seconds
from tests.postgres import Database

REPORT = Rules(drift=OnDrift.REPORT)


@pytest.fixture
def world(database: Database, clock: Clock) -> SteppingWorld:
    return SteppingWorld(database, clock)


def steal(world: SteppingWorld, app: str = "thief", manager: str = "kubectl-edit") -> None:
    """Let somebody change the selector."""
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].update(selector={"app": app}), manager)


def last(story: Story, kind: str) -> Document:
    """Return the data of the last event of a kind."""
    return dict([event["data"] for event in story.events() if event["kind"] == kind][-1])


def fight(world: SteppingWorld, times: int = MOST_HEALS + 1, manager: str = "operator") -> None:
    """Let a controller undo each heal at once."""
    for _ in range(times):
        steal(world, manager=manager)
        world.cycle()


# Healed.


def test_a_heal_says_what_differed_and_who_wrote_it(world: SteppingWorld) -> None:
    story = world.live()
    steal(world)
    world.cycle()
    assert (world.written(), story.condition("Applied")) == (["replace"], ("True", "InSync"))
    told = last(story, "drift-healed")
    assert told["diff"] == [{"path": "spec.selector[app]", "approved": "hello", "found": "thief"}]
    assert (told["manager"], told["operation"], told["others"]) == ("kubectl-edit", "Update", [])
    assert told["at"].endswith("Z")


def test_several_writers_are_all_named(world: SteppingWorld) -> None:
    story = world.live()
    steal(world, manager="helm")
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"]["ports"][0].update(port=81), "argo")
    world.cycle()
    told = last(story, "drift-healed")
    assert {told["manager"], *(other["manager"] for other in told["others"])} == {"helm", "argo"}


def test_nobody_is_named_for_what_was_taken_out(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"].pop("selector"))
    world.cycle()
    told = last(story, "drift-healed")
    assert (told["manager"], told["diff"][0]["found"]) == (None, None)


def test_what_is_endless_or_cannot_be_stored_is_told_all_the_same(world: SteppingWorld) -> None:
    story = world.live()

    def scrawl(service: Document) -> None:
        service["metadata"]["annotations"]["wharfinger.dev/digest"] = "\0" + "x" * 100_000
        service["spec"]["externalIPs"] = [f"192.0.2.{n}" for n in range(250)]

    world.cluster.hand_edit("team-a", "hello", scrawl)
    world.cycle()
    assert story.condition("Applied") == ("True", "InSync")
    assert len(str(last(story, "drift-healed"))) < 3000


def test_a_service_deleted_by_hand_is_made_again_at_its_address(world: SteppingWorld) -> None:
    story = world.live()
    address = world.service(story)["spec"]["clusterIP"]
    world.cluster.remove("team-a", "hello")
    world.cycle()
    assert (world.service(story)["spec"]["clusterIP"], story.kinds()[-1]) == (address, "recreated")
    assert world.claimed() == "bound"


def test_another_address_will_do_when_the_old_one_is_taken(world: SteppingWorld) -> None:
    story = world.live()
    address = world.service(story)["spec"]["clusterIP"]
    world.cluster.remove("team-a", "hello")
    thief = {"type": "ClusterIP", "ports": [{"port": 80}], "clusterIP": address}
    world.cluster.add_service({"metadata": {"namespace": "team-a", "name": "thief"}, "spec": thief})
    world.cycle()
    assert story.condition("Applied") == ("False", "AddressRefused")
    world.later(seconds=2)
    assert story.condition("Applied") == ("True", "InSync")
    assert world.service(story)["spec"]["clusterIP"] != address


# A namespace that is gone or going.


@pytest.mark.parametrize("how", ["gone", "going"])
def test_without_its_namespace_it_waits_and_is_made_again_when_that_returns(
    world: SteppingWorld, how: str
) -> None:
    story = world.live()
    world.cluster.remove("team-a", "hello")
    world.cluster.end_namespace("team-a")
    if how == "gone":
        world.cluster.forget_namespace("team-a")
    world.cycle(5)
    reason = {"gone": "NamespaceMissing", "going": "NamespaceTerminating"}[how]
    assert (story.condition("Applied"), world.written()) == (("False", reason), ["create"])
    assert ("make it" if how == "gone" else "finalizer") in story.message()
    for _ in range(4):
        world.later(seconds=100)
    world.cluster.add_namespace("team-a")
    world.later(minutes=5)
    assert (story.condition("Applied"), world.claimed()) == (("True", "InSync"), "bound")


def test_what_was_taken_back_meanwhile_does_not_return_with_its_namespace(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster.remove("team-a", "hello")
    world.cluster.forget_namespace("team-a")
    world.cycle()
    story.delete()
    world.cycle()
    world.cluster.add_namespace("team-a")
    world.later(minutes=10)
    assert (story.status()["state"], world.is_gone(story)) == ("Ended", True)


# A fight.


def test_five_heals_in_a_minute_are_no_fight(world: SteppingWorld) -> None:
    story = world.live()
    fight(world, MOST_HEALS)
    assert (story.condition("Applied"), len(world.written())) == (("True", "InSync"), 5)


def test_a_fight_is_told_once_and_names_who_fights(world: SteppingWorld) -> None:
    story = world.live()
    fight(world)
    assert story.condition("Applied") == ("False", "Fight")
    assert "operator" in story.message()
    assert story.status()["state"] == "Degraded"
    for _ in range(2):
        steal(world, manager="operator")
        world.later(minutes=6)
    assert story.kinds().count("drift-fight") == 1
    assert last(story, "drift-fight")["by"] == "operator"


def test_a_fight_is_spaced_out_up_to_five_minutes(world: SteppingWorld) -> None:
    story = world.live()
    fight(world)
    pauses = []
    for _ in range(11):
        steal(world, manager="operator")
        world.cluster.calls.clear()
        rest = seconds(world.record(story).sync.next_attempt_at, world.clock())
        world.later(seconds=rest - 0.01)
        assert world.written() == []
        world.later(seconds=0.01)
        assert world.written() == ["replace"]
        pauses.append(rest)
    fulls = [min(2.0**n, CAP_SECONDS) for n in range(11)]
    assert all(full / 2 <= pause <= full for full, pause in zip(fulls, pauses, strict=True))


def test_peace_for_a_minute_ends_a_fight(world: SteppingWorld) -> None:
    story = world.live()
    fight(world, MOST_HEALS + 3)
    world.later(seconds=30)
    world.later(seconds=29)
    assert story.condition("Applied") == ("False", "Fight")
    world.later(minutes=6)
    assert story.condition("Applied") == ("True", "InSync")
    world.cycle(3)
    assert story.kinds().count("drift-fight-over") == 1
    assert world.record(story).sync.heals == 0


def test_slow_drift_is_no_fight_however_long_it_goes_on(world: SteppingWorld) -> None:
    story = world.live()
    for _ in range(MOST_HEALS + 2):
        steal(world)
        world.later(seconds=13)
    assert "drift-fight" not in story.kinds()


def test_who_deletes_again_and_again_is_in_a_fight_too(world: SteppingWorld) -> None:
    story = world.live()
    for _ in range(MOST_HEALS + 1):
        world.cluster.remove("team-a", "hello")
        world.cycle()
    world.cluster.remove("team-a", "hello")
    world.cycle(10)
    assert story.condition("Applied") == ("False", "Fight")
    assert world.written().count("create") == MOST_HEALS + 1


def test_a_removal_waits_for_no_fight(world: SteppingWorld) -> None:
    story = world.live()
    fight(world, MOST_HEALS + 2)
    story.delete()
    world.cycle()
    assert (story.status()["state"], world.claimed()) == ("Ended", "cooling")


def test_a_heal_that_is_refused_in_a_fight_still_counts_what_was_healed(world: SteppingWorld) -> None:
    story = world.live()
    fight(world, MOST_HEALS)
    world.cluster.refuse_next("replace", WriteForbidden("no"))
    steal(world)
    world.cycle()
    assert story.condition("Applied") == ("False", "Forbidden")
    world.later(seconds=2)
    assert story.condition("Applied") == ("False", "Fight")


# Kept for people.


def test_report_mode_leaves_drift_and_says_what_and_who(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster_rules = REPORT
    steal(world)
    world.cycle()
    assert (world.written(), world.record(story).sync.state) == ([], SyncState.DRIFTED)
    assert story.condition("Applied") == ("False", "Drifted")
    assert 'spec.selector[app] is "thief" and not "hello" (written by kubectl-edit)' in story.message()
    assert story.status()["state"] == "Degraded"
    assert last(story, "drift-seen")["diff"][0]["path"] == "spec.selector[app]"


def test_drift_that_is_known_is_told_once_and_costs_no_call(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster_rules = REPORT
    steal(world)
    world.cycle()
    before = story.etag()
    world.cluster.calls.clear()
    assert world.cycle(5) == 0
    assert [call for call in world.cluster.calls if call.method == "service"] == []
    world.cluster.set_ingress("team-a", "hello", "192.0.2.99")
    world.cycle()
    assert (story.kinds().count("drift-seen"), story.etag() != before) == (1, True)
    steal(world, "another")
    world.cycle()
    assert story.kinds().count("drift-seen") == 2


def test_drift_that_somebody_undoes_is_gone(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster_rules = REPORT
    steal(world)
    world.cycle()
    steal(world, "hello")
    world.cycle()
    assert (story.condition("Applied"), story.kinds()[-1]) == (("True", "InSync"), "drift-gone")
    assert (world.written(), world.record(story).sync.drift) == ([], None)


def test_a_cluster_that_heals_again_heals_what_was_kept(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster_rules = REPORT
    steal(world)
    world.cycle()
    world.cluster_rules = Rules()
    world.cycle()
    assert (story.condition("Applied"), world.written()) == (("True", "InSync"), ["replace"])
    assert story.kinds()[-2:] == ["drift-seen", "drift-healed"]


def test_a_deleted_service_is_made_again_in_report_mode_too(world: SteppingWorld) -> None:
    story = world.live()
    world.cluster_rules = REPORT
    world.cluster.remove("team-a", "hello")
    world.cycle()
    assert (world.written(), story.condition("Applied")) == (["create"], ("True", "InSync"))
    assert world.service(story)["spec"]["ports"][0]["nodePort"] == PORT


KINDS: dict[str, Callable[[Document], object]] = {
    "mark": lambda s: s["metadata"]["labels"].clear(),
    "ports": lambda s: s["spec"]["ports"][0].update(port=81),
    "type": lambda s: s["spec"].update(type="LoadBalancer"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_drifts_is_left_in_report_mode_and_removed_with_its_exposure(
    world: SteppingWorld, kind: str
) -> None:
    story = world.live()
    world.cluster_rules = REPORT
    world.cluster.hand_edit("team-a", "hello", KINDS[kind])
    world.cycle(2)
    assert (world.written(), story.condition("Applied")) == ([], ("False", "Drifted"))
    story.delete()
    world.cycle()
    assert (story.status()["state"], world.is_gone(story)) == ("Ended", True)
