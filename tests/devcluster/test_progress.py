"""What a person sees of a long step."""

import io

import pytest

from devcluster.progress import Progress, expected_seconds, span


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_log_updates_are_lines_and_not_too_many() -> None:
    stream = io.StringIO()
    progress = Progress(stream)

    progress.say("compiling")
    progress.update("compiling: 1 s")

    assert stream.getvalue() == "devcluster: compiling\n"


def test_in_a_log_the_first_update_is_shown() -> None:
    stream = io.StringIO()

    Progress(stream).update("compiling: 1 s")

    assert stream.getvalue() == "devcluster: compiling: 1 s\n"


def test_on_a_terminal_an_update_is_written_over() -> None:
    stream = Terminal()
    progress = Progress(stream)

    progress.update("compiling: 1 s")
    progress.say("done")

    assert stream.getvalue().split("\r")[1:] == ["devcluster: compiling: 1 s", " " * 26, "devcluster: done\n"]


@pytest.mark.parametrize(
    ("elapsed", "done", "expected"),
    [(10, 0, 100), (10, 5, 100), (10, 20, 50), (90, 50, 180), (130, 5, 130)],
    ids=["nothing yet", "too early to judge", "faster than the table", "slower", "longer than all estimates"],
)
def test_the_estimate_is_the_tables_until_the_machine_shows_its_pace(
    elapsed: float, done: int, expected: float
) -> None:
    assert expected_seconds(elapsed, 100, done, 100) == expected


@pytest.mark.parametrize(("seconds", "text"), [(4.4, "4 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s")])
def test_time_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert span(seconds) == text
