"""What a client is shown of the port ledger: claims, their past, reservations, the map, quotas."""

from marshmallow.fields import Nested

from service.api.answers import Shown
from service.api.fields import Choice, Duration, Instant, Items, Switch, Text, Whole
from service.domain.history import Ending
from service.domain.port_map import STATES, TAKEN


class OwnerSchema(Shown):
    team = Text(allow_none=True)
    namespace = Text()
    name = Text()


class ClaimSchema(Shown):
    port = Whole()
    state = Choice(*STATES)
    owner = Nested(OwnerSchema(), allow_none=True)
    reason = Text(allow_none=True)
    until = Instant(
        allow_none=True,
        metadata={
            "description": "Held, bound: when the clock takes it from its exposure if nobody does anything; "
            "null: never, as far as known. Cooling: until another team may have it."
        },
    )


class TenureSchema(Shown):
    state = Choice(*TAKEN, metadata={"description": "The last one of that time."})
    owner = Nested(OwnerSchema())
    exposure_id = Text(
        allow_none=True, metadata={"format": "uuid", "description": "For those who may see the exposure."}
    )
    reason = Text(allow_none=True)
    began_at = Instant()
    ended_at = Instant()
    ending = Choice(*(ending.value for ending in Ending))
    thief = Nested(OwnerSchema(), allow_none=True, metadata={"description": "Who took it in the cluster."})
    cooling_until = Instant(allow_none=True)


class ReservationSchema(Shown):
    cluster = Text()
    name = Text()
    first = Whole()
    last = Whole()
    team = Text(allow_none=True, metadata={"description": "Null: the platform itself."})
    reason = Text()
    until = Instant(allow_none=True)
    created_at = Instant()


class NodePortSchema(ClaimSchema):
    since = Instant(allow_none=True)
    reserved_for = Nested(
        ReservationSchema(),
        allow_none=True,
        metadata={"description": "The rule that covers the number now; the first by name."},
    )
    history = Items(
        Nested(TenureSchema()), metadata={"description": "Who had it before, newest first, at most 50."}
    )
    has_more_history = Switch(metadata={"description": "There is more of it; …/history has all, by pages."})


class TenureListSchema(Shown):
    items = Items(Nested(TenureSchema()))
    next_page_token = Text(allow_none=True)


class CountsSchema(Shown):
    free = Whole()
    held = Whole()
    bound = Whole()
    cooling = Whole()
    foreign = Whole()


class BandSchema(Shown):
    band = Choice("static", "dynamic")
    first = Whole()
    last = Whole()
    counts = Nested(CountsSchema())


class RunSchema(Shown):
    first = Whole()
    last = Whole()
    state = Choice(*STATES)
    team = Text(allow_none=True)
    band = Choice("static", "dynamic")
    reservation = Text(allow_none=True, metadata={"description": "The rule that covers the numbers now."})


class OutsideSchema(Shown):
    port = Whole()
    state = Choice(*TAKEN)
    owner = Nested(OwnerSchema())


class NodePortMapSchema(Shown):
    cluster = Text()
    first = Whole()
    last = Whole()
    counts = Nested(CountsSchema(), metadata={"description": "Of the whole pool, whatever the filters."})
    bands = Items(Nested(BandSchema()))
    runs = Items(
        Nested(RunSchema()),
        metadata={"description": "Neighbouring numbers that are alike, ascending, free ones too."},
    )
    outside = Items(
        Nested(OutsideSchema()),
        metadata={"description": "Numbers that somebody has and that the range does not cover any more."},
    )


class AmountSchema(Shown):
    used = Whole(metadata={"description": "Approved or in the cluster."})
    held = Whole(metadata={"description": "For requests that are not decided yet."})
    limit = Whole(allow_none=True, metadata={"description": "Null: no limit."})


class ClusterQuotaSchema(Shown):
    cluster = Text()
    exposures = Nested(AmountSchema())
    node_ports = Nested(AmountSchema())
    load_balancers = Nested(AmountSchema())
    longest_lifetime = Duration(allow_none=True, metadata={"description": "Null: no limit."})


class QuotaSchema(Shown):
    team = Text()
    clusters = Items(Nested(ClusterQuotaSchema()))


class ReservationListSchema(Shown):
    items = Items(Nested(ReservationSchema()))
    next_page_token = Text(allow_none=True)


class NodePortListSchema(Shown):
    items = Items(Nested(ClaimSchema()))
    next_page_token = Text(allow_none=True)
