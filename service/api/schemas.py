"""What a client may send: the closed shapes of conventions.md 10."""

from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, validate, validates_schema
from marshmallow.fields import Nested

from service.api.fields import (
    Choice,
    Cidr,
    Duration,
    Instant,
    Items,
    PageSize,
    Pairs,
    Pattern,
    Switch,
    TargetPort,
    Text,
    Whole,
)
from service.domain.identifiers import NAME
from service.domain.manifest import PREFIX
from service.domain.port_map import STATES
from service.domain.rules import MOST_LABELS, MOST_PORTS, MOST_RANGES, spec_faults

_DNS_LABEL = NAME.pattern
_SERVICE_NAME = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
_QUALIFIED = (
    r"((?=[^/]{1,253}/)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = "([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?"

DNS_LABEL = Pattern(_DNS_LABEL, "DNS label: 1-63 of a-z, 0-9 and '-', not first or last")
SERVICE_NAME = Pattern(
    _SERVICE_NAME, "Service name: 1-63 of a-z, 0-9 and '-', a letter first and no '-' last"
)
QUALIFIED = Pattern(_QUALIFIED, "qualified name such as app or example.com/app")
LABEL_VALUE = Pattern(_LABEL_VALUE, "label value: at most 63 of A-Z, a-z, 0-9, '-', '_' and '.'")
DIGEST = Pattern("sha256:[0-9a-f]{64}", "digest; it is in status.pending.digest")

PORT_NUMBER = validate.Range(1, 65535, error="A port's number is 1-65535.")


def _not_blank(text: str) -> None:
    if not any(character.isalnum() for character in text):
        raise ValidationError("This must not be blank.")


def _not_ours(key: str) -> None:
    if key.lower().split("/")[0] == PREFIX:
        raise ValidationError(f"Annotations of {PREFIX} are Wharfinger's own.")


class Closed(Schema):
    """What a client sends: an unknown field is a fault."""

    class Meta:
        unknown = RAISE

    error_messages = {  # noqa: RUF012 - marshmallow declares it without ClassVar
        "unknown": "There is no such field.",
        "type": "This must be an object.",
    }


class PortSchema(Closed):
    name = Text(load_default=None, validate=DNS_LABEL)
    port = Whole(required=True, validate=PORT_NUMBER)
    target_port = TargetPort(
        load_default=None,
        metadata={
            "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535},
                {"type": "string", "minLength": 1, "maxLength": 15},
                {"type": "null"},
            ],
            "description": "The container's port, by number or by name; the same as `port` when left out.",
        },
    )
    protocol = Choice("TCP", "UDP", "SCTP", load_default="TCP")
    app_protocol = Text(load_default=None, validate=QUALIFIED)
    node_port = Whole(
        load_default=None,
        validate=PORT_NUMBER,
        metadata={
            "description": "A number of the cluster's node port range; one is chosen when it is left out."
        },
    )


class LoadBalancerSchema(Closed):
    class_ = Text(data_key="class", attribute="class", load_default=None, validate=QUALIFIED)
    source_ranges = Items(Cidr(), load_default=list, validate=validate.Length(max=MOST_RANGES))
    allocate_node_ports = Switch(load_default=False)
    annotations = Pairs(
        keys=Text(validate=[QUALIFIED, _not_ours]),
        values=Text(validate=validate.Length(max=4096)),
        load_default=dict,
        most=32,
    )


class SpecSchema(Closed):
    type = Choice("ClusterIP", "NodePort", "LoadBalancer", load_default="ClusterIP")
    selector = Pairs(
        keys=Text(validate=QUALIFIED),
        values=Text(validate=LABEL_VALUE),
        required=True,
        least=1,
        most=MOST_LABELS,
    )
    ports = Items(
        Nested(PortSchema()),
        required=True,
        validate=validate.Length(1, MOST_PORTS, error=f"There are 1-{MOST_PORTS} ports."),
    )
    lifetime = Duration(
        load_default=None,
        metadata={"description": "How long it is needed: 72h, 1h30m, P3D or PT72H; at most ten years."},
    )
    justification = Text(required=True, validate=[validate.Length(1, 2000), _not_blank])
    not_before = Instant(load_default=None)
    replace = Switch(load_default=False)
    external_traffic_policy = Choice("Cluster", "Local", load_default=None)
    internal_traffic_policy = Choice("Cluster", "Local", load_default=None)
    session_affinity = Choice("None", "ClientIP", load_default=None)
    ip_family_policy = Choice("SingleStack", "PreferDualStack", "RequireDualStack", load_default=None)
    load_balancer = Nested(LoadBalancerSchema(), load_default=None)

    @validates_schema(skip_on_field_errors=False)
    def _check_whole(self, spec: Mapping[str, Any], **_: Any) -> None:
        """Judge the fields together, those that could be read."""
        if faults := spec_faults(spec):
            raise ValidationError(faults)


class MetadataRequestSchema(Closed):
    cluster = Text(required=True, validate=validate.Length(1, 63))
    namespace = Text(required=True, validate=DNS_LABEL)
    name = Text(required=True, validate=SERVICE_NAME)
    team = Text(required=True, validate=validate.Length(1, 63))


class ExposureRequestSchema(Closed):
    metadata = Nested(MetadataRequestSchema(), required=True)
    spec = Nested(SpecSchema(), required=True)


class AdoptionRequestSchema(Closed):
    namespace = Text(required=True, validate=DNS_LABEL)
    name = Text(required=True, validate=SERVICE_NAME)
    team = Text(required=True, validate=validate.Length(1, 63))
    lifetime = Duration(
        load_default=None,
        metadata={"description": "How long it is needed, from the adoption on; as in an exposure's spec."},
    )
    justification = Text(required=True, validate=[validate.Length(1, 2000), _not_blank])


class ExposurePatchSchema(Closed):
    spec = Pairs(
        required=True,
        most=32,
        metadata={"description": "A merge patch (RFC 7396) of `spec`: null takes a field out."},
    )


class PatchedSchema(Closed):
    """What a merge patch has made of an exposure."""

    spec = Nested(SpecSchema(), required=True)


class RenewalRequestSchema(Closed):
    justification = Text(
        load_default=None,
        validate=[validate.Length(1, 2000), _not_blank],
        metadata={"description": "Left out: as before."},
    )


class DriftRequestSchema(Closed):
    action = Choice("revert", "adopt", required=True)


class DifferenceQuerySchema(Closed):
    against = Text(
        validate=Pattern("base|[1-9][0-9]{0,8}", "revision's number, or base"),
        load_default="base",
        metadata={"description": "Another revision's number; left out: the base."},
    )


class BreakGlassRequestSchema(Closed):
    digest = Text(required=True, validate=DIGEST)
    incident = Text(required=True, validate=[validate.Length(1, 200), _not_blank])
    reason = Text(required=True, validate=[validate.Length(1, 2000), _not_blank])
    duration = Duration(
        required=True,
        validate=validate.Range(max=86_400, error="Break-glass lasts at most 24 hours."),
        metadata={"description": "Until it has to be reviewed, else it goes: at most 24h."},
    )


class FreezeRequestSchema(Closed):
    begins_at = Instant(required=True)
    ends_at = Instant(required=True)
    reason = Text(required=True, validate=[validate.Length(1, 2000), _not_blank])


class PolicyRequestSchema(Schema):
    """Read by the policies' own reader, which knows its shape and the types of its expressions."""

    class Meta:
        unknown = INCLUDE


class PolicyReviewRequestSchema(Closed):
    verdict = Choice("approve", "reject", required=True)
    comment = Text(load_default=None, validate=validate.Length(max=2000))


class PolicyDraftSchema(Closed):
    document = Pairs(required=True, metadata={"description": "As in PUT, and with its `name`."})


class PolicyWhatIfSchema(PolicyDraftSchema):
    most = Whole(
        load_default=200,
        validate=validate.Range(1, 1000, error="1-1000 requests can be tried."),
        metadata={"description": "So many of the newest requests are tried."},
    )


class ReviewRequestSchema(Closed):
    verdict = Choice("approve", "reject", "comment", required=True)
    digest = Text(required=True, validate=DIGEST)
    comment = Text(load_default=None, validate=validate.Length(max=2000))


class PageQuerySchema(Closed):
    page_size = PageSize(
        load_default=50,
        metadata={"minimum": 1, "description": "At most 200; a larger one is taken as 200."},
    )
    page_token = Text(metadata={"description": "next_page_token of the page before."})


class ExposureQuerySchema(PageQuerySchema):
    cluster = Text()
    namespace = Text()
    name = Text()
    team = Text()
    awaiting_review_by = Choice("me", metadata={"description": "Those with an empty seat that you may fill."})
    compliant = Choice("true", "false", metadata={"description": "false: a deny rule matches what is live."})


class NodePortMapQuerySchema(Closed):
    state = Choice(*STATES, metadata={"description": "Runs of this state alone."})
    team = Text(metadata={"description": "Runs of this team alone."})


class QuotaQuerySchema(Closed):
    cluster = Text(metadata={"description": "This cluster alone."})


class ReservationRequestSchema(Closed):
    first = Whole(required=True, validate=PORT_NUMBER)
    last = Whole(required=True, validate=PORT_NUMBER)
    team = Text(
        load_default=None,
        validate=validate.Length(1, 63),
        metadata={"description": "Whose numbers they are; left out: the platform's own."},
    )
    reason = Text(required=True, validate=[validate.Length(1, 2000), _not_blank])
    until = Instant(load_default=None, metadata={"description": "When it ends by itself."})
