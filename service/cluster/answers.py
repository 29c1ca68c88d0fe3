"""What an answer of a kube-apiserver means, in the words of the error tree.

An answer counts only when a kube-apiserver has written it (``kind`` is looked at): a proxy's 404 page must
never look like a Service that is gone.
"""

import json
from collections.abc import Mapping
from typing import Any

from service.cluster.gateway import Change, ChangeKind
from service.domain.errors import (
    AddressRefused,
    ClusterAway,
    ClusterError,
    FieldFixed,
    ListTooOld,
    NamespaceMissing,
    NamespaceTerminating,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    PortAllocated,
    WebhookFailed,
    WriteForbidden,
    WriteRefused,
)
from service.domain.spec import Document

_ALREADY_ALLOCATED = "provided port is already allocated"
_WEBHOOK_FAILED = "failed calling webhook"
"""Whatever its fault, before anything is stored (k8s.io/apiserver, pkg/util/webhook, ErrCallingWebhook)."""
_OUT_OF_RANGE = "provided port is not in the valid range"
_FIXED = ("may not change once set", "field is immutable")
_BY_STATUS: Mapping[int, type[ClusterError]] = {
    401: WriteForbidden,
    403: WriteForbidden,
    404: ObjectMissing,
    410: ListTooOld,
}


def classify(method: str, status: int, answer: Document) -> ClusterError:
    """Return the error for an answer that is not 2xx; its message is the apiserver's own.

    ``answer`` is the body: a ``Status`` of a kube-apiserver, else somebody else's page, which says nothing
    about the object. 401 is a ``WriteForbidden`` too: both are retried, for a token is renewed and a right is
    granted without our doing. A taken number is 422, a taken health check port 500 with the same words.
    """
    if answer.get("kind") != "Status":
        what = answer.get("message") or f"HTTP {status} whose body is no Status of a kube-apiserver"
        return ClusterAway(str(what))
    message = str(answer.get("message") or f"HTTP {status}")
    if status in _BY_STATUS:
        return (_namespace_error(status, answer) or _BY_STATUS[status])(message)
    if status == 409:
        exists = method == "POST" and answer.get("reason") == "AlreadyExists"
        return ObjectExists(message) if exists else ObjectChanged(message)
    if status in (422, 500) and _ALREADY_ALLOCATED in message:
        return PortAllocated(message)
    if status == 500 and _WEBHOOK_FAILED in message:
        return WebhookFailed(message)
    if status == 422:
        return _classify_invalid(answer, message)
    if status in (408, 429) or not 400 <= status <= 499:
        return ClusterAway(message)
    return WriteRefused(message)


def _namespace_error(status: int, answer: Document) -> type[ClusterError] | None:
    """Return the error when it is the namespace that is not there, or on its way out."""
    details = answer.get("details") or {}
    if status == 404 and details.get("kind") == "namespaces":
        return NamespaceMissing
    reasons = [cause.get("reason") for cause in details.get("causes") or ()]
    return NamespaceTerminating if status == 403 and "NamespaceTerminating" in reasons else None


def _classify_invalid(answer: Document, message: str) -> ClusterError:
    """Return the error for a 422 that is not about a taken number.

    The apiserver wraps whatever its node port allocator fails with, a verdict as well as etcd trouble, as
    ``FieldValueInvalid`` of that nodePort. So when every cause is of that kind and none is a verdict on the
    number, the same request may pass later: ``ClusterAway``. Anything else judges what was sent; when it is
    about nothing but fields that never change in place, or the address, another request helps.
    """
    causes = (answer.get("details") or {}).get("causes") or ()
    if causes and all(_is_allocator_trouble(cause) for cause in causes):
        return ClusterAway(message)
    if causes and all(str(cause.get("message", "")).endswith(_FIXED) for cause in causes):
        return FieldFixed(message)
    if causes and all(str(cause.get("field", "")).startswith("spec.clusterIP") for cause in causes):
        return AddressRefused(message)
    return WriteRefused(message)


def _is_allocator_trouble(cause: Document) -> bool:
    field, text = str(cause.get("field", "")), str(cause.get("message", ""))
    on_number = field.startswith("spec.ports[") and field.endswith(".nodePort")
    return on_number and cause.get("reason") == "FieldValueInvalid" and _OUT_OF_RANGE not in text


def change_of(line: bytes) -> Change:
    """Return the event that a line of a watch holds.

    Raises:
        ClusterError: the event is an error (410 most of the time), or nothing that a kube-apiserver writes.
    """
    event = read_json(line)
    thing = event.get("object")
    if not isinstance(thing, dict):
        raise ClusterAway("a line of the watch is no event of a kube-apiserver")
    if event.get("type") == "ERROR":
        raise classify("GET", int(thing.get("code") or 500), thing)
    try:
        kind, metadata = ChangeKind(event.get("type", "")), thing["metadata"]
        is_whole = kind is ChangeKind.BOOKMARK or all(metadata[field] for field in ("name", "uid"))
        is_placed = kind is ChangeKind.BOOKMARK or thing.get("kind") == "Node" or metadata["namespace"]
        if metadata["resourceVersion"] and is_whole and is_placed:
            return Change(kind, thing)
    except (KeyError, ValueError, TypeError):
        pass
    raise ClusterAway("a line of the watch is no event of a kube-apiserver")


def read_json(content: bytes) -> Document:
    """Return the object that a body holds; an empty one when it holds none."""
    try:
        value: Any = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
