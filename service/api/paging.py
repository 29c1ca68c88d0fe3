"""Keyset pages: a token says where the last page ended, and for which list and filters it was made."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import request

from service.domain.errors import BadPageToken
from service.domain.spec import Document
from service.workflow.read import Page, PageRequest

T = TypeVar("T")
VERSION = 1
MAX_TOKEN = 1024


def page_request(query: Mapping[str, Any]) -> PageRequest:
    """Return which page a query asks for.

    Raises:
        BadPageToken: the token is of another list or other filters, or none of ours.
    """
    token = query.get("page_token")
    return PageRequest(query["page_size"], None if token is None else _position(token))


def page_answer(page: Page[T], document: Callable[[T], Document]) -> tuple[Document, dict[str, str]]:
    """Return body and headers of one page of the list that is asked for now."""
    token = None if page.next is None else page_token(page.next)
    body = {"items": [document(item) for item in page.items], "next_page_token": token}
    if token is None:
        return body, {}
    query = urlencode({**request.args.to_dict(), "page_token": token})
    return body, {"Link": f'<{request.path}?{query}>; rel="next"'}


def _list_hash() -> str:
    """Return what tells lists apart: the address and the filters; the page size may change on the way."""
    filters = sorted((k, v) for k, v in request.args.items() if k not in ("page_size", "page_token"))
    return hashlib.sha256(json.dumps([request.path, filters]).encode()).hexdigest()[:16]


def page_token(position: tuple[str, ...]) -> str:
    """Return the token that goes on behind a position of the list that is asked for now."""
    text = json.dumps([VERSION, _list_hash(), *position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(token: str) -> tuple[str, ...]:
    try:
        if len(token) > MAX_TOKEN:
            raise ValueError("too long")
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
        version, list_hash, *position = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadPageToken("This is no page token of ours.") from error
    if version != VERSION or list_hash != _list_hash() or not all(isinstance(part, str) for part in position):
        raise BadPageToken("This page token was made by another list or with other filters.")
    return tuple(position)
