"""What a client is shown of the platform's rules: policies and change freezes."""

from marshmallow.fields import Nested

from service.api.answers import ActorSchema, FaultSchema, Shown
from service.api.fields import Choice, Instant, Items, Pairs, Text, Whole
from service.api.schemas import MetadataRequestSchema


class FreezeSchema(Shown):
    """A change freeze."""

    cluster = Text()
    name = Text()
    begins_at = Instant()
    ends_at = Instant()
    reason = Text()


class FreezeListSchema(Shown):
    """Change freezes."""

    items = Items(Nested(FreezeSchema()))


class PolicySchema(Shown):
    """One version of a policy."""

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
    """Versions of policies."""

    items = Items(Nested(PolicySchema()))


class ChangedOutcomeSchema(Shown):
    """A request that would end otherwise."""

    exposure_id = Text(allow_none=True, metadata={"format": "uuid", "description": "Null: it was refused."})
    revision = Whole(allow_none=True)
    metadata = Nested(MetadataRequestSchema())
    before = Pairs(metadata={"description": "What the active policies say."})
    after = Pairs(metadata={"description": "What they would say with the draft."})


class WhatIfSchema(Shown):
    """What a draft would have changed."""

    requests = Whole(metadata={"description": "How many were tried."})
    changed = Items(Nested(ChangedOutcomeSchema()))


class PolicyCheckSchema(Shown):
    """What is wrong with a draft."""

    errors = Items(Nested(FaultSchema()), metadata={"description": "None: it could be proposed."})
