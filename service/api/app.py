"""The Flask app: resources, hooks and error handlers put together. Built once a process, by wiring."""

import logging
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, g, request
from flask_smorest import Api  # type: ignore[import-untyped]

from service.api import (
    adoptions,
    changes,
    docs,
    drift,
    evidence,
    exposures,
    freezes,
    health,
    metrics,
    node_port_map,
    node_ports,
    policies,
    problems,
    reservations,
    reviews,
    revisions,
    teams,
)
from service.api.answers import ProblemSchema
from service.api.auth import authenticate
from service.api.context import EXTENSION, Edge, edge, request_id
from service.api.fields import Duration, PageSize
from service.api.parsing import MAX_BODY, StrictJSON
from service.api.resource import PROBLEM, Number, PolicyName, refuse_stray_query
from service.domain.policy_document import RESERVED

log = logging.getLogger(__name__)

PROBES = frozenset({"health.livez", "health.readyz", "metrics.metrics"})
"""They are called every few seconds and tell nothing: not logged."""

RESOURCES = (
    exposures,
    changes,
    drift,
    revisions,
    reviews,
    evidence,
    policies,
    node_ports,
    node_port_map,
    reservations,
    freezes,
    adoptions,
    teams,
)
"""In the order of the OpenAPI document."""

DESCRIPTION = """\
Self-service exposure for Kubernetes: teams ask, people approve, a ledger of node ports is kept true.

Every error is `application/problem+json` (RFC 9457) with a stable `code`; `errors` points at each faulty
field. Every answer carries `X-Request-Id`: the caller's own, when it sent one.
"""


class DescribedApi(Api):  # type: ignore[misc]
    """flask-smorest with one description of every error."""

    DEFAULT_ERROR_RESPONSE_NAME = PROBLEM
    ERROR_SCHEMA = ProblemSchema


def create_app(edge: Edge) -> Flask:
    """Return the app that answers at this edge."""
    app = Flask(__name__, static_folder=None)
    app.config.update(
        API_TITLE="Wharfinger",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.1",
        # One byte more than is taken: Werkzeug cuts a chunked body off here; a cut must be seen as too large.
        MAX_CONTENT_LENGTH=MAX_BODY + 1,
    )
    app.extensions[EXTENSION] = edge
    app.json = StrictJSON(app)
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"number": Number, "policy": PolicyName}
    app.before_request(_note_start)
    app.before_request(authenticate)
    app.before_request(refuse_stray_query)
    app.after_request(_echo_request_id)
    app.after_request(_log_request)
    app.extensions[docs.EXTENSION] = _register_resources(app)
    app.extensions[metrics.EXTENSION] = metrics.RecentCounts()
    app.register_blueprint(health.blueprint)
    app.register_blueprint(metrics.blueprint)
    app.register_blueprint(docs.blueprint)
    problems.register(app)
    return app


def _echo_request_id(response: Response) -> Response:
    response.headers["X-Request-Id"] = request_id()
    return response


def _note_start() -> None:
    g.begun = edge().now()


def _log_request(response: Response) -> Response:
    """Write one line for a request: what was asked, by whom, what came of it; never a token or a body."""
    if request.endpoint not in PROBES:
        facts = {
            "method": request.method,
            "path": quote(request.path),
            "status": response.status_code,
            "milliseconds": round((edge().now() - g.begun).total_seconds() * 1000),
            "person": g.principal.person if "principal" in g else None,
            "request_id": request_id(),
        }
        log.info("request", extra=facts)
    return response


def _register_resources(app: Flask) -> dict[str, Any]:
    """Register what the OpenAPI document describes; return that document."""
    options = {
        "info": {"description": DESCRIPTION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
    }
    api = DescribedApi(app, spec_kwargs=options)
    api.register_converter(Number, lambda _: {"type": "integer", "minimum": 0, "maximum": 999_999_999})
    api.register_converter(
        PolicyName, lambda _: {"type": "string", "minLength": 1, "not": {"enum": list(RESERVED)}}
    )
    api.register_field(Duration, "string", None)
    api.register_field(PageSize, "integer", None)
    scheme = {"type": "http", "scheme": "bearer", "description": "A token that begins with `wft_`."}
    api.spec.components.security_scheme("bearer", scheme)
    content = {problems.MEDIA_TYPE: {"schema": ProblemSchema()}}
    api.spec.components.response(PROBLEM, {"description": "A problem (RFC 9457).", "content": content})
    for resource in RESOURCES:
        api.register_blueprint(resource.blueprint)
    document: dict[str, Any] = api.spec.to_dict()
    del document["components"]["schemas"]["PaginationMetadata"]  # flask-smorest's own way of paging
    return document
