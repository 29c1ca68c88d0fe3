"""From the ledger's values to the documents that schemas write out."""

from dataclasses import asdict

from service.domain.claim import PortClaim
from service.domain.port_map import PortMap, selected
from service.domain.quota import QuotaStatus, Usage
from service.domain.spec import Document
from service.workflow.adopt import Shown
from service.workflow.read import PortStatus


def claim_document(claim: PortClaim) -> Document:
    """Return a claim as anyone may read it: the exposure behind it stays out."""
    return {
        "port": claim.port,
        "state": claim.state.value,
        "owner": {"team": claim.team, "namespace": claim.namespace, "name": claim.name},
        "reason": claim.reason,
        "until": claim.until,
    }


def port_document(status: PortStatus) -> Document:
    """Return what the ledger says about one number, now and before."""
    return {
        "port": status.port,
        "state": status.state,
        "owner": status.owner and status.owner.document(),
        "reason": status.reason,
        "since": status.since,
        "until": status.until,
        "reserved_for": next(iter(status.reserved_for), None),
        "history": status.history,
        "has_more_history": status.has_more_history,
    }


def port_map_document(whole: PortMap, state: str | None, team: str | None) -> Document:
    """Return the port map; ``state`` and ``team`` choose among its runs."""
    return {
        "cluster": whole.cluster,
        "first": whole.pool.first,
        "last": whole.pool.last,
        "counts": whole.counts(),
        "bands": whole.bands,
        "runs": list(selected(whole.runs, state, team)),
        "outside": whole.outside,
    }


def adoption_document(shown: Shown) -> Document:
    """Return a request to adopt a Service, and what comes next."""
    adoption = shown.adoption
    metadata = adoption.metadata
    return {
        "id": adoption.id,
        "cluster": metadata.cluster,
        "namespace": metadata.namespace,
        "name": metadata.name,
        "team": metadata.team,
        "lifetime": adoption.lifetime,
        "justification": adoption.justification,
        "requested_by": adoption.requested_by,
        "state": adoption.state.value,
        "message": shown.message,
        "faults": list(map(asdict, adoption.faults)),
        "uid": adoption.uid,
        "service": adoption.service,
        "exposure_id": adoption.exposure_id,
        "created_at": adoption.created_at,
        "updated_at": adoption.updated_at,
    }


def quota_document(status: QuotaStatus) -> Document:
    """Return a team's quota in one cluster: of each kind what is used, what is held and the limit."""

    def amount(usage: Usage, limit: int | None) -> Document:
        return {"used": usage.used, "held": usage.held, "limit": limit}

    return {
        "cluster": status.cluster,
        "exposures": amount(status.exposures, status.limits.exposures),
        "node_ports": amount(status.node_ports, status.limits.node_ports),
        "load_balancers": amount(status.load_balancers, status.limits.load_balancers),
        "longest_lifetime": status.limits.longest_lifetime,
    }
