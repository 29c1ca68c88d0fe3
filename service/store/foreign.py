"""Node ports that Services have which Wharfinger did not make: seen in the cluster, written into the ledger.

The import is one statement, whatever the cluster's size, and it writes only what has changed. It locks the
rows ascending like everybody, so it waits for the requests that are about to take one of the numbers, and
then takes it from them: the cluster is the judge of who has a port.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select, text
from sqlalchemy.orm import Session

from service.domain.claim import ClaimState, PortClaim
from service.domain.history import Ending
from service.store import tables as t
from service.store.port_history import ending
from service.store.ports import Taker
from service.store.rows import claim_of

REASON = "A Service of the cluster that Wharfinger did not make."

OWN = (ClaimState.HELD.value, ClaimState.BOUND.value)
"""The states in which a number is an exposure's."""

ADD_ROWS = text("""
    INSERT INTO port_claim (cluster, port, state, changed_at)
    SELECT :cluster, port, 'free', :now FROM unnest(CAST(:ports AS integer[])) AS seen (port)
    WHERE NOT EXISTS (SELECT FROM port_claim WHERE cluster = :cluster AND port_claim.port = seen.port)
    ON CONFLICT ON CONSTRAINT port_claim_pkey DO NOTHING
""")
"""A Service may have a number that the pool does not cover."""

IMPORT = text("""
    WITH seen AS (
        SELECT * FROM unnest(CAST(:ports AS integer[]), CAST(:namespaces AS text[]), CAST(:names AS text[]))
            AS seen (port, namespace, name)
    ), changed AS MATERIALIZED (
        SELECT claim.*, seen.namespace AS new_namespace, seen.name AS new_name
        FROM port_claim AS claim LEFT JOIN seen ON seen.port = claim.port
        WHERE claim.cluster = :cluster AND CASE
            WHEN seen.port IS NULL THEN claim.state = 'foreign'
            WHEN claim.state = 'foreign' THEN (claim.namespace, claim.name) <> (seen.namespace, seen.name)
            ELSE claim.state <> 'bound'
        END
        ORDER BY claim.port FOR UPDATE OF claim
    ), kept AS (
        INSERT INTO port_history (cluster, port, state, team, namespace, name, exposure_id, reason,
            began_at, ended_at, ending, thief_namespace, thief_name)
        SELECT cluster, port, state, team, namespace, name, exposure_id, reason,
            CASE WHEN state = 'cooling' THEN changed_at ELSE coalesce(since, changed_at) END, :now,
            CASE WHEN state = 'foreign' THEN 'gone' ELSE 'lost' END,
            CASE WHEN state <> 'foreign' THEN new_namespace END,
            CASE WHEN state <> 'foreign' THEN new_name END
        FROM changed WHERE state IN ('held', 'foreign') OR state = 'cooling' AND until > :now
    )
    UPDATE port_claim AS claim SET
        state = CASE WHEN changed.new_name IS NULL THEN 'free' ELSE 'foreign' END,
        namespace = changed.new_namespace, name = changed.new_name,
        reason = CASE WHEN changed.new_name IS NOT NULL THEN :reason END,
        team = NULL, exposure_id = NULL, until = NULL, cools_until = NULL, changed_at = :now,
        since = CASE WHEN changed.new_name IS NOT NULL THEN CAST(:now AS timestamptz) END
    FROM changed WHERE claim.cluster = :cluster AND claim.port = changed.port
    RETURNING changed.*
""")


@dataclass(frozen=True, slots=True)
class ForeignImport:
    """What an import changed.

    ``losers`` are the claims that a foreign Service took over, held or cooling, as they were before.
    ``conflicts`` are numbers that the ledger knows as bound to an exposure and that a foreign Service has.
    """

    changed: int
    losers: tuple[PortClaim, ...]
    conflicts: tuple[PortClaim, ...]


def import_foreign(
    session: Session, cluster: str, observed: Mapping[int, tuple[str, str]], now: datetime
) -> ForeignImport:
    """Let the ledger's foreign claims of a cluster be what was just seen, and nothing else.

    A held or cooling number that is seen is taken over; a bound one never is.

    Args:
        observed: number → namespace and name of the foreign Service that has it, for each number of each one.
    """
    ports = sorted(observed)
    facts = {
        "cluster": cluster,
        "ports": ports,
        "namespaces": [observed[port][0] for port in ports],
        "names": [observed[port][1] for port in ports],
        "reason": REASON,
        "now": now,
    }
    session.execute(ADD_ROWS, facts)
    before = session.execute(IMPORT, facts).all()
    losers = [
        claim_of(row)
        for row in before
        if row.state == ClaimState.HELD or (row.state == ClaimState.COOLING and row.until > now)
    ]
    claim = t.port_claim
    bound = select(claim).where(
        claim.c.cluster == cluster, claim.c.port.in_(ports), claim.c.state == ClaimState.BOUND.value
    )
    conflicts = [claim_of(row) for row in session.execute(bound.order_by(claim.c.port))] if ports else []
    losers.sort(key=lambda lost: lost.port)
    return ForeignImport(len(before), tuple(losers), tuple(conflicts))


def take_over(session: Session, taker: Taker, ports: Collection[int]) -> None:
    """Give the numbers of a foreign Service to the exposure that is to adopt it: held, in one step.

    Only those that the ledger knows as that Service's; who else has one keeps it.
    """
    claim, metadata = t.port_claim.c, taker.metadata
    condition = and_(
        claim.cluster == metadata.cluster,
        claim.port.in_(ports),
        claim.state == ClaimState.FOREIGN.value,
        claim.namespace == metadata.namespace,
        claim.name == metadata.name,
    )
    values = {
        "state": ClaimState.HELD.value,
        "team": metadata.team,
        "exposure_id": taker.exposure_id,
        "reason": taker.reason,
        "changed_at": taker.now,
        "since": taker.now,
    }
    session.execute(ending(condition, Ending.ADOPTED, taker.now, values))


def give_back(session: Session, exposure_id: UUID, now: datetime) -> list[int]:
    """Give the numbers of an exposure that came to nothing to the Service that it was to adopt; return them.

    The cluster has them: they are that Service's from now on, and at no time free.
    """
    claim = t.port_claim.c
    condition = and_(claim.exposure_id == exposure_id, claim.state.in_(OWN))
    return sorted(session.scalars(ending(condition, Ending.UNUSED, now, _foreign(now))))


def _foreign(now: datetime) -> dict[str, Any]:
    """Return the columns of a claim that is a foreign Service's from now on, but for its name."""
    return {
        "state": ClaimState.FOREIGN.value,
        "reason": REASON,
        "team": None,
        "exposure_id": None,
        "cools_until": None,
        "changed_at": now,
        "since": now,
    }


def yield_to(
    session: Session, exposure_id: UUID, port: int, thief: tuple[str, str], how: Ending, now: datetime
) -> bool:
    """Give a number of an exposure to the foreign Service that has it; return whether it was the exposure's.

    The apiserver has refused a call of ours for it, and a fresh list shows who has it: so it may be bound.
    """
    claim = t.port_claim.c
    condition = and_(claim.exposure_id == exposure_id, claim.port == port, claim.state.in_(OWN))
    values = _foreign(now) | {"namespace": thief[0], "name": thief[1]}
    return session.execute(ending(condition, how, now, values, thief)).first() is not None
