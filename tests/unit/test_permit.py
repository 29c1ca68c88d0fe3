"""A lot's permit is asked for once, whoever needs it first; who may not send is told so."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from service.domain.errors import MarkUnwritten, Unavailable
from service.reconciler.permit import Permit


def test_everybody_waits_for_the_one_who_asks():
    asked: list[None] = []
    may_answer = Event()

    def ask() -> bool:
        asked.append(None)
        return may_answer.wait(10)

    permit = Permit("dev", ask)
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(permit.is_given) for _ in range(3)]
        may_answer.set()

    assert ([one.result() for one in waiting], len(asked)) == ([True] * 3, 1)


def test_without_one_no_write_begins():
    with pytest.raises(MarkUnwritten, match="cluster dev"):
        Permit("dev", lambda: False).check()


def test_what_could_not_be_asked_is_asked_again():
    answers: list[Callable[[], bool]] = [lambda: True, fails]

    def ask() -> bool:
        return answers.pop()()

    permit = Permit("dev", ask)
    with pytest.raises(Unavailable):
        permit.check()

    permit.check()


def fails() -> bool:
    raise Unavailable("The database does not answer.")
