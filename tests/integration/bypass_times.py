"""Attempts round a review by time: clocks, pauses, renewals, emergencies."""

from service.domain.principal import Role
from tests.integration.approval_world import Case
from tests.integration.bypass import EASY, NO_NODE_PORTS, Answer, Ground, Table

TABLE = Table()
answers = TABLE.answers
FREEZE = {"begins_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-03T12:00:00Z", "reason": "end of year"}


def shown(case: Case) -> Answer:
    """Return what the exposure says of itself."""
    return case.world.by("ann").get(case.at)


def glass(case: Case, who: str = "max", **fields: object) -> Answer:
    """Break the glass over the newest revision."""
    digest = case.revision(case.newest())["digest"]
    body = {"digest": digest, "incident": "INC-1", "reason": "the shop is down", "duration": "4h"} | fields
    return case.act(f"revisions/{case.newest()}/break-glass", who, body)


def broken(ground: Ground, who: str = "max", **spec: object) -> Case:
    """Return an exposure that is live by break-glass alone."""
    case = ground.ask(**spec)
    assert glass(case, who).status_code == 202
    ground.settle()
    ground.cluster.calls.clear()
    assert case.decisions() == ["live"]
    return case


def gone_by_the_clock(ground: Ground, case: Case) -> None:
    """Let the clock and the worker take away what is over: their writes are not the attempt's."""
    ground.tick()
    ground.settle()
    assert not case.in_cluster()
    ground.cluster.calls.clear()


# Pauses and the lifetime


@answers(409, "cannot-resume", "Its lifetime is over. Renew it", "live")
def it_is_resumed_after_its_end(ground: Ground) -> Answer:
    case = ground.live(lifetime="10h")
    ground.clock.advance(hours=10)
    gone_by_the_clock(ground, case)
    return case.act("resume")


@answers(409, "cannot-resume", "Its lifetime is over. Renew it", "live")
def it_sleeps_over_its_end_and_wakes(ground: Ground) -> Answer:
    case = ground.live(lifetime="10h")
    case.act("suspend")
    gone_by_the_clock(ground, case)
    ground.clock.advance(hours=11)
    ground.tick()
    return case.act("resume")


@answers(409, "cannot-resume", "Its lifetime is over. Renew it", "live")
def it_wakes_in_the_second_of_its_end_before_the_clock_looks(ground: Ground) -> Answer:
    case = ground.live(lifetime="10h")
    case.act("suspend")
    gone_by_the_clock(ground, case)
    ground.clock.advance(hours=10)
    return case.act("resume")


@answers(202, None, "It ends later", "live", "pending")
def an_ended_lifetime_is_made_longer(ground: Ground) -> Answer:
    case = ground.live(lifetime="10h")
    ground.clock.advance(hours=10)
    gone_by_the_clock(ground, case)
    return case.change(lifetime="20h")


@answers(200, None, '"suspension":"expired"', "live", "approved")
def a_longer_lifetime_wakes_what_has_ended(ground: Ground) -> Answer:
    case = ground.live(lifetime="10h")
    ground.clock.advance(hours=10)
    gone_by_the_clock(ground, case)
    case.change(lifetime="20h")
    return shown(case.approve("eve"))


@answers(403, "policy-denied", "Not here.", "live")
def it_sleeps_over_a_new_rule_and_wakes(ground: Ground) -> Answer:
    case = ground.live()
    case.act("suspend")
    gone_by_the_clock(ground, case)
    ground.rules(NO_NODE_PORTS, keep=True)
    return case.act("resume")


@answers(202, None, '"missing":["approver"]', "retired", "live", "pending")
def it_is_renewed_for_ever(ground: Ground) -> Answer:
    ground.rules(EASY | {"lifetime": {"max": "10h", "max_total": "20h"}})
    case = ground.live(lifetime="10h")
    ground.clock.advance(hours=9)
    case.act("renewals")
    ground.settle()
    ground.clock.advance(hours=9)
    ground.cluster.calls.clear()
    return case.act("renewals")


@answers(202, None, '"missing":["approver"]', "retired", "live", "pending")
def a_short_renewal_is_made_long_afterwards(ground: Ground) -> Answer:
    ground.rules(EASY | {"lifetime": {"max": "10h", "max_total": "12h"}})
    case = ground.live(lifetime="5h")
    ground.clock.advance(hours=4)
    case.act("renewals")
    ground.settle()
    ground.cluster.calls.clear()
    return case.change(lifetime="10h")


@answers(200, None, '"suspension":null', "live", "approved")
def the_clock_is_faster_than_an_approved_renewal(ground: Ground) -> Answer:
    """Not an attempt to get more, but less: what was approved is not taken back by the old end."""
    case = ground.live(lifetime="10h")
    ground.by("pia").put("/v1/clusters/dev/freezes/xmas", FREEZE)
    case.act("renewals")
    case.approve("eve")
    ground.clock.advance(hours=10)
    ground.tick()
    return shown(case)


@answers(409, "nothing-to-renew", "A change waits", "live", "pending")
def a_renewal_takes_a_change_along(ground: Ground) -> Answer:
    case = ground.live()
    case.change(selector={"app": "database"})
    return case.act("renewals")


@answers(422, "invalid", "#/spec", "live")
def a_renewal_brings_other_content(ground: Ground) -> Answer:
    return ground.live().act("renewals", body={"spec": {"selector": {"app": "database"}}})


@answers(202, None, "It can select other pods", "live", "superseded", "pending")
def content_is_changed_under_a_renewal(ground: Ground) -> Answer:
    case = ground.live()
    case.act("renewals")
    return case.change(selector={"app": "database"})


@answers(403, "forbidden", "Only a requester of team team-a", "live")
def an_approver_renews_it_himself(ground: Ground) -> Answer:
    return ground.live().act("renewals", "eve")


@answers(200, None, '"reason":"Expired"', "expired")
def an_approval_is_kept_for_a_rainy_day(ground: Ground) -> Answer:
    ground.cycle()
    case = ground.ask().approve("eve")
    ground.clock.advance(days=7)
    ground.tick()
    return shown(case)


@answers(200, None, '"state":"Scheduled"', "approved")
def it_goes_a_second_before_its_start(ground: Ground) -> Answer:
    case = ground.ask(not_before="2030-01-02T12:00:00Z").approve("eve")
    ground.clock.advance(hours=24, seconds=-1)
    return shown(case)


@answers(200, None, "change freeze xmas", "approved")
def it_goes_a_second_before_the_freeze_is_over(ground: Ground) -> Answer:
    ground.by("pia").put("/v1/clusters/dev/freezes/xmas", FREEZE)
    case = ground.ask().approve("eve")
    ground.clock.advance(days=2, seconds=-1)
    return shown(case)


@answers(403, "forbidden", "Only the platform", "approved")
def the_requester_lifts_the_freeze(ground: Ground) -> Answer:
    ground.by("pia").put("/v1/clusters/dev/freezes/xmas", FREEZE)
    ground.ask().approve("eve")
    return ground.by("ann").delete("/v1/clusters/dev/freezes/xmas")


# Break-glass


@answers(403, "forbidden", "a person with the role break-glass")
def the_glass_is_broken_without_the_role(ground: Ground) -> Answer:
    return glass(ground.ask(), "eve")


@answers(403, "forbidden", "a person with the role break-glass")
def the_glass_is_broken_by_a_service_account(ground: Ground) -> Answer:
    return glass(ground.ask(), "bot")


@answers(403, "policy-denied", "Not here.", "invalidated")
def the_glass_is_broken_against_a_rule(ground: Ground) -> Answer:
    case = ground.ask()
    ground.rules(NO_NODE_PORTS, keep=True)
    return glass(case)


@answers(422, "invalid", "at most 24 hours")
def the_glass_is_broken_for_too_long(ground: Ground) -> Answer:
    return glass(ground.ask(), duration="24h1s")


@answers(412, "digest-mismatch", "digest", "superseded", "pending")
def the_glass_is_broken_over_what_was_not_read(ground: Ground) -> Answer:
    case = ground.ask()
    read = case.revision(1)["digest"]
    case.change(selector={"app": "database"})
    return glass(case, digest=read)


@answers(409, "already-decided", "is over since", "expired")
def the_glass_is_broken_when_the_waiting_time_is_over(ground: Ground) -> Answer:
    case = ground.ask()
    ground.clock.advance(days=14)
    return glass(case)


@answers(200, None, '"reason":"Expired"', "retired")
def the_glass_is_never_looked_at_again(ground: Ground) -> Answer:
    case = broken(ground)
    ground.clock.advance(hours=4)
    gone_by_the_clock(ground, case)
    return shown(case)


@answers(200, None, '"reason":"Expired"', "retired", "retired")
def the_glass_is_broken_again_and_again(ground: Ground) -> Answer:
    case = broken(ground)
    ground.clock.advance(hours=3)
    case.change(lifetime="80h")
    assert glass(case).status_code == 202
    ground.settle()
    ground.clock.advance(hours=1)
    gone_by_the_clock(ground, case)
    return shown(case)


@answers(403, "self-review", "somebody else has to review it", "live")
def who_broke_the_glass_reviews_it(ground: Ground) -> Answer:
    ground.token("axe", "Axe", Role.BREAK_GLASS, Role.APPROVER)
    return broken(ground, "axe").review(ground.token("axe-too", "axe", Role.APPROVER))


@answers(409, "already-decided", "is over since", "retired")
def the_glass_is_reviewed_in_the_second_of_its_end(ground: Ground) -> Answer:
    case = broken(ground)
    ground.clock.advance(hours=4)
    answer = case.review("eve")
    gone_by_the_clock(ground, case)
    return answer


@answers(200, None, "Nothing was sent to the cluster yet.", "retired")
def the_worker_is_late_for_the_glass(ground: Ground) -> Answer:
    case = ground.ask()
    glass(case)
    ground.clock.advance(hours=4)
    ground.settle()
    return shown(case)


@answers(202, None, "Nothing was exposed before", "live", "pending")
def the_glass_vouches_for_a_narrower_change(ground: Ground) -> Answer:
    return broken(ground).change(lifetime="1h")


@answers(409, "nothing-to-renew", "came through by break-glass", "live")
def the_glass_is_renewed(ground: Ground) -> Answer:
    return broken(ground).act("renewals")
