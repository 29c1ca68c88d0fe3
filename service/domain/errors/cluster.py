"""What a kube-apiserver answered, seen by the worker only."""

from typing import ClassVar

from service.domain.errors.base import WharfingerError


class ClusterError(WharfingerError):
    """What the apiserver answered; ``str()`` is its own message. ``reason`` is the word for conditions."""

    code = "cluster"
    reason: ClassVar[str] = "ClusterError"
    retryable: ClassVar[bool] = True

    def __init__(self, message: str) -> None:
        super().__init__(message.replace("\0", "\N{REPLACEMENT CHARACTER}"))  # PostgreSQL can store no NUL


class ClusterAway(ClusterError):
    reason = "ClusterAway"


class NotSent(ClusterAway):
    reason = "NotSent"


class ListTooOld(ClusterError):
    reason = "Expired"


class ObjectExists(ClusterError):
    reason = "NameTakenInCluster"


class ObjectChanged(ClusterError):
    reason = "Conflict"


class ObjectMissing(ClusterError):
    reason = "NotFound"


class NamespaceMissing(ObjectMissing):
    reason = "NamespaceMissing"


class PortAllocated(ClusterError):
    reason = "NodePortTaken"


class WebhookFailed(ClusterError):
    reason = "WebhookFailed"


class WriteForbidden(ClusterError):
    reason = "Forbidden"


class NamespaceTerminating(WriteForbidden):
    reason = "NamespaceTerminating"


class WriteRefused(ClusterError):
    reason = "Refused"
    retryable = False


class FieldFixed(WriteRefused):
    reason = "NeedsReplace"


class AddressRefused(WriteRefused):
    reason = "AddressRefused"
    retryable = True
