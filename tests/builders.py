"""Values for tests: one valid exposure of a NodePort, every field of which can be overridden by keyword.

They fit together: ``make_record()`` is a live exposure, ``make_desired()`` what the ledger wants of it, and
``make_service()`` the Service that a cluster has for it.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from service.domain.claim import ClaimState, PortClaim
from service.domain.exposure import (
    Allocation,
    ClusterView,
    Decision,
    Exposure,
    ExposureRecord,
    Intent,
    Metadata,
    NodePort,
    PortOrigin,
    Revision,
    Sync,
    SyncState,
)
from service.domain.manifest import digest, render, with_mark, with_ports
from service.domain.plan import Desired, Observed, Ref
from service.domain.principal import Principal, PrincipalKind, Role
from service.domain.spec import Document, ExposureType, ServicePort, Spec

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
EARLIER = NOON - timedelta(hours=1)
LATER = NOON + timedelta(hours=1)

EXPOSURE_ID = UUID(int=7)
METADATA = Metadata(cluster="dev", namespace="team-a", name="hello", team="team-a")
REF = Ref("team-a", "hello")
UID = "uid-1"
TOKEN = "token-1"
NUMBER = 30007

FILLED_IN: Document = {
    "clusterIP": "10.0.0.9",
    "clusterIPs": ["10.0.0.9"],
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "sessionAffinity": "None",
    "internalTrafficPolicy": "Cluster",
}
"""What a cluster fills into a Service by itself."""


def make_principal(person: str = "eve", *roles: Role, **fields: Any) -> Principal:
    """Return a person; without roles an approver."""
    defaults: dict[str, Any] = {"kind": PrincipalKind.PERSON, "roles": frozenset(roles or {Role.APPROVER})}
    return Principal(person=person, **(defaults | fields))


def make_port(**fields: Any) -> ServicePort:
    """Return port 80 named http."""
    defaults: dict[str, Any] = {"name": "http", "port": 80, "target_port": "http"}
    return ServicePort(**(defaults | fields))


def make_spec(**fields: Any) -> Spec:
    """Return a NodePort specification that asks for ``NUMBER``; any other type asks for none."""
    is_node_port = fields.get("type", ExposureType.NODE_PORT) is ExposureType.NODE_PORT
    defaults: dict[str, Any] = {
        "type": ExposureType.NODE_PORT,
        "selector": {"app": "hello"},
        "ports": (make_port(node_port=NUMBER if is_node_port else None),),
        "justification": "product demo on Thursday",
        "lifetime": 259_200,
    }
    return Spec(**(defaults | fields))


def make_allocation(spec: Spec) -> Allocation:
    """Return the node ports that a specification asks for."""
    return Allocation(tuple(NodePort(p.node_port, PortOrigin.ASKED) for p in spec.ports if p.node_port))


def make_revision(spec: Spec | None = None, metadata: Metadata = METADATA, **fields: Any) -> Revision:
    """Return revision 1, live; manifest, digest and asked ports follow from the specification."""
    spec = spec or make_spec()
    manifest = render(metadata, spec)
    defaults: dict[str, Any] = {
        "exposure_id": EXPOSURE_ID,
        "number": 1,
        "manifest": manifest,
        "digest": digest(metadata, spec, manifest),
        "allocation": make_allocation(spec),
        "decision": Decision.LIVE,
        "requested_by": {"kind": "person", "person": "ann", "acted_for": None},
        "request_id": "request-1",
        "created_at": EARLIER,
        "decided_at": None if fields.get("decision") is Decision.PENDING else NOON,
    }
    return Revision(spec=spec, **(defaults | fields))


def make_exposure(**fields: Any) -> Exposure:
    """Return an exposure that is to be present."""
    defaults: dict[str, Any] = {
        "id": EXPOSURE_ID,
        "metadata": METADATA,
        "intent": Intent.PRESENT,
        "generation": 1,
        "change_count": 1,
        "created_at": EARLIER,
    }
    return Exposure(**(defaults | fields))


def make_sync(**fields: Any) -> Sync:
    """Return the worker's knowledge of revision 1 in sync, with one ready endpoint."""
    defaults: dict[str, Any] = {
        "state": SyncState.IN_SYNC,
        "revision": 1,
        "uid": UID,
        "ready_endpoints": 1,
        "changed_at": NOON,
        "ready_changed_at": NOON,
    }
    return Sync(**(defaults | fields))


def make_claim(**fields: Any) -> PortClaim:
    """Return ``NUMBER`` bound to the exposure."""
    defaults: dict[str, Any] = {
        "cluster": METADATA.cluster,
        "port": NUMBER,
        "state": ClaimState.BOUND,
        "team": METADATA.team,
        "namespace": METADATA.namespace,
        "name": METADATA.name,
        "exposure_id": EXPOSURE_ID,
        "reason": "product demo on Thursday",
        "until": None,
        "changed_at": NOON,
    }
    return PortClaim(**(defaults | fields))


def make_record(*revisions: Revision, **fields: Any) -> ExposureRecord:
    """Return an exposure with these revisions, by default a live one; it claims what they are allocated."""
    revisions = revisions or (make_revision(),)
    numbers = sorted({number for revision in revisions for number in revision.allocation.numbers()})
    defaults: dict[str, Any] = {
        "exposure": make_exposure(generation=revisions[-1].number),
        "sync": make_sync(),
        "claims": tuple(make_claim(port=number) for number in numbers),
        "view": ClusterView(node_addresses=("192.0.2.10",), seen_at=NOON),
    }
    return ExposureRecord(revisions=revisions, **(defaults | fields))


def make_manifest(spec: Spec | None = None) -> Document:
    """Return a complete manifest without the mark."""
    spec = spec or make_spec()
    return with_ports(render(METADATA, spec), make_allocation(spec))


def make_desired(**fields: Any) -> Desired:
    """Return the wish for revision 1, live and in sync."""
    defaults: dict[str, Any] = {
        "exposure_id": EXPOSURE_ID,
        "revision": 1,
        "digest": make_revision().digest,
        "manifest": make_manifest(),
        "sync_state": SyncState.IN_SYNC,
        "sync_revision": 1,
        "is_live": True,
        "uid": UID,
        "create_tokens": (),
        "tried_aim": None,
        "next_attempt_at": None,
        "asked_ports": frozenset({NUMBER}),
        "request_id": "request-1",
    }
    return Desired(**(defaults | fields))


def make_wish(**fields: Any) -> Desired:
    """Return the wish for revision 1, approved and never sent."""
    unsent = {"sync_state": SyncState.NONE, "sync_revision": None, "is_live": False, "uid": None}
    return make_desired(**(unsent | fields))


def make_service(want: Desired | None = None, token: str = TOKEN, **metadata: Any) -> Document:
    """Return the Service of a wish as a cluster stores it; None for a metadata field leaves it out.

    Raises:
        ValueError: nothing is wished for.
    """
    want = want or make_desired()
    if want.manifest is None:
        raise ValueError("a wish for nothing has no Service")
    sent = with_mark(want.manifest, want.marked(token))
    filled_in = dict(FILLED_IN)
    if sent["spec"]["type"] != "ClusterIP":
        filled_in["externalTrafficPolicy"] = "Cluster"
    all_metadata = {**sent["metadata"], "uid": UID, "resourceVersion": "41", **metadata}
    return {
        **sent,
        "metadata": {name: value for name, value in all_metadata.items() if value is not None},
        "spec": filled_in | sent["spec"],
        "status": {"loadBalancer": {}},
    }


def make_observed(want: Desired | None = None, token: str = TOKEN, **metadata: Any) -> Observed:
    """Return the same, observed."""
    return Observed(make_service(want, token, **metadata))


def make_foreign(ref: Ref = REF, **metadata: Any) -> Observed:
    """Return somebody else's Service."""
    bare = {"namespace": ref.namespace, "name": ref.name, "uid": "uid-foreign", "resourceVersion": "42"}
    spec = {"type": "ClusterIP", "selector": {"app": "other"}, "ports": [{"port": 80, "protocol": "TCP"}]}
    return Observed({"metadata": bare | metadata, "spec": spec, "status": {"loadBalancer": {}}})


def make_endpoint(address: str = "192.0.2.1", ready: bool | None = True, pod: str | None = None) -> Document:
    """Return an endpoint of a slice; ``ready`` None: the apiserver does not say; ``pod``: the pod's uid."""
    endpoint: Document = {"addresses": [address], "conditions": {} if ready is None else {"ready": ready}}
    return endpoint | ({"targetRef": {"kind": "Pod", "uid": pod}} if pod else {})


def make_slice(*endpoints: Document, ref: Ref = REF, **fields: Any) -> Document:
    """Return an EndpointSlice of a Service, by default for its port http."""
    labels = {"kubernetes.io/service-name": ref.name}
    defaults: Document = {
        "metadata": {"namespace": ref.namespace, "name": f"{ref.name}-x", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }
    return defaults | fields


def make_node(
    *addresses: tuple[str, str], name: str = "node-1", ready: str = "True", unschedulable: bool = False
) -> Document:
    """Return a node; an address is ``(type, address)``; ``ready`` is True, False or Unknown."""
    listed = addresses or (("InternalIP", "192.0.2.10"),)
    return {
        "metadata": {"name": name},
        "spec": {"unschedulable": True} if unschedulable else {},
        "status": {
            "addresses": [{"type": kind, "address": address} for kind, address in listed],
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }
