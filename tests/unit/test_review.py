"""Who may review whose request: persons are compared, tokens never."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from service.domain.errors import DigestMismatch, Forbidden, SelfReview
from service.domain.exposure import Decision, Opinion, Review, Revision
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.review import check_reviewer, missing
from service.domain.seat import Seat
from tests.builders import NOON, make_principal, make_revision

OTHER_DIGEST = "sha256:" + "0" * 64


def asked_by(person: str, acted_for: str | None = None) -> Revision:
    requester = {"kind": "person", "person": person, "acted_for": acted_for}
    return make_revision(decision=Decision.PENDING, requested_by=requester)


def test_an_approver_reviews_what_somebody_else_asked_for() -> None:
    revision = asked_by("ann")

    check_reviewer(make_principal("eve"), revision, revision.digest)


@pytest.mark.parametrize(
    "reviewer",
    [
        make_principal("ann"),
        make_principal("ann", teams=frozenset({"team-b"}), groups=frozenset({"platform"})),
        make_principal("ann", Role.APPROVER, Role.ADMIN),
        make_principal("ann", acted_for="eve"),
        make_principal("eve", acted_for="ann"),
        make_principal("Ann"),
        make_principal("\uff41\uff4e\uff4e"),
    ],
    ids=[
        "herself",
        "another-token",
        "as-admin",
        "for-somebody",
        "through-somebody",
        "in-capitals",
        "in-wide",
    ],
)
def test_who_asked_cannot_review(reviewer: Principal) -> None:
    revision = asked_by("ann")

    with pytest.raises(SelfReview, match="somebody else has to review it"):
        check_reviewer(reviewer, revision, revision.digest)


@pytest.mark.parametrize(
    "reviewer",
    [
        make_principal("ann"),
        make_principal("portal", acted_for="ann"),
        make_principal("eve", acted_for="portal"),
    ],
    ids=["the-person", "through-a-portal", "for-the-portal"],
)
def test_who_a_request_was_made_for_cannot_review(reviewer: Principal) -> None:
    revision = asked_by("portal", acted_for="ann")

    with pytest.raises(SelfReview):
        check_reviewer(reviewer, revision, revision.digest)


def test_two_who_act_for_nobody_have_nobody_in_common() -> None:
    revision = asked_by("ann", acted_for=None)

    check_reviewer(make_principal("eve", acted_for=None), revision, revision.digest)


@pytest.mark.parametrize("kind", [kind for kind in PrincipalKind if kind is not PrincipalKind.PERSON])
def test_only_people_review(kind: PrincipalKind) -> None:
    revision = asked_by("ann")

    with pytest.raises(Forbidden, match="only people review"):
        check_reviewer(make_principal("robot", kind=kind), revision, revision.digest)


@pytest.mark.parametrize("roles", [(), (Role.REQUESTER,), (Role.AUDITOR,), (Role.ADMIN,)])
def test_a_review_needs_the_role_approver(roles: Any) -> None:
    revision = asked_by("ann")

    with pytest.raises(Forbidden, match="needs the role approver"):
        check_reviewer(make_principal("eve", roles=frozenset(roles)), revision, revision.digest)


def test_a_review_of_something_else_is_refused_with_what_is_there() -> None:
    revision = asked_by("ann")

    with pytest.raises(DigestMismatch, match="Read it again") as refused:
        check_reviewer(make_principal("eve"), revision, OTHER_DIGEST)

    assert refused.value.facts == {"digest": revision.digest}


def test_who_may_not_review_does_not_learn_the_digest() -> None:
    with pytest.raises(SelfReview):
        check_reviewer(make_principal("ann"), asked_by("ann"), OTHER_DIGEST)


def test_who_edited_what_is_still_open_cannot_review() -> None:
    revision = replace(asked_by("ann"), editors=("ben",))

    with pytest.raises(SelfReview):
        check_reviewer(make_principal("BEN"), revision, revision.digest)


def review_by(person: str, *seats: str, verdict: Opinion = Opinion.APPROVE) -> Review:
    reviewer = make_principal(person).document()
    return Review(uuid4(), 1, reviewer, verdict, OTHER_DIGEST, None, NOON, seats)


TWO = Seat("platform", "platform", 2)
SECURITY = Seat("security", "security", 1)


@pytest.mark.parametrize(
    ("seats", "reviews", "left"),
    [
        ((TWO,), [], {"platform": 2}),
        ((TWO,), [review_by("eve", "platform")], {"platform": 1}),
        ((TWO,), [review_by("eve", "platform"), review_by("EVE", "platform")], {"platform": 1}),
        ((TWO,), [review_by("eve", "platform"), review_by("liz", "platform")], {}),
        ((TWO,), [review_by("eve", "security"), review_by("liz", "platform")], {"platform": 1}),
        ((TWO, SECURITY), [review_by("eve", "platform", "security")], {"platform": 1, "security": 1}),
        (
            (SECURITY, TWO),
            [review_by(who, *keys) for who, keys in (("a", ("security", "platform")), ("b", ("security",)))],
            {"platform": 1},
        ),
        ((SECURITY,), [review_by("eve", "security", verdict=Opinion.REJECT)], {"security": 1}),
        ((SECURITY,), [review_by("eve", "security", verdict=Opinion.COMMENT)], {"security": 1}),
    ],
    ids=[
        "nobody",
        "one-of-two",
        "one-person-in-two-spellings",
        "both",
        "of-another-group",
        "one-person-fills-one-seat",
        "who-could-fill-two-makes-room",
        "a-rejection-fills-none",
        "a-comment-fills-none",
    ],
)
def test_seats_that_are_left(seats: tuple[Seat, ...], reviews: list[Review], left: dict[str, int]) -> None:
    assert {seat.key: seat.count for seat in missing(seats, reviews)} == left
