"""Everything that can be looked at, and by whom. What you may not see does not exist for you."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.claim import PortClaim
from service.domain.errors import BadPageToken, NotFound, PortOwner
from service.domain.event import Event
from service.domain.exposure import ExposureRecord, Review, Revision
from service.domain.history import Tenure
from service.domain.manifest import with_ports
from service.domain.principal import Principal, Role
from service.domain.reservation import Reservation
from service.domain.review import folded
from service.domain.spec import Document
from service.store import events as event_rows
from service.store import exposures as exposure_rows
from service.store import identities, port_history, ports, reservations
from service.store import reviews as reviews_rows

T = TypeVar("T")

TENURES = 50
"""So much of a port's past is shown with it; ``tenures`` has all of it, page by page."""

MOST_PORT, MOST_EVENT = 2**16, 2**63 - 1
"""Positions beyond are in no list; PostgreSQL could not even compare them."""


@dataclass(frozen=True, slots=True)
class ExposureFilter:
    """Plain equality filters; None: any.

    ``awaits_me``: those with a pending revision that the caller could review. ``is_compliant``: whether no
    deny rule matches what is live.
    """

    cluster: str | None = None
    namespace: str | None = None
    name: str | None = None
    team: str | None = None
    awaits_me: bool = False
    is_compliant: bool | None = None

    def equal(self) -> dict[str, str]:
        """Return the filters that are set, by name."""
        named = {"cluster": self.cluster, "namespace": self.namespace, "name": self.name, "team": self.team}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many rows, and the keyset position of the last one seen (strings, as the page token keeps them)."""

    size: int
    after: tuple[str, ...] | None

    def before(self) -> tuple[datetime, UUID] | None:
        """Return the position in a list that goes from new to old, None at its begin.

        Raises:
            BadPageToken: it is a position of another list.
        """
        if self.after is None:
            return None
        try:
            return datetime.fromisoformat(self.after[0]), UUID(self.after[1])
        except (ValueError, IndexError) as error:
            raise BadPageToken("This page token was not made by this list.") from error


def position_of(created_at: datetime, row_id: UUID) -> tuple[str, ...]:
    """Return the position of a row in a list that goes from new to old, as ``before`` reads it."""
    return created_at.isoformat(), str(row_id)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the position to go on from; None: this was the last page."""

    items: tuple[T, ...]
    next: tuple[str, ...] | None


def page_of(rows: list[T], size: int, position: tuple[str, ...]) -> Page[T]:
    """Return the page of ``size`` rows; one row more was read to know whether there is another page."""
    more = len(rows) > size
    return Page(tuple(rows[:size]), position if more else None)


def check_visible(record: ExposureRecord | None, principal: Principal) -> None:
    """Hide other teams' exposures from those who do not see all.

    Raises:
        NotFound: there is none, or it is not yours to see.
    """
    if record is None or not (principal.sees_all() or record.exposure.metadata.team in principal.teams):
        raise NotFound("There is no such exposure that you may see.")


def exposure(session: Session, exposure_id: UUID, principal: Principal) -> ExposureRecord:
    """Return one exposure.

    Raises:
        NotFound: see ``check_visible``.
    """
    record = exposure_rows.get(session, exposure_id)
    check_visible(record, principal)
    assert record is not None
    return record


def exposures(
    session: Session, principal: Principal, wanted: ExposureFilter, page: PageRequest
) -> Page[ExposureRecord]:
    """Return the exposures that this caller may see, newest first."""
    before = page.before()
    teams = None if principal.sees_all() else principal.teams
    also = []
    if wanted.awaits_me:
        if Role.APPROVER not in principal.roles:
            return Page((), None)
        also.append(reviews_rows.awaited_from(folded(principal.person), principal.groups))
    if wanted.is_compliant is not None:
        also.append(exposure_rows.is_compliant(wanted.is_compliant))
    rows = exposure_rows.page(session, wanted.equal(), teams, before, page.size + 1, also)
    last = rows[: page.size][-1].exposure if rows else None
    return page_of(rows, page.size, position_of(last.created_at, last.id) if last else ())


def revision(session: Session, exposure_id: UUID, number: int, principal: Principal) -> Revision:
    """Return one revision.

    Raises:
        NotFound: no such exposure for this caller, or no such revision.
    """
    record = exposure(session, exposure_id, principal)
    found = next((revision for revision in record.revisions if revision.number == number), None)
    if found is None:
        raise NotFound(f"Exposure {exposure_id} has no revision {number}.")
    return found


def compared(
    session: Session, exposure_id: UUID, number: int, against: int | None, principal: Principal
) -> tuple[Revision, Revision | None]:
    """Return a revision and another one: by its number, or with None the base, if it has one.

    Raises:
        NotFound: no such exposure for this caller, or no such revision.
    """
    found = revision(session, exposure_id, number, principal)
    wanted = against if against is not None else found.base
    return found, None if wanted is None else revision(session, exposure_id, wanted, principal)


def reviews(session: Session, exposure_id: UUID, number: int, principal: Principal) -> list[Review]:
    """Return what was said about a revision, oldest first, what counts no more too.

    Raises:
        NotFound: no such exposure for this caller, or no such revision.
    """
    revision(session, exposure_id, number, principal)
    record = exposure(session, exposure_id, principal)
    return [review for review in record.reviews if review.revision == number]


def manifest(session: Session, exposure_id: UUID, principal: Principal) -> Document:
    """Return the Service of the revision that ``spec`` shows, every node port stated.

    The owner mark is added when it is sent.

    Raises:
        NotFound: see ``check_visible``.
    """
    shown = exposure(session, exposure_id, principal).shown()
    return with_ports(shown.manifest, shown.allocation)


def events(session: Session, exposure_id: UUID, principal: Principal, page: PageRequest) -> Page[Event]:
    """Return what happened to an exposure, oldest first.

    Raises:
        NotFound: see ``check_visible``.
    """
    exposure(session, exposure_id, principal)
    rows = event_rows.of_exposure(session, exposure_id, _number(page.after, MOST_EVENT), page.size + 1)
    return page_of(rows, page.size, (str(rows[: page.size][-1].seq),) if rows else ())


def node_ports(session: Session, cluster: str, page: PageRequest, now: datetime) -> Page[PortClaim]:
    """Return the claims of a cluster by number; every authenticated principal may.

    Raises:
        NotFound: no such cluster.
    """
    _cluster(session, cluster)
    rows = ports.page(session, cluster, _number(page.after, MOST_PORT), page.size + 1, now)
    rows = ports.with_ends(session, rows)
    return page_of(rows, page.size, (str(rows[: page.size][-1].port),) if rows else ())


def _number(after: tuple[str, ...] | None, most: int) -> int:
    if after is None:
        return 0
    known = len(after) == 1 and re.fullmatch("[0-9]{1,19}", after[0]) is not None
    if not known or int(after[0]) > most:
        raise BadPageToken("This page token was not made by this list.")
    return int(after[0])


@dataclass(frozen=True, slots=True)
class PortStatus:
    """What the ledger says about one number; ``state`` is a claim's state or ``free``.

    ``reserved_for`` are the rules that cover the number now; ``history`` is who had it before, newest first.
    ``has_more_history``: it goes further back.
    """

    port: int
    state: str
    owner: PortOwner | None = None
    reason: str | None = None
    until: datetime | None = None
    since: datetime | None = None
    reserved_for: tuple[Reservation, ...] = ()
    history: tuple[Tenure, ...] = ()
    has_more_history: bool = False


def node_port(session: Session, cluster: str, port: int, principal: Principal, now: datetime) -> PortStatus:
    """Return who owns a port, why and until when, and who did; every authenticated principal may.

    The exposures behind it stay hidden from strangers.

    Raises:
        NotFound: no such cluster, or a number that is outside its range and that nobody has or had.
    """
    past = tenures(session, cluster, port, principal, PageRequest(TENURES, None))
    claim = ports.get(session, cluster, port)
    rules = tuple(rule for rule in reservations.holding(session, cluster, now) if port in rule)
    told = PortStatus(
        port, "free", reserved_for=rules, history=past.items, has_more_history=past.next is not None
    )
    if claim is None or claim.is_over(now):
        return told
    [claim] = ports.with_ends(session, [claim])
    owner, state = PortOwner(claim.team, claim.namespace, claim.name), claim.state.value
    return replace(told, state=state, owner=owner, reason=claim.reason, until=claim.until, since=claim.since)


def tenures(
    session: Session, cluster: str, port: int, principal: Principal, page: PageRequest
) -> Page[Tenure]:
    """Return who had a port, newest first; every authenticated principal may.

    Raises:
        NotFound: see ``node_port``.
    """
    pool = _cluster(session, cluster).pool
    before = None if page.after is None else _number(page.after, MOST_EVENT)
    rows = port_history.of_port(session, cluster, port, page.size + 1, before)
    if port not in pool and not rows and before is None and ports.get(session, cluster, port) is None:
        raise NotFound(f"Cluster {cluster} gives out node ports {pool}; {port} is none of them.")
    seen = [_seen(tenure, principal) for tenure in rows]
    return page_of(seen, page.size, (str(rows[: page.size][-1].id),) if rows else ())


def _seen(tenure: Tenure, principal: Principal) -> Tenure:
    """Return a tenure as somebody may see it."""
    yours = principal.sees_all() or tenure.owner.team in principal.teams
    return tenure if yours else replace(tenure, exposure_id=None)


def _cluster(session: Session, name: str) -> identities.Cluster:
    cluster = identities.cluster(session, name)
    if cluster is None:
        raise NotFound(f"There is no cluster {name!r}.")
    return cluster
