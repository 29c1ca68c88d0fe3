"""Reading what a client sent, strictly: bytes to JSON to a schema's values, or an error that names the place.

Python's json accepts NaN, duplicate names, lone surrogates and thousands of brackets; PostgreSQL refuses NUL.
None of it gets past here, and every body and query of the api comes through ``StrictParser``.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import quote

from flask import Request
from flask.json.provider import DefaultJSONProvider
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser

from service.domain.errors import Fault, Invalid, Malformed, TooLarge, UnsupportedMediaType

MAX_BODY = 64 * 1024
"""Bytes."""
MAX_DEPTH = 32
MERGE_PATCH = "application/merge-patch+json"
MAX_DIGITS = 30

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

Path = tuple[str | int, ...]


def pointer(path: Path) -> str:
    """Return a JSON pointer as URI fragment. Source: RFC 6901 §6."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "#" + "".join("/" + quote(step, safe="~!$&'()*+,;=:@", errors="replace") for step in steps)


def is_storable(text: str) -> bool:
    """Return whether PostgreSQL can keep a text: no NUL, no half of a surrogate pair."""
    return _UNSTORABLE.search(text) is None


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Takes the place of a value that JSON, or we, do not allow."""

    detail: str


def read_json(data: bytes) -> Any:
    """Return what a JSON text says.

    Raises:
        Malformed: it is no JSON, or JSON that two readers would read differently; with the place if there is
            one.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.") from error
    if not text.strip():
        raise Malformed("The body is empty; a JSON object is needed.")
    if _depth(text) > MAX_DEPTH:
        raise Malformed(f"The body is nested more than {MAX_DEPTH} levels deep.")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_float, parse_int=_integer, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise Malformed(
            f"The body is no JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error
    for path, detail in _flaws(value, ()):
        raise Malformed(f"{pointer(path)}: {detail}", pointer(path))
    return value


def _depth(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in pairs:
        result[name] = _Flaw("This name is there twice.") if name in result else value
    return result


def _float(text: str) -> float | _Flaw:
    value = float(text)
    return value if math.isfinite(value) else _Flaw("This number is too large.")


def _integer(text: str) -> int | _Flaw:
    return int(text) if len(text) <= MAX_DIGITS else _Flaw("This number is too large.")


def _constant(name: str) -> _Flaw:
    return _Flaw(f"{name} is no JSON value.")


def _flaws(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, _Flaw):
        yield path, value.detail
    elif isinstance(value, str):
        if not is_storable(value):
            yield path, "This text has a NUL or half of a surrogate pair."
    elif isinstance(value, dict):
        for name, item in value.items():
            if not is_storable(name):
                yield path, "A name has a NUL or half of a surrogate pair."
            yield from _flaws(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flaws(item, (*path, index))


def timestamp(value: datetime) -> str:
    """Return a time as the api writes it."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    return timestamp(value) if isinstance(value, datetime) else DefaultJSONProvider.default(value)


class StrictJSON(DefaultJSONProvider):
    """Flask's own JSON: keeps the order of fields, reads strictly, and writes times as the api does."""

    sort_keys = False
    default = staticmethod(_plain)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Return what a JSON text says; see ``read_json``."""
        return read_json(s.encode() if isinstance(s, str) else s)


class StrictParser(FlaskParser):
    """The one reader of bodies and queries."""

    def __init__(self) -> None:
        super().__init__(unknown=None)  # each schema's own: refuse

    def load_json(self, req: Request, schema: Schema) -> dict[str, Any]:
        """Return the body, an object.

        Raises:
            UnsupportedMediaType, TooLarge, Malformed: it is something else.
        """
        charset = req.mimetype_params.get("charset", "utf-8").lower()
        types = [MERGE_PATCH, "application/json"] if req.method == "PATCH" else ["application/json"]
        if req.mimetype not in types or charset != "utf-8" or req.content_encoding:
            raise UnsupportedMediaType(
                f"Send the body as Content-Type: {types[0]}, in UTF-8, not compressed."
            )
        try:
            data = req.get_data(cache=False)
        except OSError as error:  # gunicorn's, for chunks that are none
            raise Malformed("The body cannot be read: its chunks are not as HTTP writes them.") from error
        if len(data) > MAX_BODY:
            raise TooLarge(f"A body has at most {MAX_BODY // 1024} kB.")
        body = read_json(data)
        if not isinstance(body, dict):
            raise Malformed("The body must be a JSON object.", "#")
        return body

    def load_querystring(self, req: Request, schema: Schema) -> dict[str, str]:
        """Return the query, each parameter once.

        Raises:
            Malformed: one is there twice.
        """
        for name, values in req.args.lists():
            if len(values) > 1:
                raise Malformed(f"Query parameter {name[:100]!r} is there {len(values)} times.")
        return req.args.to_dict()

    def handle_error(
        self,
        error: ValidationError,
        req: Request,
        schema: Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        """Raise what marshmallow found in our own words."""
        [(location, messages)] = error.messages_dict.items()
        if location == "json":
            raise Invalid(list(_faults(messages, ()))) from error
        listed = "; ".join(f"{name[:100]!r}: {' '.join(map(str, said))}" for name, said in messages.items())
        raise Malformed(f"Query parameter {listed}") from error


def loaded(schema: Schema, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schema makes of a document that did not come as a body.

    Raises:
        Invalid: with every fault.
    """
    try:
        values: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        raise Invalid(list(_faults(error.messages, ()))) from error
    return values


def merge_patch(target: Any, patch: Any) -> Any:
    """Return a JSON value with a patch applied: null takes a member out. Source: RFC 7396 §2."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _faults(messages: Any, path: Path) -> Iterator[Fault]:
    """Yield what marshmallow nests: names and indices lead to lists of messages; our own faults are ready."""
    if isinstance(messages, Fault):
        yield messages
    elif isinstance(messages, dict):
        for step, inner in messages.items():
            yield from _faults(inner, path if step == "_schema" else (*path, step))
    elif isinstance(messages, list):
        for message in messages:
            yield from _faults(message, path)
    else:
        yield Fault(pointer(path), str(messages))
