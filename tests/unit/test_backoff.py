"""How long a failing exposure rests."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.reconciler.backoff import pause

attempts = st.integers(1, 10**9)
jitters = st.floats(0, 1)


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (31, 300), (10**9, 300)]
)
def test_the_full_pause_doubles_up_to_five_minutes(attempt: int, seconds: float) -> None:
    assert pause(attempt, 1) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("jitter", "seconds"), [(0, 2), (0.5, 3), (1, 4)])
def test_jitter_takes_up_to_half_of_it(jitter: float, seconds: float) -> None:
    assert pause(3, jitter) == timedelta(seconds=seconds)


@given(attempts, jitters)
def test_a_pause_is_never_shorter_than_half_a_second_nor_longer_than_five_minutes(
    attempt: int, jitter: float
) -> None:
    assert timedelta(seconds=0.5) <= pause(attempt, jitter) <= timedelta(minutes=5)


@given(attempts, jitters)
def test_the_next_pause_is_not_shorter(attempt: int, jitter: float) -> None:
    assert pause(attempt + 1, jitter) >= pause(attempt, jitter)
