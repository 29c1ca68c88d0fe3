"""One cluster, looked at again and again: observe, desire, plan, act, record.

Each look takes the keys for which there is news in the cluster or something due in the ledger; now and then
it sweeps over all. Observed before the desired state is read, so that a Service applied in between never
looks like nobody's. What other people's Services have is brought into the ledger first: then nothing is sent
for a port that is known to be taken. The look itself writes nothing into the cluster: the crew acts.
"""

import logging
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from itertools import islice

from service.cluster.gateway import Gateway
from service.domain.cluster import Rules
from service.domain.errors import Busy, ClusterError, Unavailable
from service.domain.exposure import ExposureRecord
from service.domain.manifest import node_ports
from service.domain.plan import Action, Create, Desired, Observed, Ref, plan
from service.reconciler.adoption import adopt_waiting
from service.reconciler.batch import Batch
from service.reconciler.breaker import Breaker
from service.reconciler.cache import ClusterCache, Look
from service.reconciler.crew import Crew
from service.reconciler.desire import desired_of
from service.reconciler.edge import Edge
from service.reconciler.execute import Executor
from service.reconciler.leases import Lease
from service.reconciler.ledger_guard import LedgerGuard
from service.reconciler.lost import is_said_in_vain, lacking, recover, thieves_of
from service.reconciler.orphans import Orphans
from service.reconciler.permit import Permit
from service.reconciler.readiness import Readiness, Seen
from service.reconciler.strangers import Strangers
from service.reconciler.sweep import differing
from service.reconciler.view import View
from service.store import adoptions, ledger, wishes
from service.store.identities import Cluster
from service.store.ledger import Newest
from service.store.orphans import Orphan

log = logging.getLogger(__name__)

BUSY_SECONDS = 0.02
"""How soon a key is looked at again whose row somebody else had: nobody holds one for long."""

TOGETHER = 4
"""So many creates of one lot are prepared together, before a thread takes each of them on."""

SWEEP_SECONDS = 60.0
"""How often everything is looked at, besides after every list."""

Records = Mapping[Ref, ExposureRecord]


@dataclass(frozen=True, slots=True)
class Task:
    """What one key needs: its lost ports, actions, and what was seen of its endpoints when that is news."""

    ref: Ref
    record: ExposureRecord
    want: Desired | None
    have: Observed | None
    thieves: Mapping[int, Ref]
    actions: tuple[Action, ...]
    seen: Seen | None

    def needs_ports(self) -> bool:
        """Return whether it has lost a node port, has to do without one, or did and does no more."""
        return bool(self.thieves or lacking(self.record) or is_said_in_vain(self.record))

    def is_empty(self) -> bool:
        """Return whether there is nothing to do."""
        return not (self.needs_ports() or self.actions or self.seen)

    def is_fresh(self) -> bool:
        """Return whether it is to be made, and nothing of it was sent before."""
        creates = [type(action) for action in self.actions] == [Create]
        is_known = self.want is not None and (self.want.uid or self.want.create_tokens)
        return creates and not is_known and not self.needs_ports()


class Cycle:
    """One cluster."""

    def __init__(self, cluster: Cluster, lease: Lease, gateway: Gateway, edge: Edge, crew: Crew) -> None:
        self._cluster, self._lease, self._edge, self._crew = cluster.name, lease, edge, crew
        self._rules = Rules(cluster.mode, cluster.drift)
        self.cache = ClusterCache(cluster.name)
        self._breaker = Breaker(gateway, edge)
        self._batch = Batch(edge.transaction, crew.size)
        self._readiness = Readiness(edge, self._batch)
        self._guard = LedgerGuard(cluster, self._breaker, edge)
        self._strangers = Strangers(cluster.name, self._breaker, edge)
        self._orphans = Orphans(cluster, self._breaker, edge)
        self._is_in_doubt = False
        self._view = View(cluster.name, edge)
        self._backlog: dict[Ref, None] = {}
        self._again: deque[Ref] = deque()
        self._were_busy: deque[Ref] = deque()
        self._sweep_at = edge.monotonic()

    @property
    def has_work(self) -> bool:
        """Return whether keys wait for the crew."""
        return bool(self._backlog or self._again or self._were_busy)

    def run(self, has_word: bool = True) -> int:
        """Look once, and hand out what is to be done; return for how many keys something is.

        Args:
            has_word: whether something may be due in the ledger; else only the cluster has news.

        Raises:
            Busy, Unavailable: the database; the next look begins anew.
        """
        try:
            look = self.cache.look(())
            if look is None:
                return 0  # not everything was listed yet: the lists wake us
            may_write = self._guard.may_write()
            self._view.saw(look.node_addresses)
            if not may_write:
                return 0
        except ClusterError as error:
            log.warning("cluster cannot be read", extra={"cluster": self._cluster, "answer": str(error)})
            self._view.is_unreadable(str(error))
            return 0
        self._gather(has_word)
        return self._work_off()

    def _work_off(self) -> int:
        """Hand out work as long as there is room; return for how many keys something is to be done.

        Raises:
            LeaseLost: another worker goes on.
        """
        begun = 0
        while not self._breaker.is_open() and (refs := self._next_lot()):
            try:
                self._lease.check()
                begun += self._settle(refs)
            except Exception:
                self._were_busy.extend(refs)  # what the cluster has told is told once
                raise
        return begun

    def _gather(self, has_word: bool) -> None:
        """Put every key on the list for which there is news or something due."""
        due = self._due() if has_word else []
        news = self.cache.take_news()
        while self._were_busy:
            self._backlog.setdefault(self._were_busy.popleft())
        self._backlog |= dict.fromkeys(sorted(news.refs))
        if news.everything or self._edge.monotonic() >= self._sweep_at:
            self._sweep()
        self._backlog |= dict.fromkeys(due)

    def _due(self) -> list[Ref]:
        """Return for whom something may be due; adoptions that wait are decided first."""
        with self._edge.reading() as session:
            is_asked = bool(adoptions.waiting(session, self._cluster, 1))
            due = wishes.due(session, self._cluster, self._edge.now())
        if not is_asked:
            return due
        adopt_waiting(self._cluster, self._breaker, self._edge)
        with self._edge.reading() as session:
            return wishes.due(session, self._cluster, self._edge.now())

    def _sweep(self) -> None:
        """Compare everything. Whatever goes wrong before its end, the next look sweeps again."""
        self._sweep_at = self._edge.monotonic()
        look = self.cache.look()
        assert look is not None
        with self._edge.reading() as session:
            settled, others = wishes.sweep(session, self._cluster)
            owners = wishes.owners(session, self._cluster)
        self._backlog |= dict.fromkeys([*others, *sorted(differing(settled, look, self._edge.now()))])
        self._backlog |= dict.fromkeys(self._strangers.bring_in(look, owners) | self._strangers.in_conflict)
        orphans = self._orphans.look(look, owners)
        if orphans and self._run_ahead(self._newest_of(orphans)):
            for orphan in orphans:
                self._orphans.remove(orphan)
        self._sweep_at = self._edge.monotonic() + SWEEP_SECONDS

    def _newest_of(self, orphans: Collection[Orphan]) -> Newest:
        with self._edge.reading() as session:
            return ledger.ask_newest(session, [orphan.exposure_id for orphan in orphans])()

    def _next_lot(self) -> Sequence[Ref]:
        """Take keys from the list, as many as the crew has room for; those that are busy stay there."""
        while self._again:
            self._backlog.setdefault(self._again.popleft())
        busy = self._crew.busy()
        refs = list(islice((ref for ref in self._backlog if ref not in busy), self._crew.room()))
        for ref in refs:
            del self._backlog[ref]
        return refs

    def _settle(self, refs: Sequence[Ref]) -> int:
        """Look at some keys and hand out what they need; return for how many something is to be done."""
        look = self.cache.look(refs)
        assert look is not None
        records, newest = self._read(refs)
        if self._strangers.are_among(refs, look, records) and (losers := self._bring_in_strangers()):
            self._backlog |= dict.fromkeys(losers - set(refs))
            records, newest = self._read(refs)
        awake = [ref for ref in refs if ref in records and ref not in look.resting]
        tasks = [task for ref in awake if (task := self._task(ref, records[ref], look)) is not None]
        permit = Permit(self._cluster, partial(self._run_ahead, newest))
        acts = any(task.actions for task in tasks)
        if acts and self._is_in_doubt and not permit.is_given():  # then nothing is prepared in vain
            self._were_busy.extend(refs)
            return 0
        executor = Executor(self._breaker, self._edge, self._batch, self.cache.wrote, permit)
        fresh = [task.want for task in tasks if task.want is not None and task.is_fresh()]
        if len(fresh) >= TOGETHER:
            executor.prepare_ahead(fresh)
        for task in tasks:
            if not task.is_empty():
                self._crew.put(task.ref, partial(self._do, task, executor))
        if acts:
            permit.is_given()  # asked for here, while the crew prepares
        return sum(task.needs_ports() or bool(task.actions) for task in tasks)

    def _bring_in_strangers(self) -> Set[Ref]:
        look = self.cache.look()
        assert look is not None
        with self._edge.reading() as session:
            owners = wishes.owners(session, self._cluster)
        return self._strangers.bring_in(look, owners)

    def _run_ahead(self, newest: Newest) -> bool:
        """Let the cluster know how far the ledger has come; return whether anything may be done."""
        try:
            self._is_in_doubt = not self._guard.run_ahead(newest)
        except ClusterError as error:
            log.warning("mark cannot be written", extra={"cluster": self._cluster, "answer": str(error)})
            self._view.is_unreadable(str(error))
            self._is_in_doubt = True
        return not self._is_in_doubt

    def _read(self, refs: Sequence[Ref]) -> tuple[Records, Newest]:
        with self._edge.reading() as session:
            return wishes.of_refs(session, self._cluster, refs)

    def _task(self, ref: Ref, record: ExposureRecord, look: Look) -> Task | None:
        """Return what a key needs; None: that cannot be told, and it is never another's fault."""
        try:
            return self._planned(ref, record, look)
        except Exception:
            log.exception("exposure failed unexpectedly", extra={"exposure_id": str(record.exposure.id)})
            return None

    def _planned(self, ref: Ref, record: ExposureRecord, look: Look) -> Task:
        now, service = self._edge.now(), look.services.get(ref)
        want = desired_of(record, now)
        return Task(
            ref,
            record,
            want,
            service,
            thieves_of(record, service, self._strangers.conflicts, now),
            tuple(plan({ref: want}, look.services, now, self._rules))
            if want and _may_act(record, want)
            else (),
            self._readiness.of(record, service, look.slices.get(ref, ())),
        )

    def _do(self, task: Task, executor: Executor) -> None:
        """Do what one key needs. A fault in it is never another's."""
        facts = {"exposure_id": str(task.record.exposure.id)}
        try:
            if task.needs_ports() and self._recover(task):
                self._again.append(task.ref)
                return
            for action in task.actions:
                assert task.want is not None
                self._lease.check()
                executor.execute(action, task.want, task.have)
            if task.seen is not None:
                self._readiness.record(task.record, task.seen)
        except Busy as error:
            log.info("row is busy", extra=facts | {"answer": str(error)})
            time.sleep(BUSY_SECONDS)
            self._were_busy.append(task.ref)
        except Unavailable as error:
            log.warning("left for now", extra=facts | {"answer": str(error)})
            self._were_busy.append(task.ref)  # drift is due to nobody in the ledger: it is news still
        except Exception:
            log.exception("exposure failed unexpectedly", extra=facts)

    def _recover(self, task: Task) -> bool:
        """Give it the ports that it lacks, as far as it may have them; return whether anything changed."""
        with self._edge.transaction() as session:
            return recover(session, task.record.exposure.id, task.thieves, self._edge.now())


def _may_act(record: ExposureRecord, want: Desired) -> bool:
    """Return whether nothing is missing of what is to be sent: a removal needs no port.

    What an open change lacks stops that change alone, and what is live does not stop the change that does
    without a lost port.
    """
    return want.manifest is None or not lacking(record) & node_ports(want.manifest)
