"""Errors of the port ledger: whose a port is, for whom it is kept, what a pool or a quota has left."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from service.domain.errors.base import Conflict, Forbidden
from service.domain.ports import PoolUsage
from service.domain.reservation import Reservation


@dataclass(frozen=True, slots=True)
class PortOwner:
    """Who holds a node port: every authenticated principal may read it. A foreign Service has no ``team``."""

    team: str | None
    namespace: str
    name: str

    def document(self) -> dict[str, str | None]:
        """Return ``{team, namespace, name}``."""
        return {"team": self.team, "namespace": self.namespace, "name": self.name}


class QuotaExceeded(Forbidden):
    """``domain.quota.check`` says what, in words and in facts."""

    code = "quota-exceeded"

    def __init__(self, detail: str, facts: Mapping[str, object]) -> None:
        super().__init__(detail)
        self._facts = facts

    @property
    def facts(self) -> Mapping[str, object]:
        return self._facts


class NodePortTaken(Conflict):
    code = "node-port-taken"

    def __init__(self, port: int, owner: PortOwner, state: str, until: datetime | None, pointer: str) -> None:
        whose = f" of team {owner.team}" if owner.team else " (not made by us)"
        who = f"{owner.namespace}/{owner.name}{whose}"
        when = f" until {until:%Y-%m-%dT%H:%M:%SZ}" if until else ""
        super().__init__(
            f"Node port {port} belongs to {who} ({state}{when}). "
            "Leave node_port out and a free one is chosen for you."
        )
        self.port, self.owner, self.state, self.until, self.pointer = port, owner, state, until, pointer

    @property
    def facts(self) -> Mapping[str, object]:
        return {
            "port": self.port,
            "owner": self.owner.document(),
            "state": self.state,
            "until": self.until,
            "errors": [{"pointer": self.pointer, "detail": str(self), "code": self.code}],
        }


class NodePortReserved(Conflict):
    """``team`` None: the platform keeps it for itself."""

    code = "node-port-reserved"

    def __init__(self, port: int, rule: Reservation, pointer: str) -> None:
        whom = f"team {rule.team}" if rule.team else "the platform"
        when = f" until {rule.until:%Y-%m-%dT%H:%M:%SZ}" if rule.until else ""
        super().__init__(
            f"Node port {port} is kept for {whom}{when} by reservation {rule.name} ({rule.reason}). "
            "Leave node_port out and a free one is chosen for you, or ask the platform."
        )
        self.port, self.rule, self.pointer = port, rule, pointer

    @property
    def facts(self) -> Mapping[str, object]:
        rule = self.rule
        return {
            "port": self.port,
            "reservation": rule.name,
            "team": rule.team,
            "reason": rule.reason,
            "until": rule.until,
            "errors": [{"pointer": self.pointer, "detail": str(self), "code": self.code}],
        }


class PoolExhausted(Conflict):
    code = "pool-exhausted"

    def __init__(self, cluster: str, wanted: int, usage: PoolUsage) -> None:
        taken = ", ".join(f"{count} {state}" for state, count in sorted(usage.by_state.items())) or "none"
        kept = f", {usage.reserved} of the free ones kept for others" if usage.reserved else ""
        free_at = usage.next_free_at
        when = f" The next one has cooled at {free_at:%Y-%m-%dT%H:%M:%SZ}." if free_at else ""
        super().__init__(
            f"Cluster {cluster} has no {wanted} free node port(s) left ({taken}{kept}).{when} "
            "Delete an exposure that is not needed, or use type LoadBalancer or ClusterIP."
        )
        self.cluster, self.wanted, self.usage = cluster, wanted, usage

    @property
    def next_free_at(self) -> datetime | None:
        """Return when the next port has cooled; None: none is cooling."""
        return self.usage.next_free_at

    @property
    def facts(self) -> Mapping[str, object]:
        return {
            "cluster": self.cluster,
            "wanted": self.wanted,
            "counts": dict(self.usage.by_state),
            "teams": dict(self.usage.by_team),
            "reserved": self.usage.reserved,
            "next_free_at": self.usage.next_free_at,
        }
