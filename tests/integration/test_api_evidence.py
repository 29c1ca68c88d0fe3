"""What happened to an exposure as one signed document: who gets it, what is in it, when it is believed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.workflow.evidence import audit_document
from service.workflow.signing import Signer, new_key
from tests.conftest import Clock
from tests.integration.api_world import SIGNER, Caller, World, assert_problem, review_of
from tests.integration.reconciler_world import SteppingWorld
from tests.postgres import Database

STRANGER = Signer.of_pem(new_key(bytes(32)))


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


def reviewed(world: World) -> str:
    """Ask for an exposure and reject it; return its address."""
    made = world.ann.submit()
    assert world.eve.post(*review_of(made, "reject")).status_code == 201
    return str(made.location)


def test_evidence_holds_what_was_asked_decided_and_told(world: World) -> None:
    address = reviewed(world)
    document = world.ann.get(f"{address}/evidence").json
    revision, review = document["revisions"][0], document["reviews"][0]
    assert document["exposure"]["end_reason"] == "Rejected"
    assert revision["manifest"]["kind"] == "Service"
    assert (review["person"], review["digest"]) == ("eve", revision["digest"])
    assert [event["kind"] for event in document["events"]] == ["requested", "rejected"]
    assert document["exposure"]["head_hash"] == document["events"][-1]["hash"]
    assert audit_document(document, SIGNER.public) == []


def test_the_list_of_events_shows_the_same_chain(world: World) -> None:
    address = reviewed(world)
    listed = world.ann.get(f"{address}/events").json["items"]
    kept = world.ann.get(f"{address}/evidence").json["events"]
    chain = ("seq", "previous_hash", "hash")
    assert [[e[name] for name in chain] for e in listed] == [[e[name] for name in chain] for e in kept]


@pytest.mark.parametrize("who", ["ann", "eve", "aud", "pia"])
def test_team_approvers_auditors_and_platform_get_it(world: World, who: str) -> None:
    address = reviewed(world)
    caller: Caller = getattr(world, who)
    assert caller.get(f"{address}/evidence").status_code == 200


def test_to_another_team_it_does_not_exist(world: World) -> None:
    address = reviewed(world)
    assert_problem(world.ben.get(f"{address}/evidence"), 404, "not-found")


def test_without_a_key_it_is_refused_with_what_to_set(database: Database, clock) -> None:
    world = World(database.transaction, clock, signer=None)
    address = reviewed(world)
    problem = assert_problem(world.ann.get(f"{address}/evidence"), 503, "unavailable")
    assert "WHARFINGER_SIGNING_KEY_FILE" in problem["detail"]
    assert_problem(world.ben.get(f"{address}/evidence"), 404, "not-found")
    assert world.stranger.get("/v1/evidence-keys").json == {"keys": []}


def test_everyone_gets_the_key_that_it_is_signed_with(world: World) -> None:
    [key] = world.stranger.get("/v1/evidence-keys").json["keys"]
    assert key == {
        "key_id": SIGNER.public.key_id,
        "algorithm": "Ed25519",
        "public_key": SIGNER.public.pem,
    }


def test_every_event_says_who_for_whom_and_by_which_request(database: Database, clock: Clock) -> None:
    steps = SteppingWorld(database, clock)
    story = steps.live()
    story.delete()
    steps.cycle()
    events = steps.api.ann.get(f"{story.at}/evidence").json["events"]
    kinds = ["requested", "approved", "live", "removal-requested", "removed"]
    assert [event["kind"] for event in events] == kinds
    by_worker = {event["request_id"] for event in events if event["actor"]["kind"] == "worker"}
    assert by_worker == {events[0]["request_id"]}
    for event in events:
        assert event["actor"].keys() == {"kind", "person", "acted_for"}
        assert event["request_id"]


@pytest.fixture
def file(world: World, tmp_path: Path) -> Path:
    """Give evidence as curl stores it."""
    path = tmp_path / "evidence.json"
    path.write_bytes(world.ann.get(f"{reviewed(world)}/evidence").data)
    return path


def verify(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own, which knows of no database."""
    command = [sys.executable, "-m", "service", "audit", "verify", *map(str, words)]
    return subprocess.run(command, env={}, capture_output=True, text=True, timeout=60, check=False)


def key_file(folder: Path, signer: Signer) -> Path:
    path = folder / "key.pem"
    path.write_text(signer.public.pem)
    return path


def test_a_file_is_verified_without_a_database(file: Path, tmp_path: Path) -> None:
    done = verify(file, "--key", key_file(tmp_path, SIGNER))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert f"2 events, as they were signed with the key {SIGNER.public.key_id}" in done.stderr
    assert "not who made it" not in done.stderr


def test_a_key_that_came_with_the_file_is_said_to_prove_nothing(file: Path) -> None:
    done = verify(file)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "shows that the file is whole, not who made it" in done.stderr


def test_a_changed_byte_in_the_file_is_found(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    assert data.count(b'"eve"') == 3
    file.write_bytes(data.replace(b'"eve"', b'"eva"', 1))
    done = verify(file, "--key", key_file(tmp_path, SIGNER))
    assert done.returncode == 1
    assert f"{file}  #/signature/value  The signature does not fit" in done.stdout


def test_a_forged_file_with_a_good_signature_of_somebody_else_is_found(file: Path, tmp_path: Path) -> None:
    document = json.loads(file.read_text())
    document["events"][1]["actor"]["person"] = "mallory"
    file.write_text(json.dumps(STRANGER.signed(document)))
    done = verify(file, "--key", key_file(tmp_path, SIGNER))
    assert done.returncode == 1
    assert "#/signature/key_id" in done.stdout
    assert "#/events/1  Event 2 (rejected) is not what was written" in done.stdout
