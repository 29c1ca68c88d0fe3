"""CEL behind the protocol of domain/policy.py, with every way out closed.

What the library does that a caller must not rely on: an error comes back as a *value* whose Python form is a
text, so only the singletons True and False are answers; more than 10,000 iterations raise; an expression that
nests too deep raises at compile time. All of it becomes a ``Failure``. Expressions and values are bounded
before they reach the library: it bounds iterations, not bytes.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any, TypeAlias

from cel_expr_python import cel

from service.domain.policy import ExpressionFault, Failure, Kind, Scope
from service.domain.spec import Document
from service.domain.subject import REVIEWER_SHAPES, SHAPES
from service.expressions.laws import Found, field_faults, law_faults
from service.expressions.syntax import Node, tree_of

MAX_EXPRESSION_BYTES = 2048
MAX_INPUT_BYTES = 262_144
"""A request's body has at most 64 kB, and stands in object, oldObject and delta."""

COMPILED = 4096
"""So many compiled expressions are kept."""

_ERROR = re.compile(r"^(?:INVALID_ARGUMENT: )?ERROR: <input>:(-?\d+):(-?\d+): (.*)$", re.MULTILINE)
_NOISE = re.compile(r" \(in container ''\)| \[[A-Z_]+\]$")
_DOTTED = re.compile(r"undeclared reference to '(.+)\.[^.]+'")
_STATUS = re.compile(r"^[A-Z_]+: ")


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression, and its tree."""

    expression: cel.Expression
    root: Node


Compile: TypeAlias = Callable[[str, str], Program | tuple[ExpressionFault, ...]]
"""Takes the room of a policy's parameters, "" without any, and the expression."""


class CelEvaluator:
    """Compiles an expression once, and evaluates it as often as it is asked. Threads may share one.

    All policies of a decision share one set of values, which the library converts at their first use, for
    the price of five evaluations. Only ``params`` differ: each policy that has some has an environment with a
    room of its own, in which ``params`` means its own variable.
    """

    def __init__(self) -> None:
        self.environment_of = cache(_environment)
        self.compiled: Mapping[Scope, Compile] = {
            scope: lru_cache(COMPILED)(partial(self._compile, scope)) for scope in Scope
        }

    def faults(
        self, expression: str, kind: Kind, scope: Scope, params: Mapping[str, Any]
    ) -> Sequence[ExpressionFault]:
        """Return what is wrong with an expression: form, types, cost, and fields that nothing has."""
        compiled = self.compiled[scope]("", expression)
        if not isinstance(compiled, Program):
            return compiled
        shapes = {**SHAPES, "params": dict.fromkeys(params)} if scope is Scope.REQUEST else REVIEWER_SHAPES
        found = [_placed(expression, found) for found in field_faults(compiled.root, shapes)]
        given = compiled.expression.return_type().name().lower()
        if given != kind.value:
            hint = " Compare it with something, for example == true." if given == "dyn" else ""
            found.append(ExpressionFault(f"This gives {given}, and {kind.value} is wanted.{hint}", 1, 1))
        return found

    def bind(
        self, scope: Scope, variables: Document, params: Mapping[str, Mapping[str, Any]]
    ) -> "CelBinding | Failure":
        """Return JSON values ready for expressions of a scope."""
        size = len(json.dumps(variables))
        if size > MAX_INPUT_BYTES:
            return Failure(f"the request is too large for policies ({size} bytes, {MAX_INPUT_BYTES} may be)")
        own = {f"{_room(policy)}.params": dict(values) for policy, values in params.items()}
        bare: Document = {"params": {}} if scope is Scope.REQUEST else {}
        activation = self.environment_of(scope, "").Activation({**variables, **bare, **own})
        return CelBinding(self.compiled[scope], activation, "")

    def _compile(self, scope: Scope, room: str, expression: str) -> Program | tuple[ExpressionFault, ...]:
        size = len(expression.encode(errors="replace"))
        if size > MAX_EXPRESSION_BYTES:
            return (ExpressionFault(f"This has {size} bytes, and at most {MAX_EXPRESSION_BYTES} may be."),)
        try:
            program = self.environment_of(scope, room).compile(expression)
            root = tree_of(program.serialize())
            costly = tuple(_placed(expression, found) for found in law_faults(root))
        except RecursionError:
            return (ExpressionFault("This nests too deep."),)
        except (RuntimeError, ValueError) as error:  # all that the library raises, and a tree of another form
            return tuple(dict.fromkeys(_told(expression, str(error))))
        return costly or Program(program, root)


class CelBinding:
    """The values of one request, or of one reviewer."""

    def __init__(self, compiled: Compile, activation: cel.Activation, room: str) -> None:
        self.compiled, self.activation, self.room = compiled, activation, room

    def under(self, policy: str) -> "CelBinding":
        """Return the same values with the parameters of a policy."""
        return CelBinding(self.compiled, self.activation, _room(policy))

    def truth(self, expression: str) -> bool | Failure:
        """Return what a condition says: true and false are answers, anything else is a failure."""
        value = self._value(expression)
        # An error's value is a text, and so is a text: only the two singletons are no mistake.
        if value is True or value is False or isinstance(value, Failure):
            return value
        return Failure("it did not give true or false")

    def text(self, expression: str) -> str | Failure:
        """Return the text that an expression makes."""
        value = self._value(expression)
        return value if isinstance(value, str | Failure) else Failure("it did not give a text")

    def _value(self, expression: str) -> Any:
        compiled = self.compiled(self.room, expression)
        if isinstance(compiled, tuple):
            return Failure(str(compiled[0]))
        try:
            result = compiled.expression.eval(self.activation)
            value = result.value()
        except Exception as error:  # whatever a library raises, the answer is no
            return Failure(_said(str(error)))
        if value is True or value is False:
            return value
        return Failure(_said(str(value))) if result.type() == cel.Type.ERROR else value


def _room(policy: str) -> str:
    """Return the namespace of a policy's parameters: a name has no underscores, so no two share one."""
    return "policy_" + policy.replace("-", "_")


def _environment(scope: Scope, room: str) -> cel.Env:
    """Return what expressions of a scope may speak of; all but the room of ``params`` is the same for all."""
    anything = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    if scope is Scope.REVIEWER:
        return cel.NewEnv(variables=dict.fromkeys(REVIEWER_SHAPES, anything))
    params = f"{room}.params" if room else "params"
    # oldObject is null when there is no base, which no map can be.
    variables = {**dict.fromkeys((*SHAPES, params), anything), "oldObject": cel.Type.DYN}
    return cel.NewEnv(variables=variables, container=room)


def _told(expression: str, message: str) -> Iterator[ExpressionFault]:
    """Yield the compiler's errors one by one, with their places when they have some."""
    found = list(_ERROR.finditer(message))
    for match in found:
        line, column, detail = int(match[1]), int(match[2]), _NOISE.sub("", match[3])
        if line < 1:
            yield ExpressionFault(f"{detail}.".replace("..", "."))
            continue
        if dotted := _DOTTED.match(detail):  # the compiler names the last point of a.b as its place
            start = expression.split("\n")[line - 1].rfind(dotted[1], 0, column - 1)
            column = column if start < 0 else start + 1
        yield ExpressionFault(detail, line, column)
    if not found:
        yield ExpressionFault(_said(message))


def _said(message: str) -> str:
    """Return a library's message without its status words, at a length that people read."""
    return _STATUS.sub("", _NOISE.sub("", message.strip()))[:500]


def _placed(expression: str, found: Found) -> ExpressionFault:
    offset, detail = found
    offset += (
        expression[offset : offset + 1] == "."
    )  # a field's place is its name's, not the point's before it
    before = expression[:offset]
    return ExpressionFault(detail, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)
