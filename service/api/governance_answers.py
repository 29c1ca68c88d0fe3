"""What a client is shown of the platform's rules: policies and change freezes."""

from marshmallow.fields import Nested

from service.api.answers import ActorSchema, FaultSchema, Shown
from service.api.fields import Choice, Instant, Items, Pairs, Text, Whole
from service.api.schemas import MetadataRequestSchema


class FreezeSchema(Shown):
    cluster = Text()
    name = Text()
    begins_at = Instant()
    ends_at = Instant()
    reason = Text()


class FreezeListSchema(Shown):
    items = Items(Nested(FreezeSchema()))


class PolicySchema(Shown):
    name = Text()
    version = Whole()
    state = Choice("proposed", "active", "retired")
    document = Pairs(metadata={"description": "What was written; docs/policies.md tells its shape."})
    created_by = Nested(ActorSchema())
    created_at = Instant()
    reviewed_by = Nested(ActorSchema(), allow_none=True)
    activated_at = Instant(allow_none=True)
    retired_at = Instant(allow_none=True)


class PolicyListSchema(Shown):
    items = Items(Nested(PolicySchema()))


class ChangedOutcomeSchema(Shown):
    exposure_id = Text(allow_none=True, metadata={"format": "uuid", "description": "Null: it was refused."})
    revision = Whole(allow_none=True)
    metadata = Nested(MetadataRequestSchema())
    before = Pairs(metadata={"description": "What the active policies say."})
    after = Pairs(metadata={"description": "What they would say with the draft."})


class WhatIfSchema(Shown):
    requests = Whole(metadata={"description": "How many were tried."})
    changed = Items(Nested(ChangedOutcomeSchema()))


class PolicyCheckSchema(Shown):
    errors = Items(Nested(FaultSchema()), metadata={"description": "None: it could be proposed."})
