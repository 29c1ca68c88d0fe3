"""Attempts at the review itself: who reviews, what was read, and how it is counted."""

from uuid import UUID

from service.domain.errors import SelfReview
from service.domain.exposure import Opinion
from service.domain.identifiers import uuid7
from service.domain.principal import Role
from service.workflow.act import Act
from service.workflow.decide import ReviewDraft, review
from tests.builders import make_principal
from tests.integration.approval_world import TWO_OF_PLATFORM, Case
from tests.integration.bypass import Answer, Ground, Table, error_of

SECURITY = {"name": "security", "require": [{"group": "security", "count": 1}]}
TABLE = Table()
answers = TABLE.answers


def missing(case: Case) -> Answer:
    """Return what the exposure says of itself: which seats are empty."""
    return case.world.by("ann").get(case.at)


@answers(403, "forbidden", "needs the role approver")
def the_requester_approves_without_any_role(ground: Ground) -> Answer:
    return ground.ask().review("ann")


@answers(403, "self-review", "somebody else has to review it")
def the_requester_approves_with_an_approvers_token(ground: Ground) -> Answer:
    return ground.ask().review("both")


@answers(403, "self-review", "somebody else has to review it")
def another_token_of_the_same_person_approves(ground: Ground) -> Answer:
    return ground.ask("ada").review("ada-too")


@answers(403, "self-review", "ANN asked for this revision")
def the_requester_approves_in_capitals(ground: Ground) -> Answer:
    return ground.ask().review(ground.token("loud", "ANN", Role.APPROVER))


@answers(403, "self-review", "asked for this revision")
def the_requester_approves_in_wide_letters(ground: Ground) -> Answer:
    return ground.ask().review(ground.token("wide", "\uff41\uff4e\uff4e", Role.APPROVER))


@answers(403, "forbidden", "needs the role approver")
def an_admin_approves(ground: Ground) -> Answer:
    return ground.ask().review("pia")


@answers(403, "forbidden", "needs the role approver")
def an_auditor_approves(ground: Ground) -> Answer:
    return ground.ask().review("aud")


@answers(404, "not-found", "no such exposure that you may see")
def another_team_approves(ground: Ground) -> Answer:
    return ground.ask().review("ben")


@answers(403, "forbidden", "only people review")
def a_service_account_with_every_role_approves(ground: Ground) -> Answer:
    return ground.ask().review("bot")


@answers(403, "forbidden", "only people review")
def a_service_account_approves_its_own(ground: Ground) -> Answer:
    return ground.ask("bot").review("bot")


@answers(None, "self-review", "somebody else has to review it")
def an_approver_acts_for_the_requester(ground: Ground) -> Answer:
    case = ground.ask()
    draft = ReviewDraft(Opinion.APPROVE, case.revision(1)["digest"], None)
    where, now = (UUID(case.id), 1), ground.now()

    def approve() -> None:
        with ground.transaction() as session:
            who = Act(make_principal("eve", acted_for="ann"), now, "r")
            review(session, where, draft, who, ground.edge.judge, uuid7(now, b"0" * 10))

    return error_of(approve, SelfReview)


@answers(403, "self-review", "somebody else has to review it")
def whom_it_was_asked_for_approves(ground: Ground) -> Answer:
    case = ground.ask()
    ground.tamper("""UPDATE revision SET requested_by = requested_by || '{"acted_for": "eve"}'""")
    return case.review("eve")


@answers(412, "digest-mismatch", "digest", "superseded", "pending")
def the_digest_of_an_older_revision_approves_a_newer(ground: Ground) -> Answer:
    case = ground.ask()
    read = case.revision(1)["digest"]
    case.change(selector={"app": "other"})
    return case.review("eve", number=2, digest=read)


@answers(409, "already-decided", "is superseded: nothing is left to review", "superseded", "pending")
def what_was_superseded_is_approved(ground: Ground) -> Answer:
    case = ground.ask()
    case.change(selector={"app": "other"})
    return case.review("eve", number=1)


@answers(412, "digest-mismatch", "digest")
def the_digest_of_another_exposure_approves(ground: Ground) -> Answer:
    other = ground.ask(ports=[{"port": 80}], selector={"app": "harmless"})
    read = other.revision(1)["digest"]
    ground.by("ann").delete(other.at, If_Match="*")
    return ground.ask().review("eve", digest=read)


@answers(200, None, '"missing":["platform"]', "superseded", "pending")
def an_approval_is_carried_over_to_an_edit(ground: Ground) -> Answer:
    ground.rules(TWO_OF_PLATFORM)
    case = ground.ask().approve("eve")
    case.change(selector={"app": "other"})
    return missing(case.approve("liz"))


@answers(403, "self-review", "edited it", "superseded", "pending")
def who_asked_first_approves_what_another_wrote_on_it(ground: Ground) -> Answer:
    case = ground.ask("ada")
    case.change("ann", lifetime="80h")
    return case.review("ada-too")


@answers(403, "self-review", "edited it", "superseded", "superseded", "pending")
def who_edited_in_between_approves(ground: Ground) -> Answer:
    case = ground.ask("ann")
    case.change("ada", lifetime="80h")
    case.change("ann", lifetime="90h")
    return case.review("ada-too")


@answers(200, None, '"missing":["platform"]')
def one_person_approves_twice(ground: Ground) -> Answer:
    ground.rules(TWO_OF_PLATFORM)
    return missing(ground.ask().approve("eve", "eve"))


@answers(200, None, '"missing":["platform"]')
def one_person_approves_again_in_another_spelling(ground: Ground) -> Answer:
    ground.rules(TWO_OF_PLATFORM)
    return missing(ground.ask().approve("eve", ground.token("eve-too", "Eve", Role.APPROVER)))


@answers(200, None, '"missing":["security"]')
def one_person_sits_on_two_seats(ground: Ground) -> Answer:
    ground.rules({"name": "one", "require": [{"group": "platform", "count": 1}]}, SECURITY)
    return missing(ground.ask().approve("dan"))


@answers(403, "forbidden", "they are for security")
def somebody_without_the_seats_group_approves(ground: Ground) -> Answer:
    ground.rules(SECURITY)
    return ground.ask().review("eve")


@answers(403, "forbidden", "None of the seats of this revision is for you")
def somebody_whom_the_filter_refuses_approves(ground: Ground) -> Answer:
    ground.rules({"name": "picky", "require": [{"count": 1, "filter": 'reviewer.person != "eve"'}]})
    return ground.ask().review("eve")


@answers(403, "forbidden", "None of the seats of this revision is for you")
def a_filter_that_fails_lets_somebody_in(ground: Ground) -> Answer:
    ground.rules({"name": "broken", "require": [{"count": 1, "filter": 'reviewer.groups[7] == "platform"'}]})
    return ground.ask().review("eve")


@answers(403, "forbidden", "None of the seats of this revision is for you")
def somebody_without_a_seat_rejects(ground: Ground) -> Answer:
    ground.rules(SECURITY)
    return ground.ask().review("eve", "reject")


@answers(200, None, '"missing":["approver"]')
def a_comment_counts_as_an_approval(ground: Ground) -> Answer:
    case = ground.ask()
    case.review("eve", "comment", comment="approve")
    return missing(case)


@answers(200, None, '"missing":["platform"]')
def a_review_that_was_taken_back_counts(ground: Ground) -> Answer:
    ground.rules(TWO_OF_PLATFORM)
    case = ground.ask()
    made = case.review("eve").json["id"]
    ground.by("eve").delete(f"{case.at}/revisions/1/reviews/{made}")
    return missing(case.approve("liz"))


@answers(409, "ended", "has ended (Rejected)", "rejected")
def a_rejected_revision_is_approved_by_another(ground: Ground) -> Answer:
    case = ground.ask()
    case.review("liz", "reject")
    return case.review("eve")


@answers(409, "ended", "has ended (Withdrawn)", "withdrawn")
def a_withdrawn_revision_is_approved(ground: Ground) -> Answer:
    case = ground.ask()
    ground.by("ann").delete(case.at, If_Match="*")
    return case.review("eve")


@answers(422, "invalid", "#/seats")
def a_reviewer_names_the_seats_that_he_fills(ground: Ground) -> Answer:
    return ground.ask().review("eve", seats=["platform", "platform"])


@answers(200, None, '"missing":["platform","platform"]')
def easier_rules_come_after_the_request(ground: Ground) -> Answer:
    ground.rules(TWO_OF_PLATFORM)
    case = ground.ask()
    ground.rules({"name": "easy", "auto": True})
    ground.tick()
    return missing(case)


@answers(409, "already-decided", "is over since", "expired")
def it_is_approved_when_its_waiting_time_is_over_to_the_second(ground: Ground) -> Answer:
    ground.rules({"name": "short", "require": [{"count": 1}], "pending_ttl": "1h"})
    case = ground.ask(ports=[{"port": 80}])
    ground.clock.advance(hours=1)
    return case.review("eve")
