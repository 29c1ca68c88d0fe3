"""The digest is what docs/digest.md says, for anybody: vectors that a few lines of any language can check."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from service.domain.exposure import Metadata
from service.domain.manifest import digest, render
from service.domain.spec import ExposureType, Spec
from tests.builders import METADATA, make_spec

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests/unit/vectors/digest.json").read_text("utf-8"))


@pytest.fixture(params=VECTORS, ids=[vector["name"] for vector in VECTORS])
def vector(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def test_a_vector_needs_no_code_of_ours(vector: dict[str, Any]) -> None:
    text = json.dumps(vector["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert vector["digest"] == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_a_specification_has_the_digest_that_it_had_in_every_release(vector: dict[str, Any]) -> None:
    metadata, spec = Metadata(**vector["metadata"]), Spec.from_document(vector["spec"])
    manifest = render(metadata, spec)

    assert manifest == vector["content"]["manifest"]
    assert digest(metadata, spec, manifest) == vector["digest"]


def test_each_way_to_expose_has_a_vector() -> None:
    assert {vector["spec"]["type"] for vector in VECTORS} == set(ExposureType)


def test_the_justification_is_not_part_of_it() -> None:
    one, other = make_spec(justification="one"), make_spec(justification="other")

    assert digest(METADATA, one, {}) == digest(METADATA, other, {})


def test_the_same_instant_in_another_zone_is_the_same_digest() -> None:
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    here, there = (
        make_spec(not_before=noon),
        make_spec(not_before=noon.astimezone(timezone(timedelta(hours=5)))),
    )

    assert digest(METADATA, here, {}) == digest(METADATA, there, {})


def test_the_page_shows_a_vector_as_it_is() -> None:
    page = (ROOT / "docs/digest.md").read_text("utf-8")
    shown = re.search(r"```json\n(.*?)\n```", page, re.DOTALL)

    assert shown is not None
    assert json.loads(shown[1]) == VECTORS[0]["content"]
    assert VECTORS[0]["digest"] in page
