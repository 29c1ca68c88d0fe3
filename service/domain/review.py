"""Who may decide about whom, and when it is decided. One function for every client: nobody gets round it.

A revision asks for seats, copied into it when it was submitted. A review counts for the seats that its
reviewer could fill by the claims that came with it; one person fills one seat. Persons are compared, never
tokens.
"""

import unicodedata
from collections.abc import Iterable, Sequence

from service.domain.errors import DigestMismatch, Forbidden, SelfReview
from service.domain.exposure import Opinion, Review, Revision
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.seat import APPROVER, Seat

ANYBODY = Seat(APPROVER)
"""What a revision of a release without policies asks for: one approver."""


def seats_of(revision: Revision) -> tuple[Seat, ...]:
    """Return the seats of a revision, as they were when it was submitted."""
    if not revision.verdict:
        return (ANYBODY,)
    return tuple(Seat.from_document(seat) for seat in revision.verdict["seats"])


def check_reviewer(reviewer: Principal, revision: Revision, digest: str) -> None:
    """Let a person review exactly what was read, unless it is his own.

    A second token of the requester is still the requester; so is everybody who edited what the revision
    builds on, whoever it was asked for, and who let it through by break-glass.

    Raises:
        Forbidden: not an approver, or no person.
        SelfReview: an author.
        DigestMismatch: the review was written for something else.
    """
    if Role.APPROVER not in reviewer.roles:
        raise Forbidden("A review needs the role approver.")
    if reviewer.kind is not PrincipalKind.PERSON:
        raise Forbidden("A service account is nobody's second pair of eyes: only people review.")
    authors = {folded(person) for person in revision.authors()}
    if revision.break_glass:  # who passed over the seats fills none of them afterwards
        authors.add(folded(revision.break_glass["by"]["person"]))
    if {folded(who) for who in (reviewer.person, reviewer.acted_for) if who} & authors:
        raise SelfReview(
            f"{reviewer.person} asked for this revision, edited it, or let it through: "
            "somebody else has to review it."
        )
    if digest != revision.digest:
        raise DigestMismatch(digest, revision.digest)


def folded(person: str) -> str:
    """Return a name as it is compared: another spelling of case or width is nobody else."""
    return unicodedata.normalize("NFKC", person).casefold()


def missing(seats: Sequence[Seat], reviews: Iterable[Review]) -> list[Seat]:
    """Return the seats that approvals leave empty, each with the count of places that are left.

    As many places as possible are filled, each by one person: by augmenting paths, because who could fill two
    seats must not stand in the way of who can fill one alone.
    """
    able = {
        folded(review.reviewer["person"]): frozenset(review.seats)
        for review in reviews
        if review.verdict is Opinion.APPROVE
    }
    places = [(seat.key, number) for seat in seats for number in range(seat.count)]
    sitting: dict[tuple[str, int], str] = {}

    def seat_somebody(person: str, tried: set[tuple[str, int]]) -> bool:
        for place in places:
            if place[0] not in able[person] or place in tried:
                continue
            tried.add(place)
            if place not in sitting or seat_somebody(sitting[place], tried):
                sitting[place] = person
                return True
        return False

    for person in sorted(able):
        seat_somebody(person, set())
    empty = [key for key, number in places if (key, number) not in sitting]
    return [
        Seat(seat.key, seat.group, left, seat.filter, seat.policies)
        for seat in seats
        if (left := empty.count(seat.key))
    ]
