"""Requests made from openapi.yaml, right and wrong ones: never a 5xx, never an undocumented answer.

The stack is the real one, down to PostgreSQL. A second round aims at what exists: a made-up
id is a 404.
"""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from service.api.app import create_app
from service.api.context import Edge
from tests.fuzz.conftest import FUZZ
from tests.integration.api_world import POOL, World, named
from tests.judges import a_judge

APP = create_app(Edge(nullcontext, lambda: datetime(2030, 1, 1, tzinfo=UTC), bytes, dict, a_judge()))
schema = schemathesis.openapi.from_wsgi("/openapi.json", APP)
load_all_checks()

Send = Callable[..., None]


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


@pytest.fixture
def send(world: World) -> Send:
    """Return what sends a case with somebody's token, and judges the answer by the document."""

    def send_case(case: schemathesis.Case, who: str, *excluded: Any, **headers: str) -> None:
        sent = {"Authorization": f"Bearer wft_{who}", **headers}
        # Rules over several fields, and page tokens, are not in the document: 422 and 400 stay possible.
        usual = [positive_data_acceptance, *excluded]
        case.call_and_validate(headers=sent, app=world.app, excluded_checks=usual)

    return send_case


@schema.parametrize()
@FUZZ
def test_whatever_is_sent_gets_a_documented_answer(send, case):
    send(case, "both")


@schema.parametrize()
@FUZZ
def test_whatever_is_sent_to_what_exists_gets_a_documented_answer(world, send, case):
    known = world.ann.submit(named(next(NAMES), type="ClusterIP"))
    aim(case, known.json or {})
    who = next((who for part, who in WRITERS.items() if part in case.path), "ann")
    # What is aimed may have become right or wrong by it.
    send(case, who, negative_data_rejection, **{"If-Match": known.headers["ETag"]})


WRITERS = {"/reviews": "eve", "/reservations": "pia"}
NAMES = (f"fuzz-{number}" for number in count())


def aim(case: schemathesis.Case, exposure: dict[str, Any]) -> None:
    """Point a case at an exposure: its address, its digest, its namespace; all else stays as it was made."""
    metadata, pending = exposure["metadata"], exposure["status"]["pending"]
    real = {
        "exposure_id": metadata["id"],
        "number": pending["revision"],
        "cluster": metadata["cluster"],
        "team": metadata["team"],
        "port": POOL.first,
    }
    for name in set(case.path_parameters or ()) & set(real):
        case.path_parameters[name] = real[name]
    if not isinstance(case.body, dict):
        return
    if "digest" in case.body:
        case.body["digest"] = pending["digest"]
    if isinstance(case.body.get("metadata"), dict):
        places = ("cluster", "namespace", "team")
        case.body["metadata"].update({place: metadata[place] for place in places})
