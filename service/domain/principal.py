"""Who acts: a person, a service account, or one of our own parts, and what it may do."""

from dataclasses import dataclass
from enum import StrEnum

from service.domain.spec import Document


class PrincipalKind(StrEnum):
    """What sort of actor it is."""

    PERSON = "person"
    SERVICE_ACCOUNT = "service_account"
    POLICY = "policy"
    CLOCK = "clock"
    WORKER = "worker"


class Role(StrEnum):
    """What somebody may do."""

    REQUESTER = "requester"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"
    BREAK_GLASS = "break-glass"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. ``person`` names the person or the service account; persons are compared, tokens never."""

    kind: PrincipalKind
    person: str
    acted_for: str | None = None
    teams: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    roles: frozenset[Role] = frozenset()

    def sees_all(self) -> bool:
        """Return whether every team's exposures are visible: to approvers, auditors and the platform."""
        return bool(self.roles & {Role.APPROVER, Role.AUDITOR, Role.ADMIN})

    def document(self) -> Document:
        """Return ``{kind, person, acted_for}``: what events and revisions keep of a principal."""
        return {"kind": self.kind.value, "person": self.person, "acted_for": self.acted_for}
