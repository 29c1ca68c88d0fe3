"""What a request knows: the edge it came in by, its id, and who makes it."""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from flask import current_app, g, request

from service.domain.exposure import Principal
from service.domain.identifiers import uuid7
from service.workflow.act import Act
from service.workflow.signing import Signer

Transaction: TypeAlias = AbstractContextManager[Any]
"""Yields the Session that workflow functions take; the api itself does nothing with it."""

EXTENSION = "wharfinger"
REQUEST_ID = re.compile(r"[\w.-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Edge:
    """What wiring hands to the api.

    ``transaction`` commits at the end, rolls back on an exception, and raises Busy or Unavailable. ``ready``
    names each check and what is wrong with it (None: nothing). ``signer`` signs evidence; None: no key.
    """

    transaction: Callable[[], Transaction]
    now: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    ready: Callable[[], Mapping[str, str | None]]
    signer: Signer | None = None


def edge() -> Edge:
    """Return the edge of the app that answers now."""
    found: Edge = current_app.extensions[EXTENSION]
    return found


def new_id() -> UUID:
    """Return a fresh identifier."""
    return uuid7(edge().now(), edge().entropy(10))


def request_id() -> str:
    """Return the caller's X-Request-Id when it is one, else an id of our own; one for the whole request."""
    if "request_id" not in g:
        sent = request.headers.get("X-Request-Id", "")
        g.request_id = sent if REQUEST_ID.fullmatch(sent) else str(new_id())
    known: str = g.request_id
    return known


def principal() -> Principal:
    """Return who makes this request; auth.py has set it."""
    known: Principal = g.principal
    return known


def act() -> Act:
    """Return who acts now, under which request."""
    return Act(principal(), edge().now(), request_id())
