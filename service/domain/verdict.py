"""The verdicts of many policies joined into one. Pure; every way out is closed.

Each policy that matches passes its own gate, then all gates are joined: any denial wins, required seats add
up, the shortest times hold. Somebody has to say yes: when no policy asks for people and none approves by
itself, the request is denied. So is one that a policy could not judge. A change that opens nothing needs
nobody, and is still denied by what denies.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from service.domain.duration import duration_text
from service.domain.gate import DENIED, UNDECIDED, UNJUDGED, Gate, Reason, gate_of
from service.domain.policy import Evaluator, Failure, Lifetime, Mode, Policy, Requirement, Scope
from service.domain.principal import Principal, Role
from service.domain.seat import APPROVER, Seat
from service.domain.spec import Document
from service.domain.subject import Subject, person_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What all policies say of a request together.

    ``approved_by`` names the policies of an automatic approval; ``remarks`` say why it is so where no single
    gate does; ``notes`` are what policies in audit would have said. Times in seconds, None: no policy says.
    """

    denied: tuple[Reason, ...] = ()
    seats: tuple[Seat, ...] = ()
    approved_by: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pending_ttl: int | None = None
    lifetime: Lifetime | None = None
    gates: tuple[Gate, ...] = ()

    def is_automatic(self) -> bool:
        """Return whether nobody has to look at it."""
        return not self.denied and not self.seats

    def violations(self) -> tuple[Reason, ...]:
        """Return what deny rules say: what holds for an exposure that was approved long ago, too."""
        return tuple(reason for reason in self.denied if reason.code in (DENIED, UNJUDGED))

    def document(self) -> Document:
        """Return it as it is stored in the revision, and shown."""
        return {
            "outcome": "denied" if self.denied else "automatic" if self.is_automatic() else "pending",
            "denied": [reason.document() for reason in self.denied],
            "seats": [seat.document() for seat in self.seats],
            "approved_by": list(self.approved_by),
            "remarks": list(self.remarks),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "pending_ttl": self.pending_ttl,
            "lifetime": self.lifetime and {"max": self.lifetime.max, "max_total": self.lifetime.max_total},
            "gates": [gate.document() for gate in self.gates],
        }


def decide(policies: Sequence[Policy], subject: Subject, evaluator: Evaluator) -> Verdict:
    """Return what the active policies say of a request."""
    params = {policy.name: policy.params for policy in policies if policy.params}
    binding = evaluator.bind(Scope.REQUEST, subject.variables(), params)
    if isinstance(binding, Failure):
        return Verdict(denied=(Reason(None, f"It could not be evaluated: {binding.reason}.", "#", UNJUDGED),))
    return _joined([gate_of(policy, subject, binding) for policy in policies], subject)


def may_sit(seat: Seat, reviewer: Principal, wanted: Document, evaluator: Evaluator) -> bool:
    """Return whether a reviewer's claims fit a seat; a filter that fails lets nobody in.

    Args:
        wanted: what was asked for, as ``subject.object_of()`` makes it.
    """
    fits = Role.APPROVER in reviewer.roles if seat.group is None else seat.group in reviewer.groups
    if not fits or seat.filter is None:
        return fits
    variables = {"object": wanted, "reviewer": person_of(reviewer)}
    binding = evaluator.bind(Scope.REVIEWER, variables, {})
    return not isinstance(binding, Failure) and binding.truth(seat.filter) is True


def _joined(gates: Sequence[Gate], subject: Subject) -> Verdict:
    enforced, advisory = _parted(gates)
    speaking = [gate for gate in enforced if gate.automatic or gate.policy.require]
    denied = [reason for gate in enforced for reason in gate.reasons]
    if not speaking and not denied:
        denied.append(Reason(None, _nobody_decides(subject), code=UNDECIDED))
    lifetime = _shortest([gate.policy.lifetime for gate in enforced if gate.policy.lifetime])
    seats, remarks = _seats(speaking, subject, lifetime)
    automatic = [gate.policy.ref() for gate in speaking if gate.automatic or subject.narrows()]
    waits = [gate.policy.pending_ttl for gate in enforced if gate.policy.pending_ttl is not None]
    warnings = [warning for gate in enforced for warning in gate.warnings]
    warnings += [warning for gate in advisory for warning in _warnings(gate)]
    return Verdict(
        denied=tuple(denied),
        seats=seats,
        approved_by=() if denied or seats else tuple(automatic),
        remarks=remarks,
        warnings=tuple(dict.fromkeys(warnings)),
        notes=tuple(dict.fromkeys(note for gate in advisory for note in _notes(gate))),
        pending_ttl=min(waits, default=None),
        lifetime=lifetime,
        gates=tuple(gates),
    )


def _parted(gates: Sequence[Gate]) -> tuple[list[Gate], list[Gate]]:
    """Return the gates of what matched: those that decide, and those that only say what they would."""
    enforce = Mode.ENFORCE
    matching = [gate for gate in gates if gate.matched]
    return (
        [gate for gate in matching if gate.policy.mode is enforce],
        [gate for gate in matching if gate.policy.mode is not enforce],
    )


def _nobody_decides(subject: Subject) -> str:
    return (
        f"No policy says who decides about type {subject.spec.type.value} in namespace "
        f"{subject.metadata.namespace} ({subject.place()}) of cluster {subject.metadata.cluster}. "
        "The platform has to add one."
    )


def _shortest(lifetimes: Sequence[Lifetime]) -> Lifetime | None:
    if not lifetimes:
        return None
    return Lifetime(min(lifetime.max for lifetime in lifetimes), min(one.max_total for one in lifetimes))


def _seats(
    speaking: Sequence[Gate], subject: Subject, lifetime: Lifetime | None
) -> tuple[tuple[Seat, ...], tuple[str, ...]]:
    """Return who has to approve, and why when no policy says it."""
    if subject.narrows():
        return (), ("It opens nothing that is not open already: nobody has to look at it.",)
    wanted: dict[tuple[str | None, str | None], list[tuple[Requirement, str]]] = {}
    for gate in speaking:
        for requirement in () if gate.automatic else gate.policy.require:
            asked = wanted.setdefault((requirement.group, requirement.filter), [])
            asked.append((requirement, gate.policy.ref()))
    if wanted:
        return tuple(_named(wanted)), ()
    why = _why_not_again(subject, lifetime)
    if why is None:
        return (), ()
    return (Seat(APPROVER, policies=tuple(gate.policy.ref() for gate in speaking)),), (why,)


def _named(
    wanted: Mapping[tuple[str | None, str | None], Sequence[tuple[Requirement, str]]],
) -> Iterator[Seat]:
    """Yield a seat for each group and filter, with the largest count and a key of its own."""
    used: set[str] = set()
    for (group, condition), asked in wanted.items():
        word = group or APPROVER
        keys = (word if number == 1 else f"{word}-{number}" for number in count(1))
        key = next(key for key in keys if key not in used)
        used.add(key)
        policies = tuple(dict.fromkeys(ref for _, ref in asked))
        yield Seat(key, group, max(one.count for one, _ in asked), condition, policies)


def _why_not_again(subject: Subject, lifetime: Lifetime | None) -> str | None:
    """Return why more time needs somebody although no policy asks for anybody.

    A change counts too: else a short renewal could be made long afterwards.
    """
    renewal = subject.renewal
    if renewal is not None and not renewal.endpoints_seen:
        return "Nothing was ever ready behind it: somebody has to say that it is still needed."
    total_seconds = subject.total if renewal is None else renewal.total
    if lifetime is not None and total_seconds > lifetime.max_total:
        total = duration_text(lifetime.max_total)
        return (
            f"With this it would have more than {total} in all: somebody has to say that it is still needed."
        )
    return None


def _warnings(gate: Gate) -> Iterator[str]:
    """Yield what the requester is told by a policy that is not enforced; what failed is told in any case."""
    warns = gate.policy.mode is Mode.WARN
    if warns:
        yield from gate.warnings
        yield from (f"{asked} (policy {gate.policy.ref()} only warns)" for asked in _asked(gate))
    for reason in gate.reasons:
        if reason.code == UNJUDGED:
            yield reason.message
        elif warns:
            yield f"{reason.message} (policy {gate.policy.ref()} only warns)"


def _notes(gate: Gate) -> Iterator[str]:
    """Yield what a policy in audit would have said."""
    if gate.policy.mode is Mode.AUDIT:
        said = (*(reason.message for reason in gate.reasons), *gate.warnings, *_asked(gate))
        yield from (f"{gate.policy.ref()}: {told}" for told in said)


def _asked(gate: Gate) -> Iterator[str]:
    """Yield the people whom a policy would ask for."""
    for requirement in gate.policy.require if gate.outcome() == "requires" else ():
        whom = f"of group {requirement.group}" if requirement.group else "with the role approver"
        yield f"It would need {requirement.count} approval(s) by people {whom}."
