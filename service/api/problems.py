"""Every error as application/problem+json (RFC 9457): the only place that knows the errors' HTTP statuses."""

import logging
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import quote

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from service.api.context import edge, request_id
from service.api.parsing import MERGE_PATCH, timestamp
from service.domain import errors

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
EXHAUSTED_RETRY_SECONDS = 60
"""For a full pool in which nothing cools: any owner may go at any time."""

STATUSES: Mapping[type[errors.WharfingerError], int] = {
    errors.Malformed: 400,
    errors.Invalid: 422,
    errors.UnsatisfiablePolicy: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.PreconditionRequired: 428,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.Busy: 503,
    errors.Unavailable: 503,
    errors.ClusterError: 503,
}
"""A class without an entry has its parent's."""

TITLES: Mapping[str, str] = {
    "malformed": "The request cannot be read",
    "bad-page-token": "The page token does not belong to this list",
    "unauthenticated": "A valid bearer token is needed",
    "forbidden": "You are not allowed to do this",
    "policy-denied": "The platform's policies refuse it",
    "unsatisfiable-policy": "The platform's policies ask for people who are not there",
    "cannot-resume": "Another thing lifts this suspension",
    "nothing-to-renew": "There is nothing to renew",
    "quota-exceeded": "The team would have more than its quota",
    "self-review": "Who asked cannot decide",
    "not-found": "There is no such thing that you may see",
    "method-not-allowed": "This resource does not know that method",
    "conflict": "It clashes with what is",
    "name-taken": "The name is taken",
    "node-port-taken": "The node port is taken",
    "node-port-reserved": "The node port is kept for somebody else",
    "pool-exhausted": "No node port is left",
    "already-decided": "It is decided already",
    "ended": "The exposure has ended",
    "no-drift": "No drift is kept",
    "adoption-open": "The Service's adoption was asked for already",
    "not-adopted": "The Service is not adopted yet",
    "environment-taken": "The namespace has another environment",
    "precondition-failed": "It has changed since you read it",
    "stale": "It has changed since you read it",
    "digest-mismatch": "The review was written for something else",
    "too-large": "The request is too large",
    "unsupported-media-type": "The media type is not supported",
    "invalid": "Some fields are not valid",
    "precondition-required": "Say which state you have read",
    "busy": "Busy, try again",
    "unavailable": "A part that is needed does not answer",
    "lease-lost": "Another worker keeps the cluster",
    "mark-unwritten": "The cluster does not have the ledger's mark",
    "cluster": "The cluster does not answer as it should",
    "internal": "Something went wrong on our side",
}
"""Every code a client may meet, and the title of its problem."""

FRAMEWORK_CODES = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
    503: "unavailable",
}
FRAMEWORK_DETAILS = {
    404: "There is nothing at this address.",
    405: "This address does not know that method; Allow lists those that it knows.",
    413: "A body has at most 64 kB.",
}


def status_of(kind: type[errors.WharfingerError]) -> int:
    """Return the HTTP status of a domain error.

    Raises:
        KeyError: nobody gave it one.
    """
    for parent in kind.__mro__:
        if parent in STATUSES:
            return STATUSES[parent]
    raise KeyError(kind.__name__)


def problem(
    code: str, status: int, detail: str, facts: Mapping[str, object], headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """Return one problem document as an answer to the present request."""
    document = {
        "type": f"/problems/{code}",
        "title": TITLES[code],
        "status": status,
        "detail": detail,
        "instance": quote(request.path),
        "code": code,
        "request_id": request_id(),
        **{name: timestamp(fact) if isinstance(fact, datetime) else fact for name, fact in facts.items()},
    }
    response = jsonify(document)
    response.status_code, response.mimetype = status, MEDIA_TYPE
    response.headers.extend(headers)
    if status == 415 and request.method == "PATCH":
        response.headers["Accept-Patch"] = f"{MERGE_PATCH}, application/json"  # RFC 5789 §2.2
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _retry_seconds(error: errors.PoolExhausted) -> int:
    """Return when to ask again: once the next port has cooled, else when somebody may have left."""
    if error.next_free_at is None:
        return EXHAUSTED_RETRY_SECONDS
    return max(1, math.ceil((error.next_free_at - edge().now()).total_seconds()))


def register(app: Flask) -> None:
    """Let every error of an app end as a problem document."""
    app.register_error_handler(errors.WharfingerError, _known)
    app.register_error_handler(HTTPException, _framework)
    app.register_error_handler(Exception, _unexpected)


def _known(error: errors.WharfingerError) -> Response:
    headers = [("Retry-After", str(_retry_seconds(error)))] if isinstance(error, errors.PoolExhausted) else []
    return problem(error.code, status_of(type(error)), str(error), error.facts, headers)


def _framework(error: HTTPException) -> Response:
    status = error.code or 500
    code = FRAMEWORK_CODES.get(status, "malformed" if status < 500 else "internal")
    detail = FRAMEWORK_DETAILS.get(status, TITLES[code] + ".")
    kept = [(name, value) for name, value in error.get_headers() if name == "Allow"]
    return problem(code, status, detail, {}, kept)


def _unexpected(error: Exception) -> Response:
    """Answer without the error's text: that is for our log alone."""
    log.error("unexpected error", exc_info=error, extra={"request_id": request_id()})
    detail = "Something unexpected happened. The request id leads to it in the log of the platform team."
    return problem("internal", 500, detail, {})
