"""The crew: so many keys at a time and no more, and whoever hands out work asks for room first."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from service.domain.plan import Ref
from service.reconciler.crew import THREADS, Crew

HALF = THREADS // 2


class Waiting(Executor):
    """Threads that have not begun yet."""

    def __init__(self) -> None:
        self._tasks: list[Callable[[], object]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self._tasks.append(lambda: fn(*args, **kwargs))
        return Future()

    def work(self) -> None:
        """Do the oldest task."""
        self._tasks.pop(0)()


def crew_with(keys: int) -> tuple[Crew, Waiting, list[bool]]:
    """Return a crew that has so many keys to work on, its threads, and when it said that there is room."""
    threads, told = Waiting(), list[bool]()
    crew = Crew(threads, lambda: told.append(True))
    for number in range(keys):
        crew.put(Ref("team-a", f"n{number}"), lambda: None)
    return crew, threads, told


def test_there_is_room_for_what_its_threads_can_do() -> None:
    crew, _, _ = crew_with(HALF)
    assert (crew.room(), crew.size()) == (HALF, HALF)


def test_there_is_no_room_while_more_than_half_have_something_to_do() -> None:
    crew, _, _ = crew_with(HALF + 1)
    assert crew.room() == 0


def test_who_has_done_its_part_tells_that_there_is_room_again() -> None:
    crew, threads, told = crew_with(HALF + 2)
    threads.work()
    assert told == []
    threads.work()
    assert (told, crew.room()) == ([True], HALF)


def test_a_key_is_busy_until_its_task_is_over() -> None:
    crew, threads, _ = crew_with(1)
    assert crew.busy() == {Ref("team-a", "n0")}
    threads.work()
    assert crew.busy() == frozenset()


def test_a_task_that_fails_frees_its_key() -> None:
    crew, threads, _ = crew_with(0)

    def fail() -> None:
        raise RuntimeError

    crew.put(Ref("team-a", "broken"), fail)
    with pytest.raises(RuntimeError):
        threads.work()
    assert crew.busy() == frozenset()
