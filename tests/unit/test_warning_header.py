"""The Warning header: what the body's ``warnings`` say, in a form that a header can carry."""

from service.api.resource import warning_header


def test_without_a_warning_there_is_no_header() -> None:
    assert warning_header(()) == {}


def test_each_warning_is_quoted_and_they_are_joined_by_commas() -> None:
    assert warning_header(["one", "two"]) == {"Warning": '299 - "one", 299 - "two"'}


def test_quotes_and_backslashes_are_escaped_and_other_alphabets_replaced() -> None:
    assert warning_header(['say "é" \\']) == {"Warning": '299 - "say \\"?\\" \\\\"'}
