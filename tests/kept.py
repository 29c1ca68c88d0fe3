"""What is kept of an exposure, as the audit reads it: asked for by ada, approved by grace, and live."""

from datetime import timedelta
from typing import Any

from service.domain.chain import START, content, link, stamp
from service.domain.event import Entry
from service.domain.spec import Document
from tests.builders import EXPOSURE_ID, METADATA, NOON, make_revision

STORY = (("requested", "person", "ada"), ("approved", "person", "grace"), ("live", "worker", "worker"))


def make_entry(**fields: Any) -> Entry:
    """Return the first event of a chain."""
    defaults: dict[str, Any] = {
        "exposure_id": EXPOSURE_ID,
        "seq": 1,
        "previous_hash": None,
        "kind": "requested",
        "revision": 1,
        "actor": {"kind": "person", "person": "ada", "acted_for": None},
        "request_id": "request-1",
        "data": {"digest": make_revision().digest},
        "at": NOON,
    }
    return Entry(**(defaults | fields))


def make_events(*told: tuple[str, str, str]) -> list[Document]:
    """Return a chain of events, each ``(kind, kind of actor, person)``."""
    head, events = START, []
    for kind, who, person in told:
        entry = make_entry(
            seq=head.seq + 1,
            previous_hash=head.hash,
            kind=kind,
            actor={"kind": who, "person": person, "acted_for": None},
            data={"digest": make_revision().digest} if who == "person" else {"uid": "uid-1"},
            at=NOON + timedelta(minutes=head.seq),
        )
        head = link(entry)
        events.append({**content(entry), "hash": head.hash})
    return events


def make_kept(*told: tuple[str, str, str], **sections: Any) -> Document:
    """Return everything that is kept, sections replaced by keyword; it holds together."""
    events, revision = make_events(*(told or STORY)), make_revision()
    defaults: Document = {
        "exposure": {
            "id": str(EXPOSURE_ID),
            "cluster": METADATA.cluster,
            "namespace": METADATA.namespace,
            "name": METADATA.name,
            "team": METADATA.team,
            "head_seq": len(events),
            "head_hash": events[-1]["hash"],
        },
        "revisions": [
            {
                "number": 1,
                "spec": revision.spec.document(),
                "manifest": revision.manifest,
                "digest": revision.digest,
                "decision": revision.decision.value,
                "created_at": stamp(revision.created_at),
            }
        ],
        "reviews": [
            {
                "id": "review-1",
                "revision": 1,
                "reviewer": {"kind": "person", "person": "grace", "acted_for": None},
                "verdict": "approve",
                "digest": revision.digest,
            }
        ],
        "events": events,
    }
    return defaults | sections
