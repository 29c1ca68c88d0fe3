"""The platform writes its policies: a new version waits for another administrator before it holds.

Only the first policies of all hold at once, because without any nothing can be approved. ``what_if`` tries
one against the past before it holds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.domain.errors import AlreadyDecided, Forbidden, Invalid, NotFound, PolicyDenied, SelfReview
from service.domain.exposure import Opinion
from service.domain.policy import PolicyVersion
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.review import folded
from service.domain.spec import Document
from service.store import audit, policies
from service.workflow.act import Act
from service.workflow.judge import Judge

SHIPPED = Principal(PrincipalKind.POLICY, "wharfinger")
"""Who wrote the policies that ship."""


def put_policy(
    session: Session, name: str, document: Mapping[str, Any], act: Act, judge: Judge
) -> tuple[PolicyVersion, bool]:
    """Write a new version of a policy; return it, and whether it is new. The same document makes none.

    Raises:
        Forbidden: not the platform.
        Invalid: with every fault, those of its expressions too.
    """
    check_platform(act)
    faults = judge.check({**document, "name": name})
    if faults:
        raise Invalid(faults)
    policies.lock(session)
    known = policies.versions(session, name)
    if known and known[0].document == document and known[0].state != "retired":
        return known[0], False
    is_first = not policies.active(session)
    made = policies.add(session, name, dict(document), act.principal.document(), act.now)
    _note(session, "policy-proposed", act, {"policy": name, "version": made.version})
    if is_first:
        _activate(session, made, act, {"reason": "No policy was active yet."})
    return version(session, name, made.version), True


def review_policy(
    session: Session, name: str, number: int, verdict: Opinion, comment: str | None, act: Act
) -> PolicyVersion:
    """Let a proposed version hold, or refuse it for good; it takes another person than its author.

    Raises:
        Forbidden, SelfReview: not the platform, no person, or the author.
        NotFound: there is no such version.
        AlreadyDecided: it holds already, or does no more.
    """
    check_platform(act)
    policies.lock(session)
    found = version(session, name, number)
    if act.principal.kind is not PrincipalKind.PERSON:
        raise Forbidden("A service account is nobody's second pair of eyes: only people review.")
    if folded(found.created_by["person"]) == folded(act.principal.person):
        raise SelfReview(
            f"{act.principal.person} wrote this version: another administrator has to review it."
        )
    if found.state != "proposed":
        raise AlreadyDecided(f"Version {number} of policy {name} is {found.state}.")
    if verdict is Opinion.APPROVE:
        _activate(session, found, act, {"comment": comment})
    else:
        policies.refuse(session, name, number, act.principal.document(), act.now)
        data = {"policy": name, "version": number, "comment": comment}
        _note(session, "policy-refused", act, data)
    return version(session, name, number)


def version(session: Session, name: str, number: int | None = None) -> PolicyVersion:
    """Return one version of a policy; without a number the active one, else the newest.

    Raises:
        NotFound: there is none.
    """
    known = policies.versions(session, name)
    wanted = [each for each in known if number in (None, each.version)]
    active = [each for each in wanted if each.state == "active"]
    if not wanted:
        which = f" version {number}" if known else ""
        raise NotFound(f"There is no policy {name!r}{which}.")
    return active[0] if number is None and active else wanted[0]


def install(session: Session, documents: Sequence[Document], now: datetime) -> int:
    """Let shipped policies hold where nobody has written any; return how many do from now on."""
    policies.lock(session)
    if policies.versions(session):
        return 0
    for document in documents:
        made = policies.add(session, document["name"], document, SHIPPED.document(), now)
        policies.activate(session, made.name, made.version, None, now)
        data = {"policy": made.name, "version": made.version, "reason": "It ships with this release."}
        audit.append(session, "policy-activated", SHIPPED.document(), now, None, data)
    return len(documents)


def all_versions(session: Session) -> list[PolicyVersion]:
    """Return every version of every policy, by name, the newest first."""
    return policies.versions(session)


def note_denial(session: Session, denied: PolicyDenied, act: Act) -> None:
    """Write down what policies refused, with all that they were told."""
    data = {"reasons": [dict(reason.document()) for reason in denied.reasons], **(denied.subject or {})}
    _note(session, "policy-denied", act, data)


def check_platform(act: Act) -> None:
    """Let the platform alone govern.

    Raises:
        Forbidden: somebody else.
    """
    if Role.ADMIN not in act.principal.roles:
        raise Forbidden("Only the platform (role admin) may do this.")


def _activate(session: Session, found: PolicyVersion, act: Act, data: Document) -> None:
    policies.activate(session, found.name, found.version, act.principal.document(), act.now)
    facts = {"policy": found.name, "version": found.version, **data}
    _note(session, "policy-activated", act, facts)


def _note(session: Session, kind: str, act: Act, data: Document) -> None:
    audit.append(session, kind, act.principal.document(), act.now, act.request_id, data)
