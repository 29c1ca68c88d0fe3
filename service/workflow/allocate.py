"""Node ports for a specification: held together or not at all, in the transaction of the request."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy.orm import Session

from service.domain.allocation import Before, Slot, allocation_of, slots
from service.domain.errors import NodePortReserved
from service.domain.exposure import Allocation, Exposure, PortOrigin
from service.domain.ports import Pool
from service.domain.principal import Role
from service.domain.reservation import Asker, Reservation, blocking, choosable
from service.domain.spec import Spec
from service.store import ports
from service.store.known import known
from service.workflow.act import Act


def allocate(
    session: Session, exposure: Exposure, spec: Spec, pool: Pool, act: Act, befores: Sequence[Before]
) -> Allocation:
    """Hold every node port that a specification needs: together or not at all.

    A port that was asked for, else the one that the same exposure had before, else one that is reserved for
    the team, else one of the static band, else one of the dynamic band.

    Args:
        befores: what the exposure has now, what matters most first. What still cools for whoever had its name
            is looked up, and comes after it.

    Raises:
        NodePortTaken, NodePortReserved, PoolExhausted: as the ledger says.
    """
    if not spec.needs_node_ports() and not spec.needs_health_check_port():
        return Allocation()
    metadata = exposure.metadata
    rules, earlier = known(session, metadata, act.now)
    own_numbers = frozenset(number for before in befores for number in before.allocation.numbers())
    needed = slots(spec, *befores, *earlier)
    asked = {slot.asked: slot.pointer() for slot in needed if slot.asked is not None}
    asker = Asker(metadata.team, Role.ADMIN in act.principal.roles)
    _check_reservations(rules, {n: at for n, at in asked.items() if n not in own_numbers}, asker, act)
    own = Asker(metadata.team)
    had = {slot.earlier for slot in needed if slot.earlier is not None}
    want = ports.Want(
        asked=asked,
        earlier=frozenset(
            port
            for port in had
            if port in own_numbers or (port in pool and not blocking(rules, port, own, act.now))
        ),
        count=len(needed) - len(asked),
        ranges=choosable(pool, rules, metadata.team, act.now, turn=exposure.id.int),
    )
    taker = ports.Taker(exposure.id, metadata, spec.justification, act.now)
    return allocation_of(spec, _given(needed, ports.hold(session, taker, want)))


def _check_reservations(
    rules: Sequence[Reservation], asked: Mapping[int, str], asker: Asker, act: Act
) -> None:
    for port, pointer in sorted(asked.items()):
        rule = blocking(rules, port, asker, act.now)
        if rule is not None:
            raise NodePortReserved(port, rule, pointer)


def _given(needed: Sequence[Slot], held: ports.Held) -> dict[Slot, int]:
    chosen = iter(held.chosen)
    return {
        slot: slot.asked or (slot.earlier if slot.earlier in held.stated else None) or next(chosen)
        for slot in needed
    }


def band_warnings(pool: Pool, allocation: Allocation, served: Collection[int]) -> Iterator[str]:
    """Yield what a requester should know of the numbers that were chosen.

    Args:
        served: the numbers that its Service has in the cluster: nobody else gets these.
    """
    band = pool.dynamic_band()
    given = [*allocation.ports, *([allocation.health_check] if allocation.health_check else [])]
    chosen = {port.number for port in given if port.origin is PortOrigin.CHOSEN and port.number in band}
    for number in sorted(chosen.difference(served)):
        yield (
            f"Node port {number} is of the dynamic band {band[0]}-{band[-1]}, where the cluster picks "
            "numbers itself: until the exposure is live another Service may get it, and then another one "
            "is chosen."
        )
