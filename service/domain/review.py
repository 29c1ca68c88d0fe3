"""Who may decide about whom. One function for every client, so that nobody gets round it."""

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
    involved = {revision.requested_by["person"], revision.requested_by["acted_for"]}
    if reviewer.person in involved or reviewer.acted_for in involved - {None}:
        raise SelfReview(f"{reviewer.person} asked for this revision: somebody else has to review it.")
    if digest != revision.digest:
        raise DigestMismatch(digest, revision.digest)
