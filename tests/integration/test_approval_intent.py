"""Suspend, resume, and the clock: lifetimes, reminders, renewals, requests that nobody decides."""

import pytest

from tests.conftest import Clock
from tests.integration.approval_world import ApprovalWorld
from tests.postgres import Database


@pytest.fixture
def world(database: Database, clock: Clock) -> ApprovalWorld:
    return ApprovalWorld(database, clock)


def test_a_suspension_takes_the_service_out_and_keeps_the_port(world: ApprovalWorld) -> None:
    case = world.alive()

    assert case.act("suspend").status_code == 202
    world.settle()

    assert (case.state(), case.in_cluster(), case.decisions()) == ("Suspended", False, ["live"])
    assert world.by("ann").get("/v1/clusters/dev/node-ports/30007").json["state"] == "bound"
    assert case.status()["access"] == []


def test_a_resume_needs_no_review(world: ApprovalWorld) -> None:
    case = world.alive()
    case.act("suspend")
    world.settle()

    assert case.act("resume").status_code == 202
    world.settle()

    assert (case.state(), case.in_cluster()) == ("Active", True)
    assert case.status()["ports"][0]["node_port"] == 30007


def test_both_are_safe_to_repeat(world: ApprovalWorld) -> None:
    case = world.alive()
    case.act("suspend")
    assert case.act("suspend").status_code == 202
    case.act("resume")
    assert case.act("resume").status_code == 202
    assert case.kinds().count("suspended") == case.kinds().count("resumed") == 1


def test_a_suspended_exposure_can_be_deleted_and_its_port_cools(world: ApprovalWorld) -> None:
    case = world.alive()
    case.act("suspend")
    world.settle()

    world.by("ann").delete(case.at, If_Match="*")
    world.settle()

    assert case.status()["reason"] == "Deleted"
    assert world.by("ann").get("/v1/clusters/dev/node-ports/30007").json["state"] == "cooling"


def test_what_is_suspended_before_its_approval_is_not_applied(world: ApprovalWorld) -> None:
    case = world.ask()
    case.act("suspend")
    case.approve("eve")
    world.settle()
    assert not case.in_cluster()

    case.act("resume")
    world.settle()

    assert case.in_cluster()


def test_another_team_and_an_approver_cannot_suspend(world: ApprovalWorld) -> None:
    case = world.alive()

    assert case.act("suspend", "ben").status_code == 404
    assert case.act("suspend", "eve").status_code == 403


def test_a_pending_request_is_called_to_mind_and_expires(world: ApprovalWorld, clock: Clock) -> None:
    case = world.ask()
    seen = []
    for days in (6, 2, 5, 2):
        clock.advance(days=days)
        world.tick()
        seen.append((case.kinds().count("reminder"), case.state()))

    assert seen == [
        (0, "AwaitingApproval"),
        (1, "AwaitingApproval"),
        (2, "AwaitingApproval"),
        (2, "Ended"),
    ]
    assert case.status()["reason"] == "Expired"
    assert world.by("ann").get("/v1/clusters/dev/node-ports/30007").json["state"] == "free"


def test_what_was_approved_and_never_applied_expires_after_a_week(world: ApprovalWorld, clock: Clock) -> None:
    world.cycle()
    case = world.ask().approve("eve")
    clock.advance(days=7, seconds=-1)
    world.tick()
    assert case.decisions() == ["approved"]

    clock.advance(seconds=1)
    world.tick()

    assert (case.decisions(), case.status()["reason"]) == (["expired"], "Expired")


def test_an_approval_does_not_expire_while_nobody_knows_the_cluster(
    world: ApprovalWorld, clock: Clock
) -> None:
    case = world.ask().approve("eve")
    clock.advance(days=30)

    world.tick()

    assert case.decisions() == ["approved"]


def test_a_lifetime_counts_from_the_first_ready(world: ApprovalWorld, clock: Clock) -> None:
    case = world.ask(lifetime="10h").approve("eve")
    world.settle()
    clock.advance(hours=3)
    world.cluster.add_endpoints("team-a", "hello")
    world.settle()

    assert case.status()["lifetime"]["ends_at"] == "2030-01-02T01:00:00Z"


def test_a_lifetime_counts_a_day_after_the_apply_at_the_latest(world: ApprovalWorld, clock: Clock) -> None:
    case = world.ask(lifetime="10h").approve("eve")
    world.settle()

    clock.advance(hours=25)
    world.tick()

    assert case.status()["lifetime"] == {
        "started_at": "2030-01-02T12:00:00Z",
        "ends_at": "2030-01-02T22:00:00Z",
        "suspension": None,
    }


def test_at_its_end_an_exposure_is_suspended_and_after_the_grace_removed(
    world: ApprovalWorld, clock: Clock
) -> None:
    case = world.alive(lifetime="10h")
    clock.advance(hours=10)
    world.tick()
    world.settle()
    assert (case.state(), case.in_cluster()) == ("Suspended", False)
    assert case.status()["lifetime"]["suspension"] == "expired"

    clock.advance(days=7)
    world.tick()
    world.settle()

    assert (case.state(), case.status()["reason"]) == ("Ended", "Expired")


def test_an_end_is_called_to_mind_in_proportion(world: ApprovalWorld, clock: Clock) -> None:
    case = world.alive(lifetime="28h")
    seen = []
    for hours in (13, 2, 9, 2, 1, 1):
        clock.advance(hours=hours)
        world.tick()
        seen.append(case.kinds().count("reminder"))

    assert seen == [0, 1, 1, 2, 3, 3]


def test_a_resume_after_the_end_is_refused(world: ApprovalWorld, clock: Clock) -> None:
    case = world.alive(lifetime="10h")
    clock.advance(hours=10)
    world.tick()

    answer = case.act("resume")

    assert (answer.status_code, answer.json["code"]) == (409, "cannot-resume")
    assert "Renew it" in answer.json["detail"]


def test_a_resume_after_the_end_is_refused_before_the_clock_has_looked(
    world: ApprovalWorld, clock: Clock
) -> None:
    case = world.alive(lifetime="10h")
    case.act("suspend")
    clock.advance(hours=10)

    assert case.act("resume").json["code"] == "cannot-resume"


def test_a_shorter_life_moves_the_end_that_is_counted_from_the_same_start(
    world: ApprovalWorld, clock: Clock
) -> None:
    case = world.alive(lifetime="10h")
    clock.advance(hours=2)
    case.change(lifetime="5h")
    world.settle()

    assert case.status()["lifetime"]["ends_at"] == "2030-01-01T17:00:00Z"


def test_a_renewal_has_the_same_digest_and_starts_the_clock_anew(world: ApprovalWorld, clock: Clock) -> None:
    case = world.alive(lifetime="10h")
    clock.advance(hours=9)

    answer = case.act("renewals", body={"justification": "still shown"})
    assert answer.status_code == 202
    case.approve("eve")
    world.settle()

    second = case.revision(2)
    assert (second["kind"], second["digest"]) == ("renewal", case.revision(1)["digest"])
    assert case.status()["lifetime"]["ends_at"] == "2030-01-02T07:00:00Z"


def test_a_renewal_lifts_the_suspension_of_the_end(world: ApprovalWorld, clock: Clock) -> None:
    case = world.alive(lifetime="10h")
    clock.advance(hours=11)
    world.tick()
    world.settle()

    case.act("renewals")
    case.approve("eve")
    world.settle()

    assert (case.state(), case.in_cluster()) == ("Active", True)


def test_a_renewal_that_the_clock_sees_before_the_worker_is_not_undone(
    world: ApprovalWorld, clock: Clock
) -> None:
    case = world.alive(lifetime="10h")
    clock.advance(hours=11)
    world.tick()
    case.act("renewals")
    case.approve("eve")

    world.tick()
    world.settle()

    assert (case.state(), case.in_cluster()) == ("Active", True)


def test_what_is_not_live_cannot_be_renewed(world: ApprovalWorld) -> None:
    assert world.ask().act("renewals").json["code"] == "nothing-to-renew"


def test_what_has_no_end_cannot_be_renewed(world: ApprovalWorld) -> None:
    assert world.alive(lifetime=None).act("renewals").json["code"] == "nothing-to-renew"


def test_a_clock_that_stood_still_does_the_same_as_one_that_ran(world: ApprovalWorld, clock: Clock) -> None:
    case = world.alive(lifetime="10h")

    clock.advance(days=30)
    world.tick()
    world.settle()

    assert case.status()["state"] == "Suspended"  # the time of grace counts from the suspension
    assert world.tick() == 0
