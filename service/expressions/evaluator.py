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
from functools import lru_cache
from typing import Any, TypeAlias

from cel_expr_python import cel

from service.domain.policy import ExpressionFault, Failure, Kind, Scope
from service.domain.spec import Document
from service.domain.subject import REVIEWER_SHAPES, SHAPES
from service.expressions.laws import Found, cost_faults, field_faults
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


Compile: TypeAlias = Callable[[Scope, str], Program | tuple[ExpressionFault, ...]]


class CelEvaluator:
    """Compiles an expression once, and evaluates it as often as it is asked. Threads may share one."""

    def __init__(self) -> None:
        anything = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
        # It is null when there is no base, which no map can be.
        special = {"oldObject": cel.Type.DYN}
        self.environments = {
            Scope.REQUEST: cel.NewEnv(variables={**dict.fromkeys((*SHAPES, "params"), anything), **special}),
            Scope.REVIEWER: cel.NewEnv(variables=dict.fromkeys(REVIEWER_SHAPES, anything)),
        }
        self.compiled: Compile = lru_cache(COMPILED)(self._compile)

    def faults(
        self, expression: str, kind: Kind, scope: Scope, params: Mapping[str, Any]
    ) -> Sequence[ExpressionFault]:
        """Return what is wrong with an expression: form, types, cost, and fields that nothing has."""
        compiled = self.compiled(scope, expression)
        if not isinstance(compiled, Program):
            return compiled
        given = compiled.expression.return_type().name().lower()
        if given != kind.value:
            hint = " Compare it with something, for example == true." if given == "dyn" else ""
            return [ExpressionFault(f"This gives {given}, and {kind.value} is wanted.{hint}", 1, 1)]
        shapes = {**SHAPES, "params": dict.fromkeys(params)} if scope is Scope.REQUEST else REVIEWER_SHAPES
        return [_placed(expression, found) for found in field_faults(compiled.root, shapes)]

    def bind(self, scope: Scope, variables: Document) -> "CelBinding | Failure":
        """Return JSON values ready for expressions of a scope."""
        size = len(json.dumps(variables))
        if size > MAX_INPUT_BYTES:
            return Failure(f"the request is too large for policies ({size} bytes, {MAX_INPUT_BYTES} may be)")
        return CelBinding(self, scope, {**variables, "params": {}} if scope is Scope.REQUEST else variables)

    def _compile(self, scope: Scope, expression: str) -> Program | tuple[ExpressionFault, ...]:
        size = len(expression.encode(errors="replace"))
        if size > MAX_EXPRESSION_BYTES:
            return (ExpressionFault(f"This has {size} bytes, and at most {MAX_EXPRESSION_BYTES} may be."),)
        try:
            program = self.environments[scope].compile(expression)
            root = tree_of(program.serialize())
            costly = tuple(_placed(expression, found) for found in cost_faults(root))
        except RecursionError:
            return (ExpressionFault("This nests too deep."),)
        except (RuntimeError, ValueError) as error:  # all that the library raises, and a tree of another form
            return tuple(dict.fromkeys(_told(expression, str(error))))
        return costly or Program(program, root)


class CelBinding:
    """The values of one request, or of one reviewer."""

    def __init__(self, evaluator: CelEvaluator, scope: Scope, values: Document) -> None:
        self._evaluator, self._scope, self._values = evaluator, scope, values
        self._activation = evaluator.environments[scope].Activation(values)

    def under(self, params: Mapping[str, Any]) -> "CelBinding":
        """Return the same values with a policy's parameters."""
        if not params:
            return self
        return CelBinding(self._evaluator, self._scope, {**self._values, "params": dict(params)})

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
        compiled = self._evaluator.compiled(self._scope, expression)
        if not isinstance(compiled, Program):
            return Failure(str(compiled[0]))
        try:
            result = compiled.expression.eval(self._activation)
            value = result.value()
        except Exception as error:  # whatever a library raises, the answer is no
            return Failure(_said(str(error)))
        if value is True or value is False:
            return value
        return Failure(_said(str(value))) if result.type() == cel.Type.ERROR else value


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
