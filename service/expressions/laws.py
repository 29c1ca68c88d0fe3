"""What an expression must not do although the language lets it: cost too much, speak of what is not there.

CEL ends every loop, but the text that ``+`` makes inside of one can fill the memory, and evaluation counts
iterations, not bytes. So the tree is bounded before anything is evaluated.

The variables are JSON of one closed form (domain/subject.py); to the language they are maps of anything, so a
field that does not exist would be seen only when somebody's request fails on it. It is seen here.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from service.domain.subject import REVIEWER_SHAPES, SHAPES
from service.expressions.syntax import Form, Node

MOST_LOOPS_INSIDE = 2
_ADD, _INDEX = "_+_", "_[_]"

TAKEN = frozenset({*SHAPES, *REVIEWER_SHAPES, "params"})
"""A loop that hides one of these would be read in two ways: params has a room of its own when it is used."""

Found = tuple[int, str]
"""An offset in characters, and what is wrong there."""


def law_faults(root: Node) -> Iterator[Found]:
    """Yield what could cost too much, or could be read in two ways."""
    yield from _loop_faults(root, 0)
    for node in _every(root):
        if node.form is Form.CALL and node.word == "matches" and not _is_the_authors(node.parts[-1]):
            yield node.offset, "a pattern that comes with the request: write it out, or make it a parameter"
        if taken := TAKEN.intersection(node.names):
            yield node.offset, f"a loop whose variable has the name of another one, {min(taken)}"


def _every(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _every(part)


def _is_the_authors(pattern: Node) -> bool:
    """Return whether a policy's author wrote a pattern: to read a long one costs more than to use it."""
    while pattern.form is Form.SELECT:
        [pattern] = pattern.parts
    return pattern.form is Form.CONSTANT or (pattern.form is Form.NAME and pattern.word == "params")


def _loop_faults(node: Node, depth: int) -> Iterator[Found]:
    if node.form is Form.CALL and node.word == _ADD and depth:
        yield node.offset, "an addition inside a loop: what it makes has no bound"
        return
    if node.form is not Form.LOOP:
        yield from chain.from_iterable(_loop_faults(part, depth) for part in node.parts)
        return
    if depth == MOST_LOOPS_INSIDE:
        yield node.offset, f"loops deeper than {MOST_LOOPS_INSIDE}"
        return
    gone_over, start, condition, step, result = node.parts
    yield from _loop_faults(gone_over, depth)
    for part in (start, condition, result):
        yield from _loop_faults(part, depth + 1)
    yield from _step_faults(step, node, depth + 1)


def _step_faults(step: Node, loop: Node, depth: int) -> Iterator[Found]:
    """Look through the addition that the macros ``map`` and ``filter`` are made of: one item a turn."""
    if step.form is Form.CALL and step.word == "_?_:_":
        for part in step.parts:
            yield from _step_faults(part, loop, depth)
    elif step.form is Form.CALL and step.word == _ADD and step.parts[0].word == loop.names[1]:
        yield from _loop_faults(step.parts[1], depth)
    else:
        yield from _loop_faults(step, depth)


def field_faults(root: Node, shapes: Mapping[str, Any]) -> list[Found]:
    """Return the fields that the variables do not have; ``shapes`` as ``domain.subject.SHAPES``."""
    found: list[Found] = []
    _shape(root, shapes, found)
    return found


def _shape(node: Node, known: Mapping[str, Any], found: list[Found]) -> Any:
    """Return the shape of what a node gives: a mapping is closed, a list has alike items, None: anything."""
    if node.form is Form.NAME:
        return known.get(node.word)
    if node.form is Form.LOOP:
        item = _item_of(_shape(node.parts[0], known, found))
        inside = {**known, node.names[0]: item, **dict.fromkeys(node.names[1:])}
        shapes = [_shape(part, inside, found) for part in node.parts[1:]]
        return shapes[-1]
    shapes = [_shape(part, known, found) for part in node.parts]
    if node.form is Form.SELECT:
        return _field_of(shapes[0], node.word, node, found)
    if node.form is Form.CALL and node.word == _INDEX:
        key = node.parts[1]
        if isinstance(shapes[0], Mapping) and key.form is Form.CONSTANT and key.word:
            return _field_of(shapes[0], key.word, key, found)
        return _item_of(shapes[0])
    return None


def _item_of(shape: Any) -> Any:
    return shape[0] if isinstance(shape, list) else None


def _field_of(shape: Any, name: str, node: Node, found: list[Found]) -> Any:
    if not isinstance(shape, Mapping):
        return None
    if name not in shape:
        known = f"known are {', '.join(shape)}" if shape else "there are none"
        found.append((node.offset, f"there is no field {name}; {known}"))
        return None
    return shape[name]
