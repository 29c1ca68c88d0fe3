"""The OpenAPI document, and plain pages for people: no script, nothing from elsewhere."""

import json
from collections.abc import Iterator

import yaml
from flask import Blueprint, Response, current_app
from markupsafe import Markup, escape

from service.api.problems import TITLES
from service.domain.errors import NotFound
from service.domain.spec import Document

EXTENSION = "wharfinger-openapi"

blueprint = Blueprint("docs", __name__)

PAGE = Markup(
    "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
    "<style>body{{font:1rem/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}</style>"
    "<h1>{title}</h1>{body}</html>\n"
)


def openapi_document() -> Document:
    """Return the OpenAPI document of the app that answers now."""
    document: Document = current_app.extensions[EXTENSION]
    return document


@blueprint.route("/openapi.yaml")
def as_yaml() -> Response:
    """Answer the OpenAPI document as YAML."""
    text = yaml.safe_dump(openapi_document(), sort_keys=False, allow_unicode=True, width=110)
    return current_app.response_class(text, content_type="application/yaml")


@blueprint.route("/openapi.json")
def as_json() -> Response:
    """Answer the OpenAPI document as JSON."""
    return current_app.response_class(
        json.dumps(openapi_document(), indent=2), content_type="application/json"
    )


@blueprint.route("/docs")
def page() -> Response:
    """Answer a list of all operations and problems."""
    operations = Markup("").join(_operations())
    problems = Markup("").join(
        Markup('<li><a href="/problems/{0}">{0}</a>: {1}').format(code, title)
        for code, title in TITLES.items()
    )
    body = Markup(
        '<p>The whole description: <a href="/openapi.yaml">openapi.yaml</a>, '
        '<a href="/openapi.json">openapi.json</a>.'
        "<h2>Operations</h2><ul>{}</ul><h2>Problems</h2><ul>{}</ul>"
    ).format(operations, problems)
    return _html("Wharfinger", body)


def _operations() -> Iterator[Markup]:
    for path, item in openapi_document()["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict):
                line = Markup("<li><code>{} {}</code> {}")
                yield line.format(method.upper(), path, operation.get("summary", ""))


@blueprint.route("/problems/<code>")
def problem(code: str) -> Response:
    """Answer what a problem's ``type`` leads to."""
    if code not in TITLES:
        raise NotFound("There is no problem of that name.")
    body = Markup("<p><code>{}</code>. The <code>detail</code> of each problem says what to do.").format(code)
    return _html(TITLES[code], body)


def _html(title: str, body: Markup) -> Response:
    text = PAGE.format(title=escape(title), body=body)
    return current_app.response_class(text, mimetype="text/html")
