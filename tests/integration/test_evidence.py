"""What happened to an exposure as one signed document: who gets it, what is in it, and when it is believed."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

from service.api.app import create_app
from service.api.context import Edge
from service.workflow.evidence import audit_document
from service.workflow.signing import Signer, new_key
from tests.integration.api_world import SIGNER, Caller, World, a_request, assert_problem, named, review_of

STRANGER = Signer.of_pem(new_key(bytes(32)))


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


def evidence_of(world: World, address: str) -> dict[str, object]:
    answer = world.ann.get(f"{address}/evidence")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_x(world):
    made = world.ann.submit()
    world.eve.post(*review_of(made))
    e = evidence_of(world, made.location)
    print(json.dumps(e, indent=1))
    assert audit_document(e, SIGNER.public) == []
