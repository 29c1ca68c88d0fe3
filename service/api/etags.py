"""Entity tags: ``"G.S"``, G counts what people change, S what the worker sees (conventions.md 4)."""

import re
from collections.abc import Callable
from datetime import datetime

from service.domain.errors import PreconditionRequired, Stale
from service.domain.exposure import ExposureRecord
from service.domain.status import passing

_TAG = re.compile(r'(?:W/)?"([0-9]+\.[0-9]+)(?:-gzip)?"')
"""Proxies that compress write W/ before or -gzip into our tags."""


def etag(record: ExposureRecord, now: datetime) -> str:
    """Return the strong tag of an exposure's document, quotes included.

    Its S holds all that changes what is shown besides people: two counts that only grow, and what time alone
    has brought.
    """
    seen = record.sync.sync_count + record.view.change_count
    return f'"{record.exposure.change_count}.{4 * seen + passing(record, now)}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Return whether the caller has this very state: both counts are compared."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag.strip('"') in _TAG.findall(if_none_match)


def precondition(if_match: str | None) -> Callable[[int], None]:
    """Return the check of a change count against If-Match; the worker's count does not matter.

    Raises (the check):
        PreconditionRequired: there is no If-Match.
        Stale: no tag of it has this change count.
    """

    def check(change_count: int) -> None:
        if if_match is None:
            raise PreconditionRequired(
                'Send If-Match with the ETag that you have read, or "*" without quotes for any.'
            )
        if if_match.strip() == "*":
            return
        if str(change_count) not in {tag.partition(".")[0] for tag in _TAG.findall(if_match)}:
            raise Stale("It has changed since you read it. Read it again, look, then repeat.")

    return check
