"""Every route needs a token but the public ones; every domain error has a status and a title."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import cache

import pytest
from flask import Flask

from service.api.app import create_app
from service.api.auth import PUBLIC
from service.api.context import Edge
from service.api.problems import TITLES, status_of
from service.domain.errors import WharfingerError
from tests.judges import a_judge

ARGUMENTS = {
    "exposure_id": "00000000-0000-7000-8000-000000000000",
    "review_id": "00000000-0000-7000-8000-000000000000",
    "adoption_id": "00000000-0000-7000-8000-000000000000",
    "number": 1,
    "port": 30000,
    "cluster": "dev",
    "team": "team-a",
    "name": "edge",
    "code": "x",
}


@cache
def the_app() -> Flask:
    return create_app(Edge(nullcontext, lambda: datetime(2030, 1, 1, tzinfo=UTC), bytes, dict, a_judge()))


def every_call() -> Iterator[tuple[str, str, str]]:
    app = the_app()
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        values = {name: ARGUMENTS[name] for name in rule.arguments}
        for method in rule.methods or ():
            yield rule.endpoint, method, adapter.build(rule.endpoint, values)


def test_only_health_documents_and_public_keys_are_public():
    assert {endpoint for endpoint, _, _ in every_call()} >= PUBLIC
    public = {address for endpoint, _, address in every_call() if endpoint in PUBLIC}
    assert public <= {
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.yaml",
        "/openapi.json",
        "/docs",
        "/problems/x",
        "/v1/evidence-keys",
    }


@pytest.mark.parametrize(("endpoint", "method", "address"), sorted(every_call()))
def test_a_route_needs_a_token_unless_it_is_public(endpoint, method, address):
    answer = the_app().test_client().open(address, method=method)
    if endpoint in PUBLIC:
        assert answer.status_code != 401
    else:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def every_error(kind: type[WharfingerError] = WharfingerError) -> Iterator[type[WharfingerError]]:
    for child in kind.__subclasses__():
        yield child
        yield from every_error(child)


@pytest.mark.parametrize("kind", sorted(set(every_error()), key=lambda kind: kind.__name__))
def test_every_domain_error_has_a_status_and_a_title(kind):
    assert 400 <= status_of(kind) < 600
    assert TITLES[kind.code]
