"""The chain of events: what is hashed of each, and the worked example that docs/evidence.md gives."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from service.domain.chain import Head, canonical, content, link
from tests.builders import NOON
from tests.kept import make_entry

PAGE = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text()
EXAMPLE: list[dict[str, Any]] = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
LINE = re.findall(r"```text\n(.*)\n```", PAGE)[0]


def without_hash(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "hash"}


@pytest.mark.parametrize("event", EXAMPLE)
def test_the_worked_example_is_checked_with_nothing_but_the_standard_library(event: dict[str, Any]) -> None:
    text = json.dumps(without_hash(event), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert "sha256:" + hashlib.sha256(text.encode()).hexdigest() == event["hash"]


def test_the_worked_example_shows_what_is_hashed() -> None:
    assert canonical(without_hash(EXAMPLE[0])).decode() == LINE


@pytest.mark.parametrize("event", EXAMPLE)
def test_the_worked_example_is_what_is_written(event: dict[str, Any]) -> None:
    fields = without_hash(event) | {
        "exposure_id": UUID(event["exposure_id"]),
        "at": datetime.fromisoformat(event["at"]),
    }
    assert link(make_entry(**fields)) == Head(event["seq"], event["hash"])


def test_every_field_of_an_event_is_hashed() -> None:
    others = {
        "exposure_id": UUID(int=8),
        "seq": 2,
        "previous_hash": "sha256:0",
        "kind": "approved",
        "revision": None,
        "actor": {"kind": "person", "person": "ada", "acted_for": "bob"},
        "request_id": "request-2",
        "data": {},
        "at": NOON + timedelta(microseconds=1),
    }
    assert others.keys() == content(make_entry()).keys()
    hashes = {link(make_entry(**{name: value})).hash for name, value in others.items()}
    assert len(hashes - {link(make_entry()).hash}) == len(others)


def test_the_same_moment_in_another_zone_is_the_same_event() -> None:
    moment = datetime(2030, 1, 1, 14, 30, tzinfo=timezone(timedelta(hours=2, minutes=30)))
    assert link(make_entry(at=moment)) == link(make_entry(at=datetime(2030, 1, 1, 12, tzinfo=UTC)))
