"""What policies judge: a request with all that is known of it, and the variables that expressions see. Pure.

``object`` is what was asked for as the api shows it, made explicit: defaults are filled in, so that a rule
cannot be passed by leaving a field out. docs/policies.md lists the variables; ``SHAPES`` is their one closed
form, by which expressions are checked when a policy is saved.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.domain.exposure import Metadata
from service.domain.principal import Principal
from service.domain.spec import Document, ExposureType, LoadBalancer, ServicePort, Spec

PRODUCTION = "production"
"""What a namespace without an environment counts as."""

NARROWER = ("narrowing", "equal")
"""The kinds of a delta that give nothing to anybody."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """A request for more time alone: whether anything answered behind it, and its time in all, in seconds."""

    endpoints_seen: bool
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A request, or a live exposure that is judged again.

    ``base`` is what a change is compared with, ``delta`` the comparison as JSON: ``{kind, changes}``.
    ``shared``: more than one team has the namespace. ``labels``: the cluster's. ``total``: the time that it
    would have in all, renewals counted, in seconds.
    """

    metadata: Metadata
    spec: Spec
    environment: str | None
    shared: bool
    requester: Principal
    delta: Document
    base: Spec | None = None
    renewal: Renewal | None = None
    total: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)

    def place(self) -> str:
        """Return the environment that counts, in small letters: ``Production`` is production."""
        return (self.environment or PRODUCTION).lower()

    def narrows(self) -> bool:
        """Return whether a change opens nothing that its base has not opened; a renewal opens time."""
        return self.base is not None and self.renewal is None and self.delta.get("kind") in NARROWER

    def variables(self) -> Document:
        """Return what expressions see of it: JSON values alone."""
        wanted = object_of(self.metadata, self.spec)
        return {
            "object": wanted,
            "oldObject": None if self.base is None else object_of(self.metadata, self.base),
            "cluster": {"name": self.metadata.cluster, "labels": dict(self.labels)},
            "namespaceObject": {
                "name": self.metadata.namespace,
                "environment": self.place(),
                "shared": self.shared,
            },
            "requester": person_of(self.requester),
            "delta": self.delta,
            "risk": risk_of(wanted, self.place()),
        }


def object_of(metadata: Metadata, spec: Spec) -> Document:
    """Return a request as ``object``: every field is there, a default in the place of what was left out."""
    document = spec.document()
    for port in document["ports"]:
        if port["target_port"] is None:
            port["target_port"] = port["port"]
    if document["load_balancer"] is None:
        document["load_balancer"] = _NO_LOAD_BALANCER
    return {
        "metadata": {
            "cluster": metadata.cluster,
            "namespace": metadata.namespace,
            "name": metadata.name,
            "team": metadata.team,
        },
        "spec": document,
    }


def person_of(principal: Principal) -> Document:
    """Return a principal as ``requester`` and ``reviewer``."""
    return {
        **principal.document(),
        "teams": sorted(principal.teams),
        "groups": sorted(principal.groups),
        "roles": sorted(role.value for role in principal.roles),
    }


def risk_of(wanted: Mapping[str, Any], environment: str) -> Document:
    """Return ``{score, reasons}``: one point for each reason to look twice, as people read them."""
    reasons = list(_risks(wanted["spec"], environment))
    return {"score": len(reasons), "reasons": reasons}


def _risks(spec: Mapping[str, Any], environment: str) -> Iterator[str]:
    if environment == PRODUCTION:
        yield "it is production"
    if spec["lifetime"] is None:
        yield "it has no end"
    if spec["type"] == ExposureType.NODE_PORT:
        yield "whoever reaches a node reaches it"
    if spec["type"] == ExposureType.LOAD_BALANCER:
        balancer = spec["load_balancer"]
        ranges = balancer["source_ranges"]
        if not ranges or any(source.endswith("/0") for source in ranges):
            yield "its load balancer lets everybody in"
        if balancer["allocate_node_ports"]:
            yield "its node ports go round the source ranges"


_FULL = Spec(
    selector={}, ports=(ServicePort(port=1),), justification="", load_balancer=LoadBalancer()
).document()
_NO_LOAD_BALANCER: Document = _FULL["load_balancer"]

_OBJECT: Document = {
    "metadata": dict.fromkeys(("cluster", "namespace", "name", "team")),
    "spec": {
        **dict.fromkeys(_FULL),
        "ports": [dict.fromkeys(_FULL["ports"][0])],
        "load_balancer": dict.fromkeys(_NO_LOAD_BALANCER),
    },
}
_PERSON = dict.fromkeys(("kind", "person", "acted_for", "teams", "groups", "roles"))

SHAPES: Document = {
    "object": _OBJECT,
    "oldObject": _OBJECT,
    "cluster": {"name": None, "labels": None},
    "namespaceObject": dict.fromkeys(("name", "environment", "shared")),
    "requester": _PERSON,
    "delta": {
        "kind": None,
        "changes": [dict.fromkeys(("pointer", "kind", "reason", "before", "after"))],
    },
    "risk": {"score": None, "reasons": None},
}
"""The variables of a request. An object is closed, a list has items of one shape, None is anything."""

REVIEWER_SHAPES: Document = {"object": _OBJECT, "reviewer": _PERSON}
"""The variables of a filter over reviewers: what is stored with the revision, and who reviews."""
