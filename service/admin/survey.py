"""``wharfinger cluster survey``: on day one, which node ports a cluster's Services have, and whose they are.

It only looks, at the cluster and at the ledger. What it calls new the worker brings into the ledger.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import click

from service.domain.claim import ClaimState
from service.domain.errors import NotFound
from service.domain.plan import Observed, Owner, Ref
from service.domain.port_map import Claimed
from service.domain.ports import Pool
from service.domain.spec import Document
from service.settings import read_settings

TYPES = ("NodePort", "LoadBalancer")
OURS, KNOWN, NEW, CONFLICT, NONE = "ours", "foreign", "new", "conflict", "no node port"
MEANINGS: Mapping[str, str] = {
    OURS: "made by Wharfinger",
    KNOWN: "foreign, in the ledger already",
    NEW: "foreign, not in the ledger yet: the worker brings it in",
    CONFLICT: "foreign, on a number that the ledger has for somebody else",
    NONE: "a balancer without node ports",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One node port of one Service; ``number`` is None for a Service that has none."""

    number: int | None
    use: str
    type: str
    service: str
    standing: str
    note: str = ""


def survey_rows(
    services: Iterable[Document], claims: Iterable[Claimed], owners: Mapping[Ref, Owner], pool: Pool
) -> list[Row]:
    """Return what each NodePort and LoadBalancer Service has or would claim, by number, then by name.

    Args:
        claims: what the ledger says of the cluster's numbers.
        owners: by what the exposures of the cluster that have not ended know their Services.
    """
    by_port = {claim.port: claim for claim in claims}
    rows = []
    for service in services:
        metadata, spec = service["metadata"], service["spec"]
        if spec.get("type") not in TYPES:
            continue
        key = (metadata["namespace"], metadata["name"])
        owner = owners.get(Ref(*key))
        ours = owner is not None and owner.owns(Observed(service))
        numbers = list(_numbers(spec))
        if not numbers:
            rows.append(Row(None, "", spec["type"], "/".join(key), OURS if ours else NONE))
        for number, use in numbers:
            standing, note = (OURS, "") if ours else _judge(key, by_port.get(number))
            outside = "" if number in pool else f"outside of {pool}"
            notes = ", ".join(filter(None, (note, outside)))
            rows.append(Row(number, use, spec["type"], "/".join(key), standing, notes))
    return sorted(rows, key=lambda row: (row.number is None, row.number or 0, row.service, row.use))


def _numbers(spec: Document) -> Iterator[tuple[int, str]]:
    """Yield each node port once for each use."""
    for port in spec.get("ports") or ():
        if port.get("nodePort"):
            yield port["nodePort"], f"port {port['port']}/{port.get('protocol', 'TCP')}"
    if spec.get("healthCheckNodePort"):
        yield spec["healthCheckNodePort"], "health check"


def _judge(key: tuple[str, str], claim: Claimed | None) -> tuple[str, str]:
    if claim is None:
        return NEW, ""
    owner = claim.owner
    if claim.state != ClaimState.FOREIGN:
        return CONFLICT, f"{claim.state} for {owner.namespace}/{owner.name} of team {owner.team}"
    if (owner.namespace, owner.name) == key:
        return KNOWN, ""
    return NEW, f"the ledger still names {owner.namespace}/{owner.name}"


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the table."""
    cells = [("NODE PORT", "USE", "TYPE", "SERVICE", "STANDING", "NOTE")]
    cells += [(str(r.number or "-"), r.use or "-", r.type, r.service, r.standing, r.note) for r in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def totals(rows: list[Row], pool: Pool, claims: Iterable[Claimed]) -> Iterator[str]:
    """Yield the sums: Services by standing, numbers, and what is left of the range."""
    numbers = {row.number for row in rows if row.number is not None}
    yield f"{len({row.service for row in rows})} Services with {len(numbers)} node ports:"
    counted = Counter(row.standing for row in rows)
    yield from (f"  {counted[word]:6}  {word}: {MEANINGS[word]}" for word in MEANINGS if counted[word])
    outside = sorted(number for number in numbers if number not in pool)
    if outside:
        yield f"Outside of the configured range {pool}: {', '.join(map(str, outside))}."
    taken = {number for number in numbers | {claim.port for claim in claims} if number in pool}
    yield f"Range {pool}: {pool.last - pool.first + 1 - len(taken)} numbers are left."


@click.command()
@click.argument("name")
def survey(name: str) -> None:
    """Print every NodePort and LoadBalancer Service of a cluster and the node ports that it would claim.

    It changes nothing, neither in the cluster nor in the ledger.
    """
    from service.cluster.gateway import Kind
    from service.store import identities, port_map, wishes
    from service.wiring import admin_transactions, cluster_gateway, now

    settings = read_settings()
    with admin_transactions(settings)() as session:
        cluster = identities.cluster(session, name)
        if cluster is None:
            raise NotFound(f"There is no cluster {name}. wharfinger cluster list shows those that there are.")
        claims = port_map.claimed(session, name, now())
        owners = wishes.owners(session, name)
    with cluster_gateway(settings, cluster) as gateway:
        services = gateway.list(Kind.SERVICES).items
    rows = survey_rows(services, claims, owners, cluster.pool)
    for line in table(rows):
        click.echo(line)
    for line in totals(rows, cluster.pool, claims):
        click.echo(line, err=True)
