"""Who may decide about whom. One function for every client, so that nobody gets round it."""

import unicodedata

from service.domain.errors import DigestMismatch, Forbidden, SelfReview
from service.domain.exposure import Principal, PrincipalKind, Revision, Role


def check_reviewer(reviewer: Principal, revision: Revision, digest: str) -> None:
    """Let an eligible person review exactly what was read.

    Persons are compared, never tokens: a second token of the requester is still the requester.

    Raises:
        Forbidden: not an approver, or no person.
        SelfReview: the requester, or the person that the request was made for.
        DigestMismatch: the review was written for something else.
    """
    if Role.APPROVER not in reviewer.roles:
        raise Forbidden("A review needs the role approver.")
    if reviewer.kind is not PrincipalKind.PERSON:
        raise Forbidden("A service account is nobody's second pair of eyes: only people review.")
    asked = {_folded(revision.requested_by["person"]), _folded(revision.requested_by["acted_for"])}
    if {_folded(reviewer.person), _folded(reviewer.acted_for)} & (asked - {None}):
        raise SelfReview(f"{reviewer.person} asked for this revision: somebody else has to review it.")
    if digest != revision.digest:
        raise DigestMismatch(digest, revision.digest)


def _folded(person: str | None) -> str | None:
    """Return a name as it is compared: another spelling of case or width is nobody else."""
    return None if person is None else unicodedata.normalize("NFKC", person).casefold()
