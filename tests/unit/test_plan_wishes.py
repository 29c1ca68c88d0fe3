"""What a wish knows by itself: which Service is its own, and whether it is still the same."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from service.domain.exposure import SyncState
from service.domain.plan import Desired, Observed
from tests.builders import (
    TOKEN,
    make_desired,
    make_foreign,
    make_manifest,
    make_observed,
    make_spec,
    make_wish,
)

NEW = make_manifest(make_spec(selector={"app": "new"}))


@pytest.mark.parametrize(
    ("want", "have", "is_ours"),
    [
        (make_desired(), make_observed(), True),
        (make_desired(), make_observed(labels={}, annotations={}), True),
        (make_desired(), make_observed(uid="uid-2"), False),
        (make_desired(create_tokens=(TOKEN,)), make_observed(uid="uid-2"), True),
        (make_desired(create_tokens=("another",)), make_observed(uid="uid-2"), False),
        (make_wish(create_tokens=(TOKEN,)), make_observed(), True),
        (make_wish(create_tokens=("another",)), make_observed(), False),
        (make_wish(), make_observed(), False),
        (make_wish(create_tokens=(TOKEN,)), make_observed(make_desired(exposure_id=UUID(int=8))), False),
        (make_wish(create_tokens=(TOKEN,)), make_observed(labels={}), False),
        (make_wish(create_tokens=(TOKEN,)), make_foreign(), False),
    ],
    ids=[
        "recorded-uid",
        "recorded-uid-mark-stripped",
        "copy-with-another-uid",
        "open-token-beside-a-recorded-uid",
        "spent-token-beside-a-recorded-uid",
        "open-token",
        "spent-token",
        "never-sent",
        "mark-of-another-exposure",
        "token-without-our-label",
        "no-mark",
    ],
)
def test_ours_is_the_recorded_uid_or_the_token_of_an_open_create(
    want: Desired, have: Observed, is_ours: bool
) -> None:
    assert want.owns(have) is is_ours


# Looking again under the lock.


def test_a_wish_read_twice_is_the_same() -> None:
    assert make_desired().is_same_wish(replace(make_desired(), sync_state=SyncState.FAILED))


@pytest.mark.parametrize(
    "change",
    [
        {"revision": 2},
        {"manifest": None},
        {"manifest": NEW},
        {"digest": "sha256:other"},
        {"uid": None},
        {"create_tokens": ("new",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_wish_that_changed_in_what_a_write_depends_on_is_another(change: Any) -> None:
    assert not make_desired().is_same_wish(make_desired(**change))


def test_no_wish_is_another_wish() -> None:
    assert not make_desired().is_same_wish(None)
