"""What a team may have in a cluster, and what it has."""

from dataclasses import fields

from sqlalchemy.orm import Session

from service.domain.errors import Fault, Invalid, NotFound
from service.domain.principal import Principal
from service.domain.quota import Limits, QuotaStatus, status
from service.store import identities, quotas

LARGEST = 2**31 - 1


def team_quota(session: Session, team: str, cluster: str | None, principal: Principal) -> list[QuotaStatus]:
    """Return limits and usage of a team in each cluster where it has a namespace or limits, by name.

    Args:
        cluster: this one alone; None: all.

    Raises:
        NotFound: there is no such team, or it is not yours to see.
    """
    yours = team in principal.teams or principal.sees_all()
    if not yours or identities.unknown_teams(session, frozenset({team})):
        raise NotFound(f"There is no team {team!r} that you may see.")
    return [
        status(team, name, quotas.get(session, team, name), quotas.consumers(session, team, name))
        for name in quotas.clusters_of(session, team)
        if cluster in (None, name)
    ]


def set_quota(session: Session, team: str, cluster: str, limits: Limits) -> None:
    """Set what a team may have in a cluster; what it has already stays, also when it is more.

    Raises:
        Invalid: team or cluster is unknown, or a limit is none.
    """
    faults = []
    if identities.unknown_teams(session, frozenset({team})):
        faults.append(Fault("#/team", f"There is no team {team!r}. Add it first: wharfinger team add {team}"))
    if identities.cluster(session, cluster) is None:
        faults.append(Fault("#/cluster", f"There is no cluster {cluster!r}."))
    for field in fields(Limits):
        limit, least = getattr(limits, field.name), int(field.name == "longest_lifetime")
        if limit is not None and not least <= limit <= LARGEST:
            faults.append(Fault(f"#/{field.name}", f"A limit is a number of {least} or more, not {limit}."))
    if faults:
        raise Invalid(faults)
    quotas.put(session, team, cluster, limits)
