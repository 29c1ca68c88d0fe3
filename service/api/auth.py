"""Who is calling. One hook for every route: what is not listed as public needs a bearer token."""

from flask import g, request

from service.api.context import edge
from service.domain.errors import Unauthenticated
from service.workflow.identify import principal_of

PUBLIC = frozenset(
    {
        "health.livez",
        "health.readyz",
        "metrics.metrics",
        "docs.as_yaml",
        "docs.as_json",
        "docs.page",
        "docs.problem",
        "evidence.list_evidence_keys",
    }
)
"""Endpoints that anyone may call."""


def authenticate() -> None:
    """Find out who calls; an address that does not exist goes on to its 404.

    Raises:
        Unauthenticated: no bearer token, or none that is valid now.
    """
    if request.endpoint is None or request.endpoint in PUBLIC:
        return
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send Authorization: Bearer with a token. The platform team gives you one.")
    with edge().transaction() as session:
        g.principal = principal_of(session, token.strip(), edge().now())
