"""From domain values to the documents that schemas write out."""

from datetime import datetime

from service.domain.event import Event
from service.domain.exposure import ExposureRecord, Review, Revision
from service.domain.spec import Document
from service.domain.status import summarise


def exposure_document(record: ExposureRecord, now: datetime) -> Document:
    """Return ``{metadata, spec, status}``; a chosen node port is shown in the spec too."""
    exposure = record.exposure
    metadata = exposure.metadata
    return {
        "metadata": {
            "id": exposure.id,
            "cluster": metadata.cluster,
            "namespace": metadata.namespace,
            "name": metadata.name,
            "team": metadata.team,
            "created_at": exposure.created_at,
            "generation": exposure.generation,
        },
        "spec": spec_document(record.shown()),
        "status": summarise(record, now),
    }


def spec_document(revision: Revision) -> Document:
    """Return a specification as people see it, with the numbers that were chosen."""
    document = {**revision.spec.document(), "not_before": revision.spec.not_before}
    for port, given in zip(document["ports"], revision.allocation.ports, strict=False):
        port["node_port"] = given.number
    return document


def revision_document(revision: Revision) -> Document:
    """Return one revision with its specification."""
    return {
        "number": revision.number,
        "spec": spec_document(revision),
        "digest": revision.digest,
        "decision": revision.decision.value,
        "requested_by": revision.requested_by,
        "created_at": revision.created_at,
        "decided_at": revision.decided_at,
        "kind": revision.kind.value,
        "base": revision.base,
        "delta": revision.delta or None,
        "verdict": revision.verdict or None,
        "pending_until": revision.pending_until,
        "break_glass": revision.break_glass,
    }


def review_document(review: Review) -> Document:
    """Return one review."""
    return {
        "id": review.id,
        "revision": review.revision,
        "verdict": review.verdict,
        "digest": review.digest,
        "comment": review.comment,
        "reviewer": review.reviewer,
        "created_at": review.created_at,
        "voided_at": review.voided_at,
        "void_reason": review.void_reason,
    }


def event_document(event: Event) -> Document:
    """Return one event."""
    return {
        "id": event.id,
        "seq": event.seq,
        "previous_hash": event.previous_hash,
        "hash": event.hash,
        "kind": event.kind,
        "revision": event.revision,
        "actor": event.actor,
        "request_id": event.request_id,
        "data": event.data,
        "at": event.at,
    }
