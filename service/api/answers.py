"""What a client is shown of exposures: the shapes of conventions.md 10. Fields may be added to them later."""

from marshmallow import EXCLUDE, INCLUDE, Schema
from marshmallow.fields import Nested

from service.api.fields import Choice, Instant, Items, Pairs, Text, Whole
from service.api.schemas import MetadataRequestSchema, SpecSchema


class Shown(Schema):
    """What a client is shown: fields may be added later."""

    class Meta:
        unknown = EXCLUDE


class MetadataSchema(MetadataRequestSchema):
    class Meta:
        unknown = EXCLUDE

    id = Text(metadata={"format": "uuid"})
    created_at = Instant()
    generation = Whole(metadata={"description": "The newest revision's number."})


class ConditionSchema(Shown):
    type = Text()
    status = Choice("True", "False", "Unknown")
    reason = Text()
    message = Text()
    last_transition_time = Instant()
    observed_generation = Whole()


class StatusPortSchema(Shown):
    name = Text(allow_none=True)
    node_port = Whole()
    origin = Choice("asked", "chosen")


class AccessSchema(Shown):
    name = Text(allow_none=True)
    port = Whole()
    protocol = Text()
    addresses = Items(Text(), metadata={"description": "host:port, ready to use."})
    commands = Items(Text(), metadata={"description": "Ready to paste."})


class RevisionPointerSchema(Shown):
    revision = Whole()
    digest = Text()


class PendingPointerSchema(RevisionPointerSchema):
    missing = Items(Text(), metadata={"description": "The seats that are empty, by their groups."})
    until = Instant(allow_none=True, metadata={"description": "When it expires undecided."})


class LifetimeSchema(Shown):
    started_at = Instant(allow_none=True, metadata={"description": "First ready, or last renewed."})
    ends_at = Instant(
        allow_none=True, metadata={"description": "Suspended then; null: no end, or not yet known."}
    )
    suspension = Choice("owner", "expired", "forbidden-port", allow_none=True)


class StatusSchema(Shown):
    observed_generation = Whole(
        metadata={"description": "The newest settled revision; done when it is generation."}
    )
    state = Text(metadata={"description": "One word; the first that fits."})
    reason = Text(allow_none=True, metadata={"description": "Why it ended."})
    intent = Choice("present", "suspended", "absent")
    conditions = Items(Nested(ConditionSchema()))
    ports = Items(Nested(StatusPortSchema()))
    access = Items(Nested(AccessSchema()))
    pending = Nested(PendingPointerSchema(), allow_none=True)
    approved = Nested(RevisionPointerSchema(), allow_none=True)
    live = Nested(RevisionPointerSchema(), allow_none=True)
    lifetime = Nested(LifetimeSchema())
    drift = Pairs(allow_none=True, metadata={"description": "Kept for you: {diff, manager, at, seen_at, …}."})


class ExposureSchema(Shown):
    metadata = Nested(MetadataSchema())
    spec = Nested(SpecSchema())
    status = Nested(StatusSchema())


class ActorSchema(Shown):
    kind = Text()
    person = Text()
    acted_for = Text(allow_none=True)


class RevisionSchema(Shown):
    number = Whole()
    spec = Nested(SpecSchema())
    digest = Text()
    decision = Text()
    requested_by = Nested(ActorSchema())
    created_at = Instant()
    decided_at = Instant(allow_none=True)
    kind = Choice("change", "renewal")
    base = Whole(allow_none=True, metadata={"description": "What it was compared with."})
    delta = Pairs(allow_none=True, metadata={"description": "How it differs from the base, field by field."})
    verdict = Pairs(allow_none=True, metadata={"description": "What the policies said at submit."})
    pending_until = Instant(allow_none=True)
    break_glass = Pairs(allow_none=True)


class RevisionListSchema(Shown):
    items = Items(Nested(RevisionSchema()))


class ReviewSchema(Shown):
    id = Text(metadata={"format": "uuid"})
    revision = Whole()
    verdict = Choice("approve", "reject", "comment")
    digest = Text()
    comment = Text(allow_none=True)
    reviewer = Nested(ActorSchema())
    created_at = Instant()
    voided_at = Instant(allow_none=True, metadata={"description": "Since when it counts no more."})
    void_reason = Text(allow_none=True)


class ReviewListSchema(Shown):
    items = Items(Nested(ReviewSchema()))


class EventSchema(Shown):
    id = Whole()
    seq = Whole(metadata={"description": "Its place in the exposure's chain, from 1."})
    previous_hash = Text(allow_none=True, metadata={"description": "Of the event before it."})
    hash = Text(metadata={"description": "docs/evidence.md says of what."})
    kind = Text()
    revision = Whole(allow_none=True)
    actor = Nested(ActorSchema())
    request_id = Text(allow_none=True)
    data = Pairs()
    at = Instant()


class SignatureSchema(Shown):
    algorithm = Choice("Ed25519")
    key_id = Text(metadata={"description": "SHA-256 of the public key in DER."})
    public_key = Text(metadata={"description": "PEM. Who made it is shown by a key from elsewhere."})
    value = Text(metadata={"description": "Base64; over the RFC 8785 form of all but the signature."})


class EvidenceSchema(Shown):
    format = Text()
    made_at = Instant()
    exposure = Pairs()
    revisions = Items(Pairs(), metadata={"description": "By number, each with its content and digest."})
    reviews = Items(Pairs())
    events = Items(Pairs(), metadata={"description": "The chain: each names the hash of the one before."})
    signature = Nested(SignatureSchema())


class EvidenceKeySchema(Shown):
    key_id = Text()
    algorithm = Choice("Ed25519")
    public_key = Text(metadata={"description": "PEM."})


class EvidenceKeysSchema(Shown):
    keys = Items(Nested(EvidenceKeySchema()))


class ExplanationSchema(Shown):
    revision = Whole()
    digest = Text()
    decision = Text()
    gates = Items(
        Pairs(metadata={"description": "{gate, result, reason, ...}, in the order they are passed."})
    )


class SubmittedExposureSchema(ExposureSchema):
    warnings = Items(Text(), metadata={"description": "What is allowed and may surprise; also in Warning."})
    explain = Nested(ExplanationSchema(), metadata={"description": "Every gate, and who can pass it."})
    manifest = Pairs(metadata={"description": "In a dry run: the Service that was rendered."})


class DifferenceSchema(Shown):
    revision = Whole()
    against = Whole(allow_none=True, metadata={"description": "Null: there is nothing to compare with."})
    changes = Items(Pairs(metadata={"description": "{pointer, before, after}"}))
    delta = Pairs(allow_none=True, metadata={"description": "Narrowing, equal or widening, field by field."})
    unified = Text(metadata={"description": "The Services as YAML, as a unified diff."})


class ExposureListSchema(Shown):
    items = Items(Nested(ExposureSchema()))
    next_page_token = Text(allow_none=True)


class EventListSchema(Shown):
    items = Items(Nested(EventSchema()))
    next_page_token = Text(allow_none=True)


class FaultSchema(Shown):
    pointer = Text(metadata={"description": "JSON pointer into the body, as URI fragment (RFC 6901)."})
    detail = Text()
    code = Text()


class ProblemSchema(Schema):
    """RFC 9457; a code may add facts of its own (`port`, `owner`, `until`, ...)."""

    class Meta:
        unknown = INCLUDE

    type = Text(required=True, metadata={"format": "uri-reference"})
    title = Text(required=True)
    status = Whole(required=True)
    detail = Text(required=True)
    instance = Text(required=True, metadata={"format": "uri-reference"})
    code = Text(required=True)
    request_id = Text(required=True)
    errors = Items(Nested(FaultSchema()))
