"""The leases of one process: by a monotonic clock before each write, by the database's in each transaction.

A process may stand still at any instruction (SIGSTOP, a paused machine) while its time runs out and another
worker takes over. So right before a write it asks its own clock, which counts from before the renewal was
sent: no call begins that could last longer than the lease. And no transaction of a keeper commits unless the
row says at its end, by the database's clock, that the lease is still ours: by then it has locked all that it
changes, so the next holder has changed none of that since. What cannot be fenced is a write that was on its
way already; the next holder sees what it made.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from service.cluster.gateway import CALL_TIMEOUT_SECONDS, Gateway
from service.domain.errors import LeaseLost
from service.domain.share import balance
from service.domain.spec import Document
from service.store import leases
from service.store.database import Session, Transactions
from service.store.identities import Cluster

RENEW_SECONDS = 2.0
"""How often a process renews its leases."""

SPARE_SECONDS = 1.0
"""What has to be left of a lease beyond the longest call."""

SOON_SECONDS = 0.02
"""How long after the end of somebody else's lease it is looked at: then it is free."""


class Lease:
    """The right to act on one cluster. One thread renews it, others ask."""

    def __init__(self, cluster: str, holder: str, monotonic: Callable[[], float]) -> None:
        self.cluster, self.holder = cluster, holder
        self._monotonic = monotonic
        self._until = float("-inf")
        self._over = threading.Event()

    def renewed(self, begun: float) -> None:
        """Count from a renewal that was sent at ``begun`` or later, and answered."""
        self._until = begun + leases.LENGTH.total_seconds()

    def end(self) -> None:
        """Let no further write begin, for ever."""
        self._over.set()

    def is_over(self) -> bool:
        """Return whether it was ended."""
        return self._over.is_set()

    def allows_call(self) -> bool:
        """Return whether a write that begins now is over before the lease is."""
        left = self._until - self._monotonic()
        return not self.is_over() and left > CALL_TIMEOUT_SECONDS + SPARE_SECONDS

    def check(self) -> None:
        """Return when a write may begin now.

        Raises:
            LeaseLost: it may not.
        """
        if not self.allows_call():
            raise LeaseLost(self.cluster)


class LeasedGateway:
    """A cluster's gateway whose writes begin only while the lease allows them; LeaseLost otherwise."""

    def __init__(self, gateway: Gateway, lease: Lease) -> None:
        self._gateway, self._lease = gateway, lease
        self.list, self.watch, self.service = gateway.list, gateway.watch, gateway.service
        self.config_map = gateway.config_map

    def put_config_map(self, config_map: Document) -> Document:
        """Write a ConfigMap, if it may begin now."""
        self._lease.check()
        return self._gateway.put_config_map(config_map)

    def create(self, service: Document) -> Document:
        """Create a Service, if it may begin now."""
        self._lease.check()
        return self._gateway.create(service)

    def replace(self, service: Document) -> Document:
        """Put a Service, if it may begin now."""
        self._lease.check()
        return self._gateway.replace(service)

    def delete(self, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Delete a Service, if it may begin now."""
        self._lease.check()
        self._gateway.delete(namespace, name, uid, resource_version)


def fenced(transaction: Transactions, lease: Lease) -> Transactions:
    """Return transactions that commit only while the lease is held; else they raise LeaseLost."""

    @contextmanager
    def opened() -> Iterator[Session]:
        with transaction() as session:
            yield session
            if not leases.holds(session, lease.cluster, lease.holder):
                raise LeaseLost(lease.cluster)

    return opened


@dataclass(frozen=True, slots=True)
class Round:
    """How things stand after a renewal.

    ``held``: each cluster that is ours, as configured, with its lease. ``hand_back``: those among them that
    others are to have, or that were removed. ``known``: every cluster there is. ``next_in``: after how many
    seconds to look again.
    """

    held: Mapping[str, tuple[Cluster | None, Lease]]
    hand_back: frozenset[str]
    known: frozenset[str]
    next_in: float


class Leases:
    """Every lease of one process. ``holder`` is its random token: a new one for each process."""

    def __init__(self, transaction: Transactions, monotonic: Callable[[], float], holder: str) -> None:
        self._transaction, self._monotonic, self._holder = transaction, monotonic, holder
        self._held: dict[str, Lease] = {}

    def renew(self) -> Round:
        """Renew what we hold, and take what is free as far as it is our share. A lost lease is ended.

        Raises:
            Busy, Unavailable: the database; every lease lasts until the end that it had.
        """
        begun = self._monotonic()
        with self._transaction() as session:
            held = leases.renew(session, self._holder)
            seen = leases.standing(session, self._holder)
            wanted = balance(self._holder, seen.workers, seen.clusters, seen.holders)
            if wanted.take:
                held |= leases.take(session, self._holder, wanted.take)
        for cluster in self._held.keys() - held:
            self._held.pop(cluster).end()
        for cluster in held:
            if cluster not in self._held:
                self._held[cluster] = Lease(cluster, self._holder, self._monotonic)
            self._held[cluster].renewed(begun)
        lapse = RENEW_SECONDS if seen.lapses_in is None else seen.lapses_in + SOON_SECONDS
        return Round(
            held={name: (seen.clusters.get(name), lease) for name, lease in self._held.items()},
            hand_back=frozenset(wanted.hand_back) | (held - seen.clusters.keys()),
            known=frozenset(seen.clusters),
            next_in=min(RENEW_SECONDS, lapse),
        )

    def hand_back(self, clusters: Collection[str]) -> None:
        """Give leases back whose keepers have ended; another worker is woken.

        Raises:
            Busy, Unavailable: the database; the next renewal finds them to be ours still, as new ones.
        """
        for cluster in clusters:
            self._held.pop(cluster, None)
        with self._transaction() as session:
            leases.hand_back(session, self._holder, clusters)

    def leave(self) -> None:
        """Give everything back, at the end: another worker takes it over at once.

        Raises:
            Busy, Unavailable: the database; the leases lapse by themselves.
        """
        with self._transaction() as session:
            leases.leave(session, self._holder)
