"""A small world for the api's tests: a cluster, two teams, a token for each kind of caller, a JSON client."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import copy, deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.api import metrics
from service.api.app import create_app
from service.api.context import EXTENSION, Edge
from service.domain.identifiers import uuid7
from service.domain.ports import Pool
from service.domain.principal import Principal, PrincipalKind, Role
from service.store import identities
from service.workflow.identify import hash_of
from service.workflow.signing import Signer, new_key
from tests.judges import a_judge

Transaction = Callable[[], AbstractContextManager[Session]]

PEOPLE: Mapping[str, Principal] = {
    "ann": Principal(
        PrincipalKind.PERSON, "ann", None, frozenset({"team-a"}), frozenset(), frozenset({Role.REQUESTER})
    ),
    "ben": Principal(
        PrincipalKind.PERSON, "ben", None, frozenset({"team-b"}), frozenset(), frozenset({Role.REQUESTER})
    ),
    "eve": Principal(
        PrincipalKind.PERSON, "eve", None, frozenset(), frozenset({"platform"}), frozenset({Role.APPROVER})
    ),
    "pia": Principal(
        PrincipalKind.PERSON, "pia", None, frozenset(), frozenset({"platform"}), frozenset({Role.ADMIN})
    ),
    "aud": Principal(PrincipalKind.PERSON, "aud", None, frozenset(), frozenset(), frozenset({Role.AUDITOR})),
    "both": Principal(
        PrincipalKind.PERSON,
        "ann",
        None,
        frozenset({"team-a"}),
        frozenset({"platform"}),
        frozenset({Role.REQUESTER, Role.APPROVER}),
    ),
}
POOL = Pool(30000, 30040)
SIGNER = Signer.of_pem(new_key(bytes(range(32))))


def fill(transaction: Transaction, now: datetime) -> None:
    """Write cluster, teams, namespaces and tokens; the token of X is ``wft_X``."""
    with transaction() as session:
        identities.put_cluster(session, identities.Cluster("dev", None, POOL), now)
        for team in ("team-a", "team-b"):
            identities.add_team(session, team, now)
            identities.add_namespace(session, "dev", team, "development")
            identities.give_namespace(session, team, "dev", team)
        for name, who in PEOPLE.items():
            sha256, over = hash_of(f"wft_{name}"), now + timedelta(days=90)
            identities.add_token(session, uuid7(now, os.urandom(10)), sha256, who, over, now)


def count_rows(transaction: Transaction) -> tuple[int, ...]:
    """Return how many exposures, claims and events there are."""
    with transaction() as session:
        tables = ("exposure", "port_claim WHERE state <> 'free'", "event")
        return tuple(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in tables)


def a_request(**spec: Any) -> dict[str, Any]:
    """Return the issue's example with some fields of its spec replaced; ``...`` leaves one out."""
    body: dict[str, Any] = {
        "metadata": {"cluster": "dev", "namespace": "team-a", "name": "hello", "team": "team-a"},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "hello"},
            "ports": [
                {"name": "http", "port": 80, "target_port": "http", "protocol": "TCP", "node_port": 30007}
            ],
            "lifetime": "72h",
            "justification": "product demo on Thursday",
        },
    }
    body["spec"] = {
        name: value for name, value in (body["spec"] | deepcopy(spec)).items() if value is not ...
    }
    return body


def named(name: str, **spec: Any) -> dict[str, Any]:
    """Return a request for another exposure, its port chosen by the ledger."""
    body = a_request(ports=[{"port": 80}], **spec)
    body["metadata"]["name"] = name
    return body


class Caller:
    """A client with somebody's token."""

    def __init__(self, client: FlaskClient, who: str | None) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer wft_{who}"} if who else {}

    def get(self, path: str, **headers: str) -> TestResponse:
        """Read; header names are written with underscores."""
        return self._open("GET", path, headers)

    def delete(self, path: str, **headers: str) -> TestResponse:
        """Delete."""
        return self._open("DELETE", path, headers)

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        """Send JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._open("POST", path, {"content_type": "application/json", **headers}, data=data)

    def put(self, path: str, body: Any, **headers: str) -> TestResponse:
        """Send JSON, or bytes as they are, to be kept at this address."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._open("PUT", path, {"content_type": "application/json", **headers}, data=data)

    def patch(self, path: str, body: Any, **headers: str) -> TestResponse:
        """Send a merge patch."""
        sent = {"content_type": "application/merge-patch+json", "If_Match": "*", **headers}
        return self._open("PATCH", path, sent, data=json.dumps(body).encode())

    def _open(self, method: str, path: str, headers: Mapping[str, str], **options: Any) -> TestResponse:
        sent = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.open(path, method=method, headers=sent, **options)

    def submit(self, body: dict[str, Any] | None = None) -> TestResponse:
        """Ask for an exposure that is known to be good."""
        response = self.post("/v1/exposures", body or a_request())
        assert response.status_code == 201, response.text
        return response


@cache
def _routes_and_document() -> Flask:
    return create_app(Edge(nullcontext, lambda: datetime(2030, 1, 1, tzinfo=UTC), bytes, dict, a_judge()))


def app_at(edge: Edge) -> Flask:
    """Return the app at an edge, with a state of its own.

    What is the same at every edge, routes and OpenAPI document, is made once a process: it takes longer than
    most tests.
    """
    app = copy(_routes_and_document())
    app.extensions = app.extensions | {EXTENSION: edge, metrics.EXTENSION: metrics.RecentCounts()}
    return app


class World:
    """The app at a real database."""

    def __init__(
        self, transaction: Transaction, now: Callable[[], datetime], signer: Signer | None = SIGNER
    ) -> None:
        self.transaction, self.now = transaction, now
        fill(transaction, now())
        self.checks: dict[str, str | None] = {"database": None}
        self.judge = a_judge()
        self.app = app_at(Edge(transaction, now, os.urandom, lambda: self.checks, self.judge, signer))
        client = self.app.test_client()
        callers = {who: Caller(client, who) for who in PEOPLE}
        self.ann, self.ben, self.eve, self.both = (callers[who] for who in ("ann", "ben", "eve", "both"))
        self.pia, self.aud = callers["pia"], callers["aud"]
        self.stranger = Caller(client, None)

    def rows(self) -> tuple[int, ...]:
        """Return how many exposures, claims and events there are."""
        return count_rows(self.transaction)


def shown(made: TestResponse) -> dict[str, Any]:
    """Return what a reader is shown of what was just asked for."""
    return {name: value for name, value in made.json.items() if name not in ("warnings", "explain")}


def review_of(made: TestResponse, verdict: str = "approve") -> tuple[str, dict[str, str]]:
    """Return address and body of a review of what was just asked for."""
    pending = made.json["status"]["pending"]
    address = f"{made.location}/revisions/{pending['revision']}/reviews"
    return address, {"verdict": verdict, "digest": pending["digest"], "comment": "fine"}


def assert_problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is this problem, complete; return it."""
    assert (response.status_code, response.mimetype) == (status, "application/problem+json"), response.text
    problem: dict[str, Any] = json.loads(response.data)
    assert problem["code"] == code, problem
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].startswith("/")
    assert problem["request_id"] == response.headers["X-Request-Id"]
    return problem
