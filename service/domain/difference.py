"""Where two JSON documents differ: every leaf that is there, not there, or another one. Pure."""

from collections.abc import Iterator
from typing import Any

from service.domain.spec import Document


def differences(before: Any, after: Any, pointer: str = "#") -> list[Document]:
    """Return ``{pointer, before, after}`` for each difference; what is not there is null.

    Lists are compared place by place. Source: RFC 6901 for the pointers.
    """
    return list(_differences(before, after, pointer))


def _differences(before: Any, after: Any, pointer: str) -> Iterator[Document]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            step = str(name).replace("~", "~0").replace("/", "~1")
            yield from _differences(before.get(name), after.get(name), f"{pointer}/{step}")
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            one, other = (items[index] if index < len(items) else None for items in (before, after))
            yield from _differences(one, other, f"{pointer}/{index}")
    elif before != after or type(before) is not type(after):
        yield {"pointer": pointer, "before": before, "after": after}
