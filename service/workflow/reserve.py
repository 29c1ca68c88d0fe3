"""The platform keeps ranges of node ports for itself or for a team. Everybody who is known may read them."""

from sqlalchemy.orm import Session

from service.domain.errors import BadPageToken, Fault, Invalid, NotFound
from service.domain.identifiers import NAME, NAME_IN_WORDS
from service.domain.reservation import Reservation
from service.store import identities
from service.store import reservations as rows
from service.workflow.act import Act
from service.workflow.govern import check_platform
from service.workflow.read import Page, PageRequest, page_of


def put_reservation(session: Session, wanted: Reservation, act: Act) -> tuple[Reservation, bool]:
    """Make a reservation, or change the one of that name; return it, and whether it is new.

    Who has a number of the range keeps it: a reservation says who may be given one from now on.

    Raises:
        Forbidden: only the platform may.
        NotFound: no such cluster.
        Invalid: name, range, team or end is none; each with its pointer.
    """
    check_platform(act)
    cluster = identities.cluster(session, wanted.cluster)
    if cluster is None:
        raise NotFound(f"There is no cluster {wanted.cluster!r}.")
    faults = []
    if not NAME.fullmatch(wanted.name):
        detail = f"{wanted.name!r} is no reservation name: {NAME_IN_WORDS}."
        faults.append(Fault("#/name", detail))
    if wanted.first > wanted.last:
        faults.append(Fault("#/last", f"A range ends where it begins or above: {wanted.last} is below."))
    elif wanted.last < cluster.pool.first or cluster.pool.last < wanted.first:
        detail = (
            f"Cluster {wanted.cluster} gives out node ports {cluster.pool}; none of them is in this range."
        )
        faults.append(Fault("#/first", detail))
    if wanted.team is not None and identities.unknown_teams(session, frozenset({wanted.team})):
        faults.append(Fault("#/team", f"There is no team {wanted.team!r}."))
    if wanted.is_over(act.now):
        faults.append(Fault("#/until", "The end of a reservation lies in the future."))
    if faults:
        raise Invalid(faults)
    return rows.put(session, wanted)


def delete_reservation(session: Session, cluster: str, name: str, act: Act) -> None:
    """Take a reservation out: its numbers may be given to everybody again.

    Raises:
        Forbidden: only the platform may.
        NotFound: there is none of that name.
    """
    check_platform(act)
    if not rows.remove(session, cluster, name):
        raise NotFound(f"Cluster {cluster!r} has no reservation {name!r}.")


def reservation(session: Session, cluster: str, name: str) -> Reservation:
    """Return a reservation.

    Raises:
        NotFound: there is none of that name.
    """
    found = rows.get(session, cluster, name)
    if found is None:
        raise NotFound(f"Cluster {cluster!r} has no reservation {name!r}.")
    return found


def reservations(session: Session, cluster: str, page: PageRequest) -> Page[Reservation]:
    """Return the reservations of a cluster by name, those that are over too.

    Raises:
        NotFound: no such cluster.
        BadPageToken: a position of another list.
    """
    if identities.cluster(session, cluster) is None:
        raise NotFound(f"There is no cluster {cluster!r}.")
    if page.after is not None and len(page.after) != 1:
        raise BadPageToken("This page token was not made by this list.")
    found = rows.page(session, cluster, page.after[0] if page.after else "", page.size + 1)
    return page_of(found, page.size, (found[: page.size][-1].name,) if found else ())
