"""JSON is read as one reader only could read it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.parsing import MAX_DEPTH, pointer, read_json
from service.domain.errors import Malformed

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=10)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_ordinary_json_is_read_as_it_was_written(value):
    assert read_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_malformed(data):
    try:
        read_json(data)
    except Malformed:
        return


def test_brackets_in_texts_do_not_count():
    text = "[" * 1000 + '\\"' + "{" * 1000
    assert read_json(json.dumps([text]).encode()) == [text]


def test_the_bound_of_nesting_is_inclusive():
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(Malformed):
        read_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": [1, NaN]}', "#/a/1"),
        ('{"a": {"b": 1, "b": 2}}', "#/a/b"),
        ('{"a/b": {"~": -Infinity}}', "#/a~1b/~0"),
        ('{"é": 1e999}', "#/%C3%A9"),
        ('["a\\u0000"]', "#/0"),
        ('{"a": {"\\ud800": 1}}', "#/a"),
        ("-" + "9" * 5000, "#"),
    ],
)
def test_what_json_does_not_allow_is_named_by_its_place(text, place):
    with pytest.raises(Malformed) as caught:
        read_json(text.encode())
    assert caught.value.pointer == place


def test_pointers_are_escaped_as_uri_fragments():
    assert pointer(("a/b", "c~d", "e f%", 0, "")) == "#/a~1b/c~0d/e%20f%25/0/"
    assert pointer(()) == "#"
