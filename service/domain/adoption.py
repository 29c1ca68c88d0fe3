"""A request to take over a Service that somebody else made: where it stands, and what it is bound to. Pure.

It is bound to one read of one object. Until our mark is on it the Service is somebody else's, and whatever
of it changes meanwhile ends the way to it: ``why_changed`` says so before anything is written.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.domain.difference import differences
from service.domain.errors import Fault
from service.domain.exposure import Metadata
from service.domain.manifest import MANAGED_BY, PREFIX, differs
from service.domain.plan import Observed
from service.domain.read_back import metadata_faults
from service.domain.spec import Document


class AdoptionState(StrEnum):
    """Where a request to adopt stands."""

    WAITING = "waiting"
    """The worker has not read the Service yet."""
    REFUSED = "refused"
    """For its faults; nothing was changed."""
    REQUESTED = "requested"
    """An exposure equal to it is judged like any request; the Service is as it was."""
    ADOPTED = "adopted"
    """It is the exposure's."""
    ENDED = "ended"
    """The request came to nothing; the Service is somebody else's, as before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """A request to take over the Service that ``metadata`` names. ``lifetime`` in seconds.

    ``uid`` and ``service`` are what was read, without managedFields and status; pointers of ``faults`` lead
    into the Service.
    """

    id: UUID
    metadata: Metadata
    lifetime: int | None
    justification: str
    requested_by: Document
    request_id: str
    created_at: datetime
    updated_at: datetime
    state: AdoptionState = AdoptionState.WAITING
    faults: tuple[Fault, ...] = ()
    uid: str | None = None
    service: Document | None = None
    exposure_id: UUID | None = None


MARK = (
    f"#/metadata/labels/{MANAGED_BY.replace('/', '~1')}",
    f"#/metadata/annotations/{PREFIX}~1",
)
"""What the pointers of our mark begin with."""


def copy_of(service: Document) -> Document:
    """Return a Service without what says nothing of what it is: who wrote which field, and its status."""
    metadata = {name: value for name, value in service["metadata"].items() if name != "managedFields"}
    return {**{name: value for name, value in service.items() if name != "status"}, "metadata": metadata}


def changes_of(copy: Document, stored: Document) -> list[Document]:
    """Return in what a Service differs from the copy that was read; what is not our mark by its place alone.

    The mark's are ``{pointer, before, after}``, those of others ``{pointer}``: the values are theirs.
    """
    found = differences(_content(copy), _content(stored))
    return [
        change if change["pointer"].startswith(MARK) else {"pointer": change["pointer"]} for change in found
    ]


def _content(service: Document) -> Document:
    """Return what a diff compares: not the version, which every write moves."""
    metadata = {"labels": {}, "annotations": {}} | copy_of(service)["metadata"]
    metadata.pop("resourceVersion", None)
    return {"metadata": metadata, "spec": service["spec"]}


def why_changed(found: Document | None, uid: str, manifest: Document) -> str | None:
    """Return why a Service is not any more what was to be adopted; None: it is.

    Args:
        manifest: what was approved, every node port stated, without the mark.
    """
    if found is None:
        return "The Service that was to be adopted is gone. Withdraw this; ask anew for what is to be there."
    there = Observed(found)
    if there.uid != uid:
        how = f"was made anew (uid {there.uid} in place of {uid})"
    elif there.terminating:
        how = "is being deleted"
    elif changed := [*differs(found, manifest), *(f.pointer for f in metadata_faults(found["metadata"]))]:
        how = f"is not any more what was asked for: {', '.join(changed)} changed"
    else:
        return None
    return (
        f"Service {there.ref} {how}. It is left alone. Withdraw this and ask for its adoption again, "
        "or put it back as it was."
    )


def next_step(adoption: Adoption, problem: str | None) -> str:
    """Return what somebody who waits for an adoption waits for, or what came of it.

    Args:
        problem: why the cluster cannot be read; None: it can.
    """
    where = f"{adoption.metadata.namespace}/{adoption.metadata.name}"
    if adoption.state is AdoptionState.WAITING:
        cannot = f" It cannot read the cluster now: {problem}" if problem else ""
        return f"The worker of cluster {adoption.metadata.cluster} reads Service {where} next.{cannot}"
    return {
        AdoptionState.REFUSED: f"Service {where} is as it was. Put the faults right, then ask again.",
        AdoptionState.REQUESTED: f"Exposure {adoption.exposure_id} says what it waits for. Until it is live, "
        f"Service {where} stays as it is.",
        AdoptionState.ADOPTED: f"Service {where} belongs to exposure {adoption.exposure_id}.",
        AdoptionState.ENDED: f"Exposure {adoption.exposure_id} ended before; Service {where} is as it was.",
    }[adoption.state]
