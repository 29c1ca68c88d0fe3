"""What is kept of an exposure, and whether it holds together: the audit of rows and of documents alike.

The chain of events holds itself together, its head stands in the exposure. The rest is held by the chain: a
revision's digest can be computed from its content, and an event told it; a review carries that digest, and an
event tells of it; what was approved was told. Nothing here trusts the shape of what it is given.
"""

from collections.abc import Iterator, Mapping, Sequence

from service.domain.chain import canonical, sha256
from service.domain.errors import Fault
from service.domain.exposure import Decision, Metadata
from service.domain.manifest import digest
from service.domain.principal import PrincipalKind
from service.domain.spec import Document, Spec

FORMAT = "wharfinger.dev/evidence/v1"

TEXT, NUMBER, OBJECT = (str,), (int,), (dict,)
MAYBE_TEXT, MAYBE_NUMBER = (str, type(None)), (int, type(None))
APPROVED = (Decision.APPROVED, Decision.LIVE)
PLACE = ("cluster", "namespace", "name", "team")
NEEDED: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "exposure": {"id": TEXT, "head_seq": NUMBER, "head_hash": MAYBE_TEXT, **dict.fromkeys(PLACE, TEXT)},
    "revisions": {"number": NUMBER, "spec": OBJECT, "manifest": OBJECT, "digest": TEXT, "decision": TEXT},
    "reviews": {"id": TEXT, "revision": NUMBER, "digest": TEXT, "reviewer": OBJECT},
    "events": {
        "exposure_id": TEXT,
        "seq": NUMBER,
        "previous_hash": MAYBE_TEXT,
        "hash": TEXT,
        "kind": TEXT,
        "revision": MAYBE_NUMBER,
        "actor": OBJECT,
        "data": OBJECT,
    },
}
"""What the audit reads, and of which kind it is; a document may hold more."""


def check(document: object) -> list[Fault]:
    """Return everything that does not fit together, each with its place; nothing: it holds."""
    if not isinstance(document, dict):
        return [Fault("#", "This is no JSON object.")]
    unreadable = list(_misshapen(document))
    if unreadable:
        return unreadable
    return [*_faults_of_chain(document), *_faults_of_revisions(document), *_faults_of_reviews(document)]


def _misshapen(document: Document) -> Iterator[Fault]:
    for section, fields in NEEDED.items():
        value = document.get(section)
        if section == "exposure":
            yield from _lacking(value, fields, f"#/{section}")
        elif not isinstance(value, list):
            yield Fault(f"#/{section}", "This list is missing.")
        else:
            for index, item in enumerate(value):
                yield from _lacking(item, fields, f"#/{section}/{index}")


def _lacking(item: object, fields: Mapping[str, tuple[type, ...]], pointer: str) -> Iterator[Fault]:
    if not isinstance(item, dict):
        yield Fault(pointer, "This object is missing.")
        return
    for name, kinds in fields.items():
        if name not in item or not isinstance(item[name], kinds):
            yield Fault(f"{pointer}/{name}", "This is missing, or of another kind than it has to be.")


def _faults_of_chain(document: Document) -> Iterator[Fault]:
    """Walk the events in their order: each has to be as it was written, and to follow the one before."""
    exposure, events = document["exposure"], document["events"]
    seq, last = 0, None
    for index, event in enumerate(events):
        detail = _fault_of_event(event, exposure["id"], seq, last)
        if detail is not None:
            yield Fault(f"#/events/{index}", detail)
        seq, last = event["seq"], event["hash"]
    head_seq, head_hash = exposure["head_seq"], exposure["head_hash"]
    if head_seq > seq:
        lost = _numbers(seq + 1, head_seq)
        yield Fault("#/events", f"The end is missing: the exposure had {head_seq} events; {lost} cut off.")
    elif head_seq < seq:
        yield Fault(
            "#/exposure/head_seq", f"The exposure knows of {head_seq} events, and there is event {seq}."
        )
    elif head_hash != last:
        detail = f"The exposure's last event has the hash {head_hash}, and event {seq} has {last}."
        yield Fault("#/exposure/head_hash", detail)


def _fault_of_event(event: Document, exposure_id: str, before: int, last: str | None) -> str | None:
    """Return what is wrong with an event that stands behind event ``before`` with the hash ``last``."""
    seq, name = event["seq"], f"Event {event['seq']} ({event['kind']})"
    if event["exposure_id"] != exposure_id:
        return f"{name} belongs to exposure {event['exposure_id']}."
    computed = _hash_of(event)
    if computed != event["hash"]:
        return f"{name} is not what was written: its content gives {computed}, its hash is {event['hash']}."
    if seq <= before:
        return f"{name} stands behind event {before}: out of order, or there twice."
    if seq > before + 1:
        return f"{name} stands behind event {before}: {_numbers(before + 1, seq - 1)} missing."
    if event["previous_hash"] != last:
        return (
            f"{name} does not follow the event before it: it names the hash {event['previous_hash']}, "
            f"that one has {last}. One of the two is forged."
        )
    return None


def _hash_of(event: Document) -> str:
    try:
        return sha256(canonical({name: value for name, value in event.items() if name != "hash"}))
    except ValueError as error:
        return f"no hash ({error})"


def _numbers(first: int, last: int) -> str:
    return f"event {first} is" if first == last else f"events {first} to {last} are"


def _faults_of_revisions(document: Document) -> Iterator[Fault]:
    """Compute each digest anew, and compare with what the events told of the revision."""
    revisions = {revision["number"]: revision for revision in document["revisions"]}
    told: dict[int, list[Document]] = {}
    for index, event in enumerate(document["events"]):
        number = event["revision"]
        if number is not None and number not in revisions:
            detail = f"Event {event['seq']} ({event['kind']}) tells of revision {number}, which is missing."
            yield Fault(f"#/events/{index}/revision", detail)
        elif number is not None:
            told.setdefault(number, []).append(event)
    for index, revision in enumerate(document["revisions"]):
        for name, detail in _faults_of_revision(revision, told.get(revision["number"], [])):
            yield Fault(f"#/revisions/{index}/{name}", detail)
        computed = _digest_of(document["exposure"], revision)
        if computed != revision["digest"]:
            detail = f"its content gives {computed}, its digest is {revision['digest']}."
            pointer = f"#/revisions/{index}/digest"
            yield Fault(pointer, f"Revision {revision['number']} is not what was read: {detail}")


def _faults_of_revision(revision: Document, events: Sequence[Document]) -> Iterator[tuple[str, str]]:
    """Yield the field and what is wrong with it."""
    number, written, decision = revision["number"], revision["digest"], revision["decision"]
    digests = {event["data"]["digest"] for event in events if isinstance(event["data"].get("digest"), str)}
    if not digests:
        yield "digest", f"No event tells of revision {number}: it was not written by Wharfinger."
    elif digests != {written}:
        yield "digest", f"Revision {number} is {written}, its events tell of {', '.join(sorted(digests))}."
    if decision in APPROVED and not any(event["kind"] == "approved" for event in events):
        yield "decision", f"Revision {number} is {decision}, and no event tells that it was approved."


def _digest_of(exposure: Document, revision: Document) -> str:
    try:
        metadata = Metadata(**{name: exposure[name] for name in PLACE})
        return digest(metadata, Spec.from_document(revision["spec"]), revision["manifest"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"no digest ({type(error).__name__}: {error})"


def _faults_of_reviews(document: Document) -> Iterator[Fault]:
    """A review counts for what its reviewer read, and was told when it was given."""
    digests: Mapping[int, str] = {r["number"]: r["digest"] for r in document["revisions"]}
    told = [(e["revision"], e["actor"].get("person")) for e in document["events"] if e["kind"] != "requested"]
    for index, review in enumerate(document["reviews"]):
        name, number, read = f"Review {review['id']}", review["revision"], review["digest"]
        person, kind = review["reviewer"].get("person"), review["reviewer"].get("kind")
        if number not in digests:
            yield Fault(f"#/reviews/{index}/revision", f"{name} is of revision {number}, which is missing.")
            continue
        if digests[number] != read:
            detail = f"{name} was written for {read}, revision {number} is {digests[number]}."
            yield Fault(f"#/reviews/{index}/digest", detail)
        if kind == PrincipalKind.PERSON and (number, person) not in told:
            detail = f"{name} by {person} is told of by no event: it was not written by Wharfinger."
            yield Fault(f"#/reviews/{index}", detail)
