"""What every resource's file builds on: a blueprint that reads strictly; numbers and names in addresses."""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flask import current_app, request
from flask_smorest import Blueprint  # type: ignore[import-untyped]
from marshmallow import Schema
from werkzeug.routing import BaseConverter

from service.api.parsing import StrictParser
from service.domain.errors import Malformed
from service.domain.policy_document import RESERVED

View = TypeVar("View", bound=Callable[..., Any])
TAKES_QUERY, TAKES_DRY_RUN = "takes_query", "takes_dry_run"
PROBLEM = "Problem"
"""The component of the OpenAPI document that describes every error."""


class Number(BaseConverter):
    """A number in an address that fits PostgreSQL's integer; anything else is a 404."""

    regex = "0|[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value)


class PolicyName(BaseConverter):
    """A policy's name in an address: never one at which the API has something else, so that Allow is true."""

    regex = f"(?!(?:{'|'.join(RESERVED)})$)[^/]+"


class Resource(Blueprint):  # type: ignore[misc]
    """A blueprint whose bodies and queries are read by ``StrictParser`` alone."""

    ARGUMENTS_PARSER = StrictParser()

    def route(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Serve a view at an address below the blueprint's."""
        decorate: Callable[[View], View] = super().route(rule, **options)
        return decorate

    def takes(self, schema: Schema, **options: Any) -> Callable[[View], View]:
        """Give the view the request's body as its argument."""
        return self._reads(schema, "json", 422, **options)

    def queries(self, schema: Schema) -> Callable[[View], View]:
        """Give the view the query as its argument; a view without this refuses every parameter."""
        return self._reads(schema, "query", 400)

    def _reads(self, schema: Schema, location: str, status: int, **options: Any) -> Callable[[View], View]:
        decorate = super().arguments(schema, location=location, **options)

        def decorator(view: View) -> View:
            reading: View = decorate(view)
            reading._apidoc["arguments"]["responses"] = {status: PROBLEM}  # type: ignore[attr-defined]
            if location == "query":
                setattr(reading, TAKES_QUERY, True)
            return reading

        return decorator

    def dry_run(self) -> Callable[[View], View]:
        """Let a view be tried: it opens its transaction by ``context.transaction``, which takes all back."""
        parameter = {
            "in": "query",
            "name": "dry_run",
            "description": "true: everything is judged and answered as it would be, and nothing is stored.",
            "schema": {"type": "boolean", "default": False},
        }
        describe = self.doc(parameters=[parameter])

        def decorator(view: View) -> View:
            described: View = describe(view)
            setattr(described, TAKES_DRY_RUN, True)
            return described

        return decorator

    def gives(self, status: int, schema: Schema | None = None, **options: Any) -> Callable[[View], View]:
        """Write what the view returns by a schema."""
        decorate: Callable[[View], View] = super().response(status, schema, **options)
        return decorate

    def problems(self, *statuses: int) -> Callable[[View], View]:
        """Describe which errors a view may end in."""

        def decorator(view: View) -> View:
            for status in statuses:
                view = self.alt_response(status, PROBLEM)(view)
            return view

        return decorator

    def also(self, status: int, description: str, schema: Schema | None = None) -> Callable[[View], View]:
        """Describe another good answer of a view, by default one without a body."""
        decorate: Callable[[View], View] = self.alt_response(status, schema=schema, description=description)
        return decorate

    def public(self, view: View) -> View:
        """Describe that a view needs no token; ``auth.PUBLIC`` is what lets it."""
        described: View = self.doc(security=[])(view)
        return described

    def header(self, name: str, description: str) -> Callable[[View], View]:
        """Describe a request header that the view reads."""
        parameter = {"in": "header", "name": name, "description": description, "schema": {"type": "string"}}
        decorate: Callable[[View], View] = self.doc(parameters=[parameter])
        return decorate


def refuse_stray_query() -> None:
    """Refuse query parameters where none are read, and addresses that PostgreSQL could not look up.

    Raises:
        Malformed: with the parameter's name.
    """
    if "\x00" in request.path:
        raise Malformed("The address has a NUL.")
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or getattr(view, TAKES_QUERY, False):
        return
    stray = [name for name in request.args if name != "dry_run" or not getattr(view, TAKES_DRY_RUN, False)]
    if stray:
        raise Malformed(f"There is no query parameter {stray[0][:100]!r} here.")


def warning_header(warnings: Iterable[str]) -> dict[str, str]:
    """Return the header that says each warning, none without one. Source: RFC 7234 §5.5."""
    quoted = [
        '299 - "{}"'.format(re.sub(r'(["\\])', r"\\\1", text.encode("ascii", "replace").decode()))
        for text in warnings
    ]
    return {"Warning": ", ".join(quoted)} if quoted else {}
