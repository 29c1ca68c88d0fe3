"""The error tree: drawn as it is, every code stable and its own, every fact one that a problem can carry."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from service.domain import errors
from service.domain.errors import (
    ClusterError,
    DigestMismatch,
    EnvironmentTaken,
    Fault,
    Invalid,
    Malformed,
    NameTaken,
    NodePortReserved,
    NodePortTaken,
    PoolExhausted,
    PortOwner,
    WharfingerError,
)
from service.domain.ports import PoolUsage
from service.domain.reservation import Reservation
from tests.builders import NOON

OURS = PortOwner("team-a", "team-a", "hello")
FOREIGN = PortOwner(None, "kube-system", "dns")
POINTER = "#/spec/ports/0/node_port"
RULE = Reservation(
    cluster="dev",
    name="edge",
    first=30000,
    last=30009,
    team="team-b",
    reason="partners",
    until=NOON,
    created_at=NOON,
)


def tree(root: type[WharfingerError] = WharfingerError) -> Iterator[type[WharfingerError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def in_cluster_room(kind: type[WharfingerError]) -> bool:
    return issubclass(kind, ClusterError)


KINDS = [kind for kind in tree() if kind.__module__.startswith(f"{errors.__name__}.")]


def test_the_drawing_has_every_error_and_no_other() -> None:
    drawing = (errors.__doc__ or "").split("Facts are attributes")[0]
    drawn = re.findall(r"(?:[├└]── |· |^ {4})([A-Z]\w+)", drawing, re.MULTILINE)

    assert Counter(drawn) == Counter(kind.__name__ for kind in KINDS)


def test_every_error_has_a_code_of_its_own() -> None:
    """But for what a cluster answered: the worker alone sees it, and its ``reason`` tells."""
    codes = Counter(kind.code for kind in KINDS if not in_cluster_room(kind) or kind is ClusterError)

    assert set(codes.values()) == {1}


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_is_written_in_small_letters_and_dashes(kind: type[WharfingerError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)


def test_every_answer_of_a_cluster_has_a_reason_of_its_own() -> None:
    reasons = Counter(kind.reason for kind in KINDS if issubclass(kind, ClusterError))

    assert set(reasons.values()) == {1}


def test_only_a_refusal_is_final() -> None:
    final = [kind for kind in KINDS if issubclass(kind, ClusterError) and not kind.retryable]

    assert final == [errors.WriteRefused, errors.FieldFixed]


# What they say.


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            NodePortTaken(30007, OURS, "cooling", NOON, POINTER),
            ["30007", "team-a/hello", "team team-a", "until 2030-01-01T12:00:00Z", "Leave node_port out"],
        ),
        (
            NodePortTaken(30180, FOREIGN, "foreign", None, POINTER),
            ["30180", "kube-system/dns", "not made by us"],
        ),
        (
            PoolExhausted("dev", 2, PoolUsage({"held": 1, "bound": 40, "free": 3}, {}, 3, NOON)),
            [
                "Cluster dev",
                "no 2 free",
                "40 bound, 3 free, 1 held",
                "3 of the free ones kept for others",
                "2030-01-01T12:00:00Z",
                "Delete an exposure",
            ],
        ),
        (
            NodePortReserved(30007, RULE, POINTER),
            ["30007", "team team-b", "until 2030-01-01T12:00:00Z", "edge (partners)", "Leave node_port out"],
        ),
        (
            NodePortReserved(30007, replace(RULE, team=None, until=None), POINTER),
            ["for the platform by", "ask the platform"],
        ),
        (
            NameTaken("team-a", "hello", UUID(int=7)),
            ["team-a/hello", str(UUID(int=7)), "choose another name"],
        ),
        (NameTaken("team-a", "hello", None), ["team-a/hello", "of another team", "choose another name"]),
        (DigestMismatch("sha256:read", "sha256:is"), ["sha256:read", "sha256:is", "Read it again"]),
        (EnvironmentTaken("team-a", "production", "development"), ["team-a", "=production"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, WharfingerError) else "",
)
def test_an_error_says_what_where_and_what_to_do(error: WharfingerError, words: list[str]) -> None:
    assert [word for word in words if word not in str(error)] == []


def test_many_faults_are_summed_up_by_the_first() -> None:
    faults = [
        Fault("#/spec/type", "There is no such type."),
        Fault("#/spec/ports", "There are none.", "missing"),
    ]
    error = Invalid(faults)

    assert str(error) == "#/spec/type: There is no such type. (and 1 more)"
    assert error.facts == {
        "errors": [
            {"pointer": "#/spec/type", "detail": "There is no such type.", "code": "invalid"},
            {"pointer": "#/spec/ports", "detail": "There are none.", "code": "missing"},
        ]
    }


def test_one_fault_is_told_alone() -> None:
    assert (
        str(Invalid([Fault("#/spec/type", "There is no such type.")]))
        == "#/spec/type: There is no such type."
    )


# Facts.


def test_a_taken_port_tells_its_owner_and_where_it_was_asked_for() -> None:
    error = NodePortTaken(30007, OURS, "held", None, POINTER)

    assert error.facts == {
        "port": 30007,
        "owner": {"team": "team-a", "namespace": "team-a", "name": "hello"},
        "state": "held",
        "until": None,
        "errors": [{"pointer": POINTER, "detail": str(error), "code": "node-port-taken"}],
    }


def test_a_reserved_port_tells_the_rule_and_where_it_was_asked_for() -> None:
    error = NodePortReserved(30007, RULE, POINTER)

    assert error.facts == {
        "port": 30007,
        "reservation": "edge",
        "team": "team-b",
        "reason": "partners",
        "until": NOON,
        "errors": [{"pointer": POINTER, "detail": str(error), "code": "node-port-reserved"}],
    }


def test_a_full_pool_tells_who_has_it_and_when_the_next_port_is_free() -> None:
    error = PoolExhausted("dev", 2, PoolUsage({"held": 1, "cooling": 1}, {"team-a": 1}, 0, NOON))

    assert error.facts == {
        "cluster": "dev",
        "wanted": 2,
        "counts": {"held": 1, "cooling": 1},
        "teams": {"team-a": 1},
        "reserved": 0,
        "next_free_at": NOON,
    }


def test_a_name_of_another_team_does_not_tell_the_exposure() -> None:
    assert NameTaken("team-a", "hello", None).facts == {}


def test_a_body_that_cannot_be_read_points_to_the_place_when_it_is_known() -> None:
    assert Malformed("Not JSON.").facts == {}
    assert Malformed("Twice.", "#/spec").facts == {
        "errors": [{"pointer": "#/spec", "detail": "Twice.", "code": "malformed"}]
    }


@pytest.mark.parametrize(
    "error",
    [
        WharfingerError("x"),
        Invalid([Fault("#/spec", "x")]),
        NameTaken("a", "b", UUID(int=7)),
        NodePortTaken(30007, OURS, "held", None, POINTER),
        PoolExhausted("dev", 1, PoolUsage({"held": 3}, {"team-a": 3})),
        NodePortReserved(30007, replace(RULE, until=None), POINTER),
        DigestMismatch("sha256:a", "sha256:b"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_facts_are_json(error: Any) -> None:
    assert json.loads(json.dumps(error.facts)) == error.facts
