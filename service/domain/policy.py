"""Policies as frozen values, and what evaluates their expressions. Pure.

A policy says of the requests that it matches: never (``deny``), not without these people (``require``),
without anybody (``auto``), or only until then (``lifetime``). Its expressions are CEL, shaped like those of
Kubernetes' ValidatingAdmissionPolicy. The language itself is behind the protocol ``Evaluator``; a failure of
an expression is a value, because whoever decides has to fail closed with it, not stop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from service.domain.spec import Document


class Mode(StrEnum):
    """Whether a policy decides, only tells the requester what it would say, or only writes it down."""

    ENFORCE = "enforce"
    WARN = "warn"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests a policy is about: all that is given has to fit. None: any."""

    clusters: frozenset[str] | None = None
    environments: frozenset[str] | None = None
    types: frozenset[str] | None = None
    namespaces: frozenset[str] | None = None
    expression: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is refused, or warned of, when ``expression`` is true; ``field`` is a pointer into the request."""

    expression: str
    message: str | None = None
    message_expression: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """People who have to approve. ``group`` None: any approver; ``filter`` narrows who of them."""

    group: str | None = None
    count: int = 1
    filter: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long an exposure may be asked for, and how long it may get by renewals in all, in seconds."""

    max: int
    max_total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of a policy. ``auto`` True: always; an expression: when it holds; None: never."""

    name: str
    version: int
    description: str = ""
    mode: Mode = Mode.ENFORCE
    match: Match = Match()
    deny: tuple[Rule, ...] = ()
    require: tuple[Requirement, ...] = ()
    auto: str | bool | None = None
    warn: tuple[Rule, ...] = ()
    pending_ttl: int | None = None
    lifetime: Lifetime | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    def ref(self) -> str:
        """Return ``NAME@VERSION``."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """One version of a policy: ``proposed``, ``active`` or ``retired``, and by whom."""

    name: str
    version: int
    document: Document
    state: str
    created_by: Document
    created_at: datetime
    reviewed_by: Document | None
    activated_at: datetime | None
    retired_at: datetime | None


class Scope(StrEnum):
    """What an expression may speak of: the request, or a reviewer of it."""

    REQUEST = "request"
    REVIEWER = "reviewer"


class Kind(StrEnum):
    """What an expression has to give."""

    TRUTH = "bool"
    TEXT = "string"


@dataclass(frozen=True, slots=True)
class Failure:
    """An expression that gave no answer, and why. It means no, whatever was asked."""

    reason: str


@dataclass(frozen=True, slots=True)
class ExpressionFault:
    """What is wrong with an expression; line and column from 1, None: with all of it."""

    detail: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Return it for people."""
        return self.detail if self.line is None else f"Line {self.line}, column {self.column}: {self.detail}"


class Binding(Protocol):
    """Values that expressions are evaluated with."""

    def under(self, policy: str) -> "Binding":
        """Return the same with the parameters of the policy of this name."""

    def truth(self, expression: str) -> bool | Failure:
        """Return what a condition says."""

    def text(self, expression: str) -> str | Failure:
        """Return the text that an expression makes."""


class Evaluator(Protocol):
    """A language of expressions: service/expressions has CEL."""

    def faults(
        self, expression: str, kind: Kind, scope: Scope, params: Mapping[str, Any]
    ) -> Sequence[ExpressionFault]:
        """Return what is wrong with an expression before anybody depends on it."""

    def bind(
        self, scope: Scope, variables: Document, params: Mapping[str, Mapping[str, Any]]
    ) -> Binding | Failure:
        """Return the values ready for use; a failure when there is too much of them.

        Args:
            params: the parameters of each policy that has some, by its name.
        """
