"""A policy's document, read: a closed shape, every fault at once with its pointer. Pure.

The document is what people write, in YAML or JSON, and what is stored. Durations are texts in it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from service.domain.duration import seconds_of
from service.domain.errors import Fault, Invalid
from service.domain.identifiers import NAME, NAME_IN_WORDS
from service.domain.policy import Evaluator, Kind, Lifetime, Match, Mode, Policy, Requirement, Rule, Scope
from service.domain.spec import Document, ExposureType

LONGEST_TEXT = 2000
LONGEST_EXPRESSION = 8000
"""Characters that are read at all; what an expression may have is the evaluator's to say."""

MOST_ITEMS = 64
MOST_SEATS = 20
RENEWALS = 4
"""So many times its longest lifetime an exposure may have in all, unless the policy says otherwise."""

BAD_EXPRESSION = "invalid-expression"

RESERVED = ("check", "what-if")
"""Names that no policy gets: the API answers something else at their addresses."""

_POINTER = re.compile(r"#(?:/[A-Za-z0-9_~.-]+)+")
_PARAM = re.compile("[a-z][A-Za-z0-9_]{0,62}")

Read: TypeAlias = Callable[["_Reader", str, Any], Any]


def parse(document: Any, version: int = 0) -> Policy:
    """Return the policy of a document; its expressions are not looked at.

    Raises:
        Invalid: with every fault of its shape.
    """
    reader = _Reader()
    fields = reader.closed("#", document, _POLICY, required=("name",))
    if isinstance(document, Mapping) and not reader.faults:
        _judge_whole(reader, fields)
    if reader.faults:
        raise Invalid(reader.faults)
    return Policy(version=version, **fields)


def check(document: Any, evaluator: Evaluator) -> list[Fault]:
    """Return everything that is wrong with a document: its shape, and each expression with its position."""
    try:
        policy = parse(document)
    except Invalid as error:
        return list(error.faults)
    reserved = f"The API has something else at the address of {policy.name!r}: take another name."
    return [Fault("#/name", reserved)] * (policy.name in RESERVED) + [
        Fault(pointer, str(fault), BAD_EXPRESSION)
        for pointer, text, kind, scope in expressions(policy)
        for fault in evaluator.faults(text, kind, scope, policy.params)
    ]


def expressions(policy: Policy) -> Iterator[tuple[str, str, Kind, Scope]]:
    """Yield each expression of a policy with its pointer, what it has to give, and what it may speak of."""
    if policy.match.expression is not None:
        yield "#/match/expression", policy.match.expression, Kind.TRUTH, Scope.REQUEST
    for name, rules in (("deny", policy.deny), ("warn", policy.warn)):
        for index, rule in enumerate(rules):
            yield f"#/{name}/{index}/expression", rule.expression, Kind.TRUTH, Scope.REQUEST
            if rule.message_expression is not None:
                pointer = f"#/{name}/{index}/message_expression"
                yield pointer, rule.message_expression, Kind.TEXT, Scope.REQUEST
    for index, requirement in enumerate(policy.require):
        if requirement.filter is not None:
            yield f"#/require/{index}/filter", requirement.filter, Kind.TRUTH, Scope.REVIEWER
    if isinstance(policy.auto, str):
        yield "#/auto", policy.auto, Kind.TRUTH, Scope.REQUEST


def _judge_whole(reader: "_Reader", fields: Mapping[str, Any]) -> None:
    """Find what single fields cannot show: a policy that says nothing."""
    said = ("deny", "require", "auto", "warn", "lifetime")
    if not any(fields.get(name) for name in said):
        reader.fault("#", f"A policy has to say something: at least one of {', '.join(said)}.")


class _Reader:
    """Reads values and collects what is wrong with them; what could not be read is None."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, pointer: str, detail: str) -> None:
        self.faults.append(Fault(pointer, detail))

    def closed(
        self, pointer: str, value: Any, known: Mapping[str, Read], required: tuple[str, ...] = ()
    ) -> Document:
        """Return the fields of an object, each read by its own reader; any other is a fault."""
        if not isinstance(value, Mapping):
            self.fault(pointer, "This must be an object.")
            return {}
        fields = {}
        for name, item in value.items():
            where = f"{pointer}/{_escaped(str(name))}"
            if name in known:
                fields[name] = known[name](self, where, item)
            else:
                self.fault(where, f"There is no such field. Known are {', '.join(known)}.")
        for name in required:
            if name not in value:
                self.fault(f"{pointer}/{name}", "This is missing.")
        return fields

    def listed(self, pointer: str, value: Any, read: Read) -> tuple[Any, ...]:
        """Return the items of a list that has some."""
        if not isinstance(value, list) or not 1 <= len(value) <= MOST_ITEMS:
            self.fault(pointer, f"This must be a list of 1-{MOST_ITEMS} items.")
            return ()
        return tuple(read(self, f"{pointer}/{index}", item) for index, item in enumerate(value))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _text_up_to(longest: int) -> Read:
    def read(reader: _Reader, pointer: str, value: Any) -> str | None:
        if isinstance(value, str) and value.strip() and len(value) <= longest and _is_storable(value):
            return value
        reader.fault(pointer, f"This must be a text of 1-{longest} characters without control characters.")
        return None

    return read


def _is_storable(text: str) -> bool:
    return not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", text)


_text = _text_up_to(LONGEST_TEXT)
_word = _text_up_to(63)
_expression = _text_up_to(LONGEST_EXPRESSION)


def _like(pattern: re.Pattern[str], what: str) -> Read:
    def read(reader: _Reader, pointer: str, value: Any) -> str | None:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        reader.fault(pointer, f"This must be {what}.")
        return None

    return read


def _one_of(*words: str) -> Read:
    def read(reader: _Reader, pointer: str, value: Any) -> Any:
        if value in words:
            return value
        reader.fault(pointer, f"This must be one of {', '.join(words)}.")
        return None

    return read


def _mode(reader: _Reader, pointer: str, value: Any) -> Mode | None:
    word = _one_of(*Mode)(reader, pointer, value)
    return None if word is None else Mode(word)


def _set_of(read: Read) -> Read:
    def read_set(reader: _Reader, pointer: str, value: Any) -> frozenset[str]:
        return frozenset(reader.listed(pointer, value, read))

    return read_set


def _seconds(reader: _Reader, pointer: str, value: Any) -> int | None:
    try:
        return seconds_of(value if isinstance(value, str) else "")
    except ValueError as error:
        reader.fault(pointer, str(error))
        return None


def _count(reader: _Reader, pointer: str, value: Any) -> int | None:
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    if is_whole and 1 <= value <= MOST_SEATS:
        return int(value)
    reader.fault(pointer, f"This must be a whole number, 1-{MOST_SEATS}.")
    return None


def _auto(reader: _Reader, pointer: str, value: Any) -> str | bool | None:
    if value is True:
        return True
    if isinstance(value, str):
        text: str | None = _expression(reader, pointer, value)
        return text
    reader.fault(pointer, "This must be true or an expression; leave it out for never.")
    return None


def _match(reader: _Reader, pointer: str, value: Any) -> Match:
    return Match(**reader.closed(pointer, value, _MATCH))


def _rules(reader: _Reader, pointer: str, value: Any) -> tuple[Rule, ...]:
    return reader.listed(pointer, value, _rule)


def _rule(reader: _Reader, pointer: str, value: Any) -> Rule | None:
    fields = reader.closed(pointer, value, _RULE, required=("expression",))
    if isinstance(value, Mapping) and ("message" in value) == ("message_expression" in value):
        reader.fault(pointer, "Exactly one of message and message_expression says why.")
    return Rule(**fields) if "expression" in fields else None


def _requirements(reader: _Reader, pointer: str, value: Any) -> tuple[Requirement, ...]:
    return reader.listed(pointer, value, _requirement)


def _requirement(reader: _Reader, pointer: str, value: Any) -> Requirement:
    return Requirement(**reader.closed(pointer, value, _REQUIREMENT, required=("count",)))


def _lifetime(reader: _Reader, pointer: str, value: Any) -> Lifetime | None:
    fields = reader.closed(pointer, value, {"max": _seconds, "max_total": _seconds}, required=("max",))
    longest = fields.get("max")
    if longest is None:
        return None
    total = fields.get("max_total") or RENEWALS * longest
    if total < longest:
        reader.fault(f"{pointer}/max_total", "This must not be shorter than max.")
    return Lifetime(longest, total)


def _params(reader: _Reader, pointer: str, value: Any) -> Document:
    known = (
        dict.fromkeys(filter(_PARAM.fullmatch, map(str, value)), _param) if isinstance(value, Mapping) else {}
    )
    return reader.closed(pointer, value, known)


def _param(reader: _Reader, pointer: str, value: Any) -> Any:
    items = value if isinstance(value, list) else [value]
    if len(items) > 1000 or not all(_is_plain(item) for item in items):
        reader.fault(pointer, "This must be a text, a number, true, false, or a list of at most 1000 such.")
    return value


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_TEXT and _is_storable(value)
    return isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 2**53)


_pointer = _like(_POINTER, "a pointer into the request, such as #/spec/lifetime")
_MATCH: Mapping[str, Read] = {
    "clusters": _set_of(_word),
    "environments": _set_of(_word),
    "types": _set_of(_one_of(*ExposureType)),
    "namespaces": _set_of(_word),
    "expression": _expression,
}
_RULE: Mapping[str, Read] = {
    "expression": _expression,
    "message": _text,
    "message_expression": _expression,
    "field": _pointer,
}
_REQUIREMENT: Mapping[str, Read] = {"group": _word, "count": _count, "filter": _expression, "reason": _text}
_POLICY: Mapping[str, Read] = {
    "name": _like(NAME, f"a name: {NAME_IN_WORDS}"),
    "description": _text,
    "mode": _mode,
    "match": _match,
    "deny": _rules,
    "require": _requirements,
    "auto": _auto,
    "warn": _rules,
    "pending_ttl": _seconds,
    "lifetime": _lifetime,
    "params": _params,
}
