"""Whose a marked Service is that nobody wants, and how many of them may go at once."""

from datetime import timedelta

import pytest

from service.domain.manifest import Mark
from service.domain.orphan import AT_LEAST, Ended, Sighting, Standing, are_too_many, standing
from tests.builders import NOON, make_observed

SERVICE = make_observed()
MARK = Mark.of(SERVICE.service)
assert MARK is not None
TOKEN = MARK.create_token


@pytest.mark.parametrize(
    ("ended", "is_known", "found"),
    [
        (Ended(SERVICE.uid, ()), True, Standing.ORPHAN),
        (Ended(None, (TOKEN,)), True, Standing.ORPHAN),
        (Ended("another", ("spent",)), True, Standing.COPY),
        (None, True, Standing.COPY),
        (None, False, Standing.STRANGER),
    ],
    ids=["its-uid", "its-token", "neither", "not-ended", "unknown"],
)
def test_only_what_an_ended_exposure_made_is_an_orphan(
    ended: Ended | None, is_known: bool, found: Standing
) -> None:
    assert MARK is not None
    assert standing(SERVICE, MARK, ended, is_known) is found


@pytest.mark.parametrize(
    ("sightings", "seconds", "due"), [(1, 3600, False), (2, 59, False), (2, 60, True), (9, 3600, True)]
)
def test_an_orphan_is_removed_after_two_sightings_and_a_minute(
    sightings: int, seconds: int, due: bool
) -> None:
    assert Sighting(NOON, sightings).is_due(NOON + timedelta(seconds=seconds)) is due


def seen(count: int) -> list[Sighting]:
    return [Sighting(NOON, 2)] * count


@pytest.mark.parametrize(
    ("count", "ours", "held"),
    [(AT_LEAST - 1, AT_LEAST - 1, False), (AT_LEAST, 10, True), (AT_LEAST, 25, False), (21, 100, True)],
)
def test_many_removals_above_the_share_are_held(count: int, ours: int, held: bool) -> None:
    assert are_too_many(seen(count), ours, 0.2, None) is held


def test_what_was_seen_before_a_release_may_go_and_what_came_later_counts_anew() -> None:
    assert not are_too_many(seen(9), 10, 0.2, NOON + timedelta(seconds=1))
    assert are_too_many(seen(9), 10, 0.2, NOON - timedelta(seconds=1))
