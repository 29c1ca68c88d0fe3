"""What a request knows: the edge it came in by, its id, and who makes it."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from flask import current_app, g, request

from service.domain.errors import Malformed, PolicyDenied
from service.domain.identifiers import uuid7
from service.domain.principal import Principal
from service.workflow.act import Act
from service.workflow.govern import note_denial
from service.workflow.judge import Judge
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
    judge: Judge
    signer: Signer | None = None


def edge() -> Edge:
    """Return the edge of the app that answers now."""
    found: Edge = current_app.extensions[EXTENSION]
    return found


def is_dry_run() -> bool:
    """Return whether the caller only tries.

    Raises:
        Malformed: ``dry_run`` is neither true nor false.
    """
    wanted = request.args.get("dry_run", "false")
    if wanted not in ("true", "false"):
        raise Malformed("Query parameter 'dry_run' is true or false.")
    return wanted == "true"


@contextmanager
def transaction() -> Iterator[Any]:
    """Open the one transaction of a request that changes something; a dry run takes everything back.

    What policies refuse leaves nothing but a note of it, in a transaction of its own.
    """
    tries = is_dry_run()
    try:
        with edge().transaction() as session:
            yield session
            if tries:
                session.rollback()
    except PolicyDenied as denied:
        if not tries:
            with edge().transaction() as session:
                note_denial(session, denied, act())
        raise


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
