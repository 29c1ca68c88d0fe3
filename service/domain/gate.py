"""One policy and one request: what it says, and why. Pure. What it could not judge it denies."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from service.domain.duration import duration_text
from service.domain.policy import Binding, Failure, Match, Policy, Rule
from service.domain.spec import Document
from service.domain.subject import Subject

DENIED, UNJUDGED, OVERLONG, UNDECIDED = "denied", "not-evaluated", "lifetime", "no-policy"
"""A deny rule is true of it; nobody can say; it would last too long; no policy says who decides."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request is refused. ``policy`` is ``NAME@VERSION``, None: no policy said it."""

    policy: str | None
    message: str
    pointer: str = "#"
    code: str = DENIED

    def document(self) -> Document:
        """Return it as JSON."""
        return {"policy": self.policy, "code": self.code, "message": self.message, "pointer": self.pointer}


class Gate(NamedTuple):
    """What one policy says of a request; ``automatic``: it needs nobody.

    One is made for each policy at each decision, and a named tuple costs half of a frozen dataclass.
    """

    policy: Policy
    matched: bool = True
    reasons: tuple[Reason, ...] = ()
    automatic: bool = False
    warnings: tuple[str, ...] = ()

    def outcome(self) -> str:
        """Return it in one word."""
        if not self.matched:
            return "not-matched"
        if self.reasons:
            return "denies"
        if self.automatic:
            return "approves"
        return "requires" if self.policy.require else "silent"

    def document(self) -> Document:
        """Return it as JSON: what explain and a dry run show."""
        policy = self.policy
        return {
            "policy": policy.name,
            "version": policy.version,
            "mode": policy.mode.value,
            "matched": self.matched,
            "outcome": self.outcome(),
            "reasons": [reason.document() for reason in self.reasons],
            "requires": [
                {"group": r.group, "count": r.count, "filter": r.filter, "reason": r.reason}
                for r in (policy.require if self.outcome() == "requires" else ())
            ],
            "warnings": list(self.warnings),
        }


def gate_of(policy: Policy, subject: Subject, shared: Binding) -> Gate:
    """Return what a policy says of a request, whatever its mode; what it could not judge it denies."""
    if not _fits(policy.match, subject):
        return Gate(policy, matched=False)
    binding = shared.under(policy.name) if policy.params else shared
    if policy.match.expression is not None:
        matched = binding.truth(policy.match.expression)
        if matched is False:
            return Gate(policy, matched=False)
        if isinstance(matched, Failure):
            return Gate(policy, reasons=(_unjudged(policy, "match", matched),))
    reasons = []
    for index, rule in enumerate(policy.deny):
        said = binding.truth(rule.expression)
        if said is not False:
            reasons.append(_denial(policy, index, said, binding))
    if policy.lifetime is not None:
        reasons += _overlong(policy, policy.lifetime.max, subject.spec.lifetime)
    automatic = policy.auto is True
    if isinstance(policy.auto, str):
        holds = binding.truth(policy.auto)
        automatic = holds is True
        if isinstance(holds, Failure):
            reasons.append(_unjudged(policy, "auto", holds))
    warnings = tuple(_warnings(policy, binding)) if policy.warn else ()
    return Gate(policy, True, tuple(reasons), automatic, warnings)


def _fits(match: Match, subject: Subject) -> bool:
    return (
        (match.clusters is None or subject.metadata.cluster in match.clusters)
        and (match.environments is None or subject.place() in match.environments)
        and (match.types is None or subject.spec.type.value in match.types)
        and (match.namespaces is None or subject.metadata.namespace in match.namespaces)
    )


def _unjudged(policy: Policy, part: str, failure: Failure) -> Reason:
    message = f"{part} of policy {policy.ref()} could not be evaluated: {failure.reason}"
    return Reason(policy.ref(), message, "#", UNJUDGED)


def _denial(policy: Policy, index: int, said: bool | Failure, binding: Binding) -> Reason:
    if isinstance(said, Failure):
        return _unjudged(policy, f"deny/{index}", said)
    rule = policy.deny[index]
    return Reason(policy.ref(), _message(policy, rule, binding), rule.field or "#")


def _message(policy: Policy, rule: Rule, binding: Binding) -> str:
    if rule.message is not None:
        return rule.message
    text = binding.text(rule.message_expression or "")
    if isinstance(text, Failure) or not text.strip():
        return f"A rule of policy {policy.ref()} is true of it; its message could not be evaluated."
    return text


def _overlong(policy: Policy, longest: int, asked: int | None) -> Iterator[Reason]:
    if asked is None or asked > longest:
        lasts = "It has no end" if asked is None else f"It lasts {duration_text(asked)}"
        message = (
            f"{lasts}, and policy {policy.name} allows at most {duration_text(longest)}. "
            "Ask for less: it can be renewed before it ends."
        )
        yield Reason(policy.ref(), message, "#/spec/lifetime", OVERLONG)


def _warnings(policy: Policy, binding: Binding) -> Iterator[str]:
    for index, rule in enumerate(policy.warn):
        said = binding.truth(rule.expression)
        if isinstance(said, Failure):
            yield _unjudged(policy, f"warn/{index}", said).message
        elif said is True:
            yield _message(policy, rule, binding)
