"""The syntax tree of a checked expression, as its compiler writes it down: protocol buffers.

Only what the laws of service/expressions/laws.py look at is read. The few lines of wire format stand here
because a dependency of their own would be more: the format is frozen.

Source: https://github.com/cel-expr/cel-spec, proto/cel/expr/{checked,syntax}.proto;
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Form(StrEnum):
    """What a node is; a constant is a literal, and other is what has only parts."""

    CONSTANT = "constant"
    NAME = "name"
    SELECT = "select"
    CALL = "call"
    LOOP = "loop"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression at an offset in characters.

    ``word``: the name, the field, the function, or the text of a text constant. ``parts`` of a loop: what it
    goes over, then start, condition, step and result. ``names`` of a loop: its variable, its accumulator, and
    the second variable if it has one.
    """

    form: Form
    offset: int
    word: str = ""
    parts: tuple["Node", ...] = ()
    names: tuple[str, ...] = field(default=())


_ID, _CONSTANT, _NAME, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = 2, 3, 4, 5, 6, 7, 8, 9
_ANY_VALUE, _CHECKED_EXPRESSION, _CHECKED_SOURCE, _SOURCE_POSITIONS = 2, 4, 5, 4
_VARINT, _FIXED_64, _LENGTH, _FIXED_32 = 0, 1, 2, 5


def tree_of(serialized: bytes) -> Node:
    """Return the root of what ``Expression.serialize()`` gives.

    Raises:
        ValueError: this is no such thing.
    """
    try:
        checked = dict(_fields(dict(_fields(serialized))[_ANY_VALUE]))
        source = list(_fields(checked[_CHECKED_SOURCE]))
        entries = [dict(_fields(value)) for number, value in source if number == _SOURCE_POSITIONS]
        return _node(checked[_CHECKED_EXPRESSION], {entry[1]: entry.get(2, 0) for entry in entries})
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("the compiler's answer cannot be read") from error


def _node(message: bytes, offsets: dict[int, int]) -> Node:
    fields = dict(_fields(message))
    offset = offsets.get(fields.pop(_ID, 0), 0)
    [(number, content)] = fields.items()
    inner = list(_fields(content))

    def texts(*wanted: int) -> tuple[str, ...]:
        return tuple(value.decode() for number, value in inner if number in wanted)

    def parts(*wanted: int) -> tuple[Node, ...]:
        return tuple(_node(value, offsets) for number, value in inner if number in wanted)

    if number == _CONSTANT:
        return Node(Form.CONSTANT, offset, "".join(texts(6)))
    if number == _NAME:
        return Node(Form.NAME, offset, "".join(texts(1)))
    if number == _SELECT:
        return Node(Form.SELECT, offset, "".join(texts(2)), parts(1))
    if number == _CALL:
        return Node(Form.CALL, offset, "".join(texts(2)), parts(1, 3))
    if number == _LOOP:
        return Node(Form.LOOP, offset, "", parts(2, 4, 5, 6, 7), texts(1, 3, 8))
    if number == _LIST:
        return Node(Form.OTHER, offset, "", parts(1))
    if number == _STRUCT:
        entries = [list(_fields(value)) for number, value in inner if number == 2]
        held = tuple(
            _node(value, offsets) for entry in entries for number, value in entry if number in (3, 4)
        )
        return Node(Form.OTHER, offset, "", held)
    raise ValueError(f"a node of kind {number} is unknown")


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field of a message; of fixed-width numbers their bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _LENGTH:
            length, at = _varint(message, at)
        elif wire in (_FIXED_64, _FIXED_32):
            length = 8 if wire == _FIXED_64 else 4
        else:
            raise ValueError(f"wire type {wire} is unknown")
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
