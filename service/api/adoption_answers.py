"""What a client is shown of a request to adopt a Service."""

from marshmallow.fields import Nested

from service.api.answers import ActorSchema, FaultSchema, Shown
from service.api.fields import Choice, Duration, Instant, Items, Pairs, Text
from service.domain.adoption import AdoptionState


class ServiceFaultSchema(FaultSchema):
    pointer = Text(metadata={"description": "JSON pointer into the Service (RFC 6901); empty: the whole."})


class AdoptionSchema(Shown):
    id = Text(metadata={"format": "uuid"})
    cluster = Text()
    namespace = Text()
    name = Text()
    team = Text()
    lifetime = Duration(allow_none=True)
    justification = Text()
    requested_by = Nested(ActorSchema())
    state = Choice(*(state.value for state in AdoptionState))
    message = Text(metadata={"description": "What it waits for, or what came of it."})
    faults = Items(Nested(ServiceFaultSchema()), metadata={"description": "Why it is refused, all at once."})
    uid = Text(allow_none=True, metadata={"description": "Of the very Service that was read."})
    service = Pairs(allow_none=True, metadata={"description": "The Service as it was read."})
    exposure_id = Text(allow_none=True, metadata={"format": "uuid", "description": "Which is to have it."})
    created_at = Instant()
    updated_at = Instant()


class AdoptionListSchema(Shown):
    items = Items(Nested(AdoptionSchema()))
    next_page_token = Text(allow_none=True)
