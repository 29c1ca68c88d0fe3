"""The Services of two revisions as people compare texts."""

from collections.abc import Iterator
from difflib import unified_diff

import yaml

from service.domain.exposure import Revision
from service.domain.manifest import with_ports


def unified(before: Revision | None, after: Revision) -> str:
    """Return a unified diff of the two Services as YAML; without a first one all of it is new."""
    old = list(_lines(before)) if before else []
    names = (f"revision {before.number}" if before else "nothing", f"revision {after.number}")
    return "".join(unified_diff(old, list(_lines(after)), *names))


def _lines(revision: Revision) -> Iterator[str]:
    # PyYAML escapes what is not ASCII: invisible and right-to-left characters cannot deceive the reader.
    text: str = yaml.safe_dump(with_ports(revision.manifest, revision.allocation))
    yield from text.splitlines(keepends=True)
