"""Who is in the way, said so that a person can act on it. Pure."""

from collections.abc import Iterable, Mapping

from service.domain.errors import (
    AddressRefused,
    ClusterAway,
    ClusterError,
    FieldFixed,
    NamespaceMissing,
    NamespaceTerminating,
    WebhookFailed,
    WriteForbidden,
    WriteRefused,
)
from service.domain.held import explain_fixed
from service.domain.manifest import node_ports
from service.domain.plan import NEEDS_REPLACE, NODE_PORT_TAKEN, Desired
from service.domain.spec import Document
from service.reconciler.recording import Failure

UNFORESEEN = Failure("Unexpected", "A fault of the worker itself; its log tells more. It is tried again.")

ADVICE: Mapping[type[ClusterError], str] = {
    NamespaceMissing: "The Service is made once the namespace is there: make it, or delete this exposure.",
    NamespaceTerminating: "Whoever deletes the namespace, or holds it by a finalizer, decides when it is "
    "gone. The Service is made again when the namespace is back; else delete this exposure.",
    WebhookFailed: "An admission webhook of the cluster does not work: ask who runs it. It is tried again.",
    WriteForbidden: "A right, a quota or a webhook of the cluster is in the way: ask who runs it. "
    "It is tried again.",
    AddressRefused: "It is made with another address.",
    WriteRefused: "The cluster does not take it as it is: change what was asked for, or ask who runs the "
    "cluster. It is tried again now and then.",
    ClusterAway: "It is tried again.",
    ClusterError: "It is looked at again, then tried again.",
}
"""What to do about an answer, by its class or the nearest one above it."""


LEAKED = (
    "A kube-apiserver that ended in the middle of a change leaves its number taken; its repair frees it, "
    "within about ten minutes. It is tried again."
)
"""It looks every 3 min and frees what it has seen four times (k/k core/service/portallocator/controller)."""


def failure_of(error: ClusterError) -> Failure:
    """Return the apiserver's own message, with what to do or what will be done."""
    advice = next(ADVICE[kind] for kind in type(error).__mro__ if kind in ADVICE)
    unknown = isinstance(error, ClusterAway)
    return Failure(error.reason, f"{error} {advice}".strip(), error.retryable, unknown=unknown)


def explain_refused_change(error: FieldFixed, want: Desired) -> Failure:
    """Return that the Service has to be made anew: by itself where its revision allows that."""
    message = str(error) if want.replaces else f"{error} {explain_fixed(())}"
    return Failure(NEEDS_REPLACE, message, retryable=want.replaces)


def explain_foreign(service: Document) -> str:
    """Return who has the name, and what to do."""
    metadata = service["metadata"]
    makers = ", ".join(
        dict.fromkeys(entry.get("manager", "?") for entry in metadata.get("managedFields") or ())
    )
    return (
        f"Service {metadata['namespace']}/{metadata['name']} exists and was not made by Wharfinger"
        f"{f' (written by {makers})' if makers else ''}. "
        "It is left alone: remove it, or ask under another name."
    )


def explain_terminating(service: Document) -> str:
    """Return since when a Service is being deleted, what keeps it, and who can let it go."""
    metadata = service["metadata"]
    return (
        f"The Service is being deleted since {metadata['deletionTimestamp']}; "
        f"{', '.join(metadata.get('finalizers') or ['something'])} keeps it until whoever set that lets go."
    )


def explain_changed(paths: Iterable[str]) -> str:
    """Return which fields the cluster changed while it took a write, and who can do something about it."""
    return (
        f"The cluster took it and changed {', '.join(paths)}, so it is not what was approved. "
        "Something there rewrites Services (a mutating webhook?): ask who runs it. It is tried again."
    )


def explain_taken_port(services: Iterable[Document], want: Desired) -> Failure:
    """Return which node port is taken in the cluster, and by whom.

    Final only for its requester when that number was asked for; a chosen one is tried again later.
    """
    assert want.manifest is not None
    wanted = node_ports(want.manifest)
    owners = {
        number: f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        for service in services
        for number in node_ports(service) & wanted
    }
    if not owners:
        numbers = " or ".join(map(str, sorted(wanted)))
        message = f"The cluster says that node port {numbers} is taken, but no Service has it. {LEAKED}"
        return Failure(NODE_PORT_TAKEN, message)
    listed = ", ".join(f"node port {number} by Service {owner}" for number, owner in sorted(owners.items()))
    asked = set(owners) & set(want.asked_ports)
    hint = "Delete this exposure and ask again without that node_port." if asked else "It is tried again."
    return Failure(NODE_PORT_TAKEN, f"Taken in the cluster: {listed}. {hint}", retryable=not asked)
