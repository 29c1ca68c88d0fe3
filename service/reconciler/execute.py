"""Perform one planned action: look again under the lock, call the cluster, write down what came of it.

The three writes are fenced by the apiserver itself (design.md §7): a create is a POST, so it never takes a
foreign object over; a change is a PUT with the uid and resourceVersion just read; a delete carries both as
preconditions.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple
from uuid import UUID

from service.cluster.gateway import Gateway, Kind
from service.domain.adoption import why_changed
from service.domain.drift import drift_of
from service.domain.errors import (
    ClusterAway,
    ClusterError,
    FieldFixed,
    NotSent,
    ObjectChanged,
    ObjectExists,
    PortAllocated,
    WharfingerError,
)
from service.domain.exposure import Decision
from service.domain.manifest import Mark, differs, merged, with_mark, without_mark
from service.domain.plan import (
    ADOPTION_CHANGED,
    FOREIGN_OWNER,
    NEEDS_REPLACE,
    TERMINATING,
    Action,
    Adopt,
    Confirm,
    Create,
    Delete,
    Desired,
    HandBack,
    Linger,
    Notice,
    Observed,
    Recreate,
    Ref,
    Replace,
    Report,
    Settle,
    Withhold,
)
from service.domain.spec import Document
from service.reconciler import drift, recording
from service.reconciler.batch import Batch
from service.reconciler.breaker import begins_until
from service.reconciler.clashes import (
    UNFORESEEN,
    explain_foreign,
    explain_refused_change,
    explain_taken_port,
    explain_terminating,
    failure_of,
)
from service.reconciler.edge import Edge
from service.reconciler.observe import trimmed
from service.reconciler.permit import Permit
from service.reconciler.recording import Failure
from service.reconciler.removal import removed
from service.reconciler.steps import Begun, Steps

log = logging.getLogger(__name__)

SEND_WITHIN_SECONDS = 8.0
"""No write starts later than this after its time was stored, so none arrives after IN_FLIGHT: a process that
was stopped meanwhile looks again. It is enough for the two calls before it, should they take all of 4 s.
"""

Act = Callable[[Action, Desired, Observed | None], None]


class _Start(NamedTuple):
    """When a create was begun, by the monotonic clock, its token, and what is written down before it."""

    at: float
    token: str
    known: Mapping[str, object]


class Executor(Steps):
    """Acts on one cluster for one lot."""

    def __init__(
        self, gateway: Gateway, edge: Edge, batch: Batch, wrote: Callable[[Document], object], permit: Permit
    ) -> None:
        """``wrote`` is told each Service as the cluster stored it after a write of ours."""
        super().__init__(gateway, edge, batch, wrote, permit)
        self._ahead: dict[UUID, tuple[_Start, Callable[[], Begun | None]]] = {}
        self._acts: Mapping[type[Action], Act] = {
            Create: self._create,
            Replace: self._replace,
            Recreate: self._recreate,
            Adopt: self._adopt,
            HandBack: self._hand_back,
            Delete: self._delete,
            Confirm: self._confirm,
            Settle: self._settle,
            Report: self._report,
            Linger: self._linger,
            Notice: self._notice,
            Withhold: self._withhold,
        }

    def execute(self, action: Action, want: Desired, have: Observed | None) -> None:
        """Do one action; whatever the cluster answers ends in the ledger, never in an exception.

        Raises:
            Busy, Unavailable: the database; the ledger's mark cannot be written.
        """
        facts = {
            "exposure_id": str(want.exposure_id),
            "action": type(action).__name__,
            "reason": action.reason,
        }
        log.info("acting", extra=facts)
        try:
            self._acts[type(action)](action, want, have)
        except ClusterError as error:
            self._fail(want, failure_of(error))
        except WharfingerError:
            raise
        except Exception:
            log.exception("action failed unexpectedly", extra=facts)
            self._fail(want, UNFORESEEN)  # else it would be tried again at once, and for ever

    def _create(self, action: Action, want: Desired, _: Observed | None) -> None:
        """Make the Service. Its random token is stored before: a lost answer can be told from a theft.

        That one we knew is gone, or that a lost one has not arrived, is believed only after a direct read:
        the look may be older than what another worker did.
        """
        assert want.manifest is not None
        if (want.uid or want.create_tokens) and self._ours(action.ref, want) is not None:
            return
        if want.exposure_id in self._ahead:
            start, begun = self._ahead.pop(want.exposure_id)
            record = self._permitted(want, begun(), start.token)
        else:
            start = self._start(want)
            record = self._prepare(want, start.token, **start.known)
        if record is None:
            return
        token, sent = start.token, with_mark(want.manifest, want.marked(start.token))
        if want.cluster_ip is not None:  # the address that it had: clients may know it
            sent["spec"]["clusterIP"] = want.cluster_ip
        try:
            with begins_until(start.at + SEND_WITHIN_SECONDS):
                stored = self._gateway.create(sent)
        except (ObjectExists, PortAllocated) as error:
            self._clash(action.ref, want, error, token)
        except NotSent as error:
            self._fail(want, failure_of(error), spent=token)
        except ClusterAway as error:
            self._fail(want, failure_of(error))
        except ClusterError as error:
            self._fail(want, failure_of(error), spent=token)
        else:
            self._written(want, stored, sent, action.reason)

    def _start(self, want: Desired) -> "_Start":
        token = self._edge.entropy(16).hex()
        tokens = [*want.create_tokens, token]
        known = {"uid": None, "create_tokens": tokens, "create_sent_at": self._edge.now()}
        return _Start(self._edge.monotonic(), token, known)

    def prepare_ahead(self, wants: Sequence[Desired]) -> None:
        """Prepare the creates of several in one transaction; of none of them anything was sent before.

        What stands in the way of one is met when it is executed.
        """
        starts = {want.exposure_id: self._start(want) for want in wants}
        writes = {
            want.exposure_id: partial(self._begin, want=want, values=starts[want.exposure_id].known)
            for want in wants
        }
        for exposure_id, begun in self._batch.write_all(writes).items():
            self._ahead[exposure_id] = (starts[exposure_id], begun)

    def _clash(self, ref: Ref, want: Desired, error: ClusterError, token: str) -> None:
        """Find out who has the name or the port. A lost create of ours, or another worker's, is no clash."""
        found = self._gateway.service(ref.namespace, ref.name)
        if found is not None:
            seen = Observed(found)
            if self._write(want, lambda s: recording.recognised(s, want, seen, token, self._edge.now())):
                return  # the next look confirms it
            failure = Failure(FOREIGN_OWNER, explain_foreign(found))
        elif isinstance(error, PortAllocated):
            failure = explain_taken_port(self._gateway.list(Kind.SERVICES, trimmed).items, want)
        else:
            failure = failure_of(error)
        self._fail(want, failure, spent=token)

    def _replace(self, action: Action, want: Desired, _: Observed | None) -> None:
        """Change it. When that was sent is stored before: its ports are its own until it cannot arrive."""
        assert want.manifest is not None
        begun, sent_at = self._edge.monotonic(), self._edge.now()
        record = self._prepare(want, create_sent_at=sent_at)
        current = self._ours(action.ref, want) if record else None
        if record is None or current is None:
            return
        mark, live = Mark.of(current.service), record.newest(Decision.LIVE)
        token = mark.create_token if mark else self._edge.entropy(16).hex()  # the mark may have been stripped
        wanted = with_mark(want.manifest, want.marked(token))
        if not differs(current.service, wanted):  # no answer that ends what was sent before
            self._applied(want, current, "applied")
            return
        found = drift_of(current.service, wanted) if action.reason == "drift" else None
        changed = merged(current.service, wanted, live.manifest if live else None)
        try:
            with begins_until(begun + SEND_WITHIN_SECONDS):
                stored = self._gateway.replace(changed)
        except ObjectChanged:
            return  # somebody was faster: look again
        except FieldFixed as error:
            self._fail(want, explain_refused_change(error, want))
            return
        except PortAllocated:
            services = self._gateway.list(Kind.SERVICES, trimmed).items
            others = (service for service in services if Observed(service).ref != action.ref)
            self._fail(want, explain_taken_port(others, want))
            return
        self._written(want, stored, wanted, action.reason, found)

    def _recreate(self, action: Action, want: Desired, have: Observed | None) -> None:
        """Delete it and make it again, its ports ours all the while; finalizers may keep it for a while."""
        record = self._prepare(want)
        current = self._ours(action.ref, want) if record else None
        if record is None or current is None or not self._ask_to_go(action.ref, current):
            return
        self._write(want, lambda session: recording.replacing(session, want, current, self._edge.now()))
        self._create(Create(action.ref, "missing"), want, have)

    def _adopt(self, action: Action, want: Desired, _: Observed | None) -> None:
        """Set our mark on what was approved, and on nothing else: the write is fenced by what was just read.

        One token serves all its tries: only that very Service, as it was read, can get it.
        """
        assert want.manifest is not None
        assert want.adopts_uid is not None
        token = want.create_tokens[0] if want.create_tokens else self._edge.entropy(16).hex()
        begun, known = self._edge.monotonic(), {"create_tokens": [token], "create_sent_at": self._edge.now()}
        if self._prepare(want, spent=token, **known) is None:
            return
        found = self._gateway.service(action.ref.namespace, action.ref.name)
        if found is not None and want.has_marked(Observed(found)):
            return  # it has arrived: the next look confirms it
        change = why_changed(found, want.adopts_uid, want.manifest)
        if found is None or change is not None:
            self._fail(want, Failure(ADOPTION_CHANGED, str(change), retryable=False), spent=token)
            return
        try:
            with begins_until(begun + SEND_WITHIN_SECONDS):
                stored = self._gateway.replace(with_mark(found, want.marked(token)))
        except ObjectChanged:
            return  # somebody was faster: look again
        self._written(want, stored, with_mark(want.manifest, want.marked(token)), action.reason)

    def _hand_back(self, action: Action, want: Desired, have: Observed | None) -> None:
        """Take the mark off again: what was never written down as adopted is somebody else's, as before."""
        if not self._announce(want):
            return
        found = self._gateway.service(action.ref.namespace, action.ref.name)
        if found is not None and want.has_marked(Observed(found)):
            try:
                self._wrote(self._gateway.replace(without_mark(found)))
            except ObjectChanged:
                return  # somebody was faster: look again
        self._settle(action, want, have)

    def _delete(self, action: Action, want: Desired, have: Observed | None) -> None:
        if not self._announce(want):
            return
        current = self._ours(action.ref, want)
        if current is not None and current.uid != want.uid:  # a lost create that did arrive: it is spent
            self._write(want, lambda session: recording.met(session, want, current, self._edge.now()))
        if current is not None and not self._ask_to_go(action.ref, current):
            return
        self._settle(action, want, have)

    def _settle(self, action: Action, want: Desired, _: Observed | None) -> None:
        """Believe that it is gone only after a direct read; finalizers may keep it for a while."""
        if self._ours(action.ref, want) is not None:
            return
        self._write(want, lambda session: removed(session, want, self._edge.now(), self._edge.cooling))

    def _confirm(self, action: Action, want: Desired, _: Observed | None) -> None:
        """Read it directly: what is confirmed makes revisions live and releases ports."""
        assert want.manifest is not None
        current = self._ours(action.ref, want)
        mark = Mark.of(current.service) if current is not None else None
        if current is None or mark is None:
            return  # gone or stripped since: look again
        if not differs(current.service, with_mark(want.manifest, want.marked(mark.create_token))):
            self._applied(want, current, action.reason)

    def _report(self, action: Action, want: Desired, _: Observed | None) -> None:
        """Say that a stranger has the name, after a direct read: another worker may have made a new one."""
        found = self._gateway.service(action.ref.namespace, action.ref.name)
        if found is not None and not want.owns(Observed(found)):
            self._fail(want, Failure(FOREIGN_OWNER, explain_foreign(found)))

    def _linger(self, _: Action, want: Desired, have: Observed | None) -> None:
        assert have is not None
        removing = want.manifest is None  # then it goes as it should, only later
        self._fail(want, Failure(TERMINATING, explain_terminating(have.service), unknown=removing))

    def _notice(self, action: Action, want: Desired, _: Observed | None) -> None:
        """Keep drift for people, after a direct read: that alone says who wrote it."""
        current = self._ours(action.ref, want)
        if current is not None:
            self._write(want, lambda session: drift.noticed(session, want, current, self._edge.now()))

    def _withhold(self, action: Action, want: Desired, _: Observed | None) -> None:
        assert isinstance(action, Withhold)
        if action.reason == NEEDS_REPLACE:
            self._fail(want, Failure(NEEDS_REPLACE, action.message, retryable=False))
            return
        self._write(want, lambda session: drift.withheld(session, want, action, self._edge.now()))
