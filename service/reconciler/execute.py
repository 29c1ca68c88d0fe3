"""Perform one planned action: look again under the lock, call the cluster, write down what came of it.

The three writes are fenced by the apiserver itself (design.md §7): a create is a POST, so it never takes a
foreign object over; a change is a PUT with the uid and resourceVersion just read; a delete carries both as
preconditions.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from service.cluster.gateway import Gateway, Kind
from service.domain.adoption import why_changed
from service.domain.errors import (
    ClusterAway,
    ClusterError,
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    PortAllocated,
    WharfingerError,
)
from service.domain.exposure import Decision, ExposureRecord
from service.domain.manifest import Mark, differs, merged, with_mark, without_mark
from service.domain.plan import (
    ADOPTION_CHANGED,
    FOREIGN_OWNER,
    TERMINATING,
    Action,
    Adopt,
    Confirm,
    Create,
    Delete,
    Desired,
    HandBack,
    Linger,
    Observed,
    Ref,
    Replace,
    Report,
    Settle,
)
from service.domain.spec import Document
from service.reconciler import recording
from service.reconciler.batch import Batch
from service.reconciler.clashes import (
    explain_changed,
    explain_foreign,
    explain_taken_port,
    explain_terminating,
)
from service.reconciler.edge import Edge
from service.reconciler.recording import Failure
from service.reconciler.refusal import refused
from service.reconciler.removal import removed
from service.store.database import Session

log = logging.getLogger(__name__)

SEND_WITHIN_SECONDS = 5.0
"""No create starts later than this after its look: a process that was stopped meanwhile looks again."""

UNFORESEEN = Failure("Unexpected", "A fault of the worker itself; its log tells more. It is tried again.")

T = TypeVar("T")
Act = Callable[[Action, Desired, Observed | None], None]


class Executor:
    """Acts on one cluster."""

    def __init__(
        self, gateway: Gateway, edge: Edge, batch: Batch, wrote: Callable[[Document], object]
    ) -> None:
        """``wrote`` is told each Service as the cluster stored it after a write of ours."""
        self._gateway, self._edge, self._batch, self._wrote = gateway, edge, batch, wrote
        self._acts: Mapping[type[Action], Act] = {
            Create: self._create,
            Replace: self._replace,
            Adopt: self._adopt,
            HandBack: self._hand_back,
            Delete: self._delete,
            Confirm: self._confirm,
            Settle: self._settle,
            Report: self._report,
            Linger: self._linger,
        }

    def execute(self, action: Action, want: Desired, have: Observed | None) -> None:
        """Do one action; whatever the cluster answers ends in the ledger, never in an exception.

        Raises:
            Busy, Unavailable: the database.
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
            self._fail(want, _failure_of(error))
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
        begun = self._edge.monotonic()
        token = self._edge.entropy(16).hex()
        known = {
            "uid": None,
            "create_tokens": [*want.create_tokens, token],
            "create_sent_at": self._edge.now(),
        }
        if self._prepare(want, spent=token, **known) is None:
            return
        if self._edge.monotonic() - begun > SEND_WITHIN_SECONDS:
            return
        sent = with_mark(want.manifest, want.marked(token))
        try:
            stored = self._gateway.create(sent)
        except (ObjectExists, PortAllocated) as error:
            self._clash(action.ref, want, error, token)
        except ClusterAway as error:
            self._fail(want, _failure_of(error))
        except ClusterError as error:
            self._fail(want, _failure_of(error), spent=token)
        else:
            self._written(want, stored, sent, action.reason)

    def _clash(self, ref: Ref, want: Desired, error: ClusterError, token: str) -> None:
        """Find out who has the name or the port. A lost create of ours, or another worker's, is no clash."""
        found = self._gateway.service(ref.namespace, ref.name)
        if found is not None:
            seen = Observed(found)
            if self._write(want, lambda s: recording.recognised(s, want, seen, token, self._edge.now())):
                return  # the next look confirms it
            failure = Failure(FOREIGN_OWNER, explain_foreign(found))
        elif isinstance(error, PortAllocated):
            failure = explain_taken_port(self._gateway.list(Kind.SERVICES).items, want)
        else:
            failure = _failure_of(error)
        self._fail(want, failure, spent=token)

    def _replace(self, action: Action, want: Desired, _: Observed | None) -> None:
        assert want.manifest is not None
        record = self._prepare(want)
        current = self._ours(action.ref, want) if record else None
        if record is None or current is None:
            return
        mark, live = Mark.of(current.service), record.newest(Decision.LIVE)
        token = mark.create_token if mark else self._edge.entropy(16).hex()  # the mark may have been stripped
        wanted = with_mark(want.manifest, want.marked(token))
        try:
            stored = self._gateway.replace(merged(current.service, wanted, live.manifest if live else None))
        except ObjectChanged:
            return  # somebody was faster: look again
        except PortAllocated:
            services = self._gateway.list(Kind.SERVICES).items
            others = (service for service in services if Observed(service).ref != action.ref)
            self._fail(want, explain_taken_port(others, want))
            return
        self._written(want, stored, wanted, action.reason)

    def _adopt(self, action: Action, want: Desired, _: Observed | None) -> None:
        """Set our mark on what was approved, and on nothing else: the write is fenced by what was just read.

        One token serves all its tries: only that very Service, as it was read, can get it.
        """
        assert want.manifest is not None
        assert want.adopts_uid is not None
        token = want.create_tokens[0] if want.create_tokens else self._edge.entropy(16).hex()
        known = {"create_tokens": [token], "create_sent_at": self._edge.now()}
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
            stored = self._gateway.replace(with_mark(found, want.marked(token)))
        except ObjectChanged:
            return  # somebody was faster: look again
        self._written(want, stored, with_mark(want.manifest, want.marked(token)), action.reason)

    def _hand_back(self, action: Action, want: Desired, have: Observed | None) -> None:
        """Take the mark off again: what was never written down as adopted is somebody else's, as before."""
        if self._write(want, lambda session: recording.begin(session, want, self._edge.now())) is None:
            return
        found = self._gateway.service(action.ref.namespace, action.ref.name)
        if found is not None and want.has_marked(Observed(found)):
            try:
                self._wrote(self._gateway.replace(without_mark(found)))
            except ObjectChanged:
                return  # somebody was faster: look again
        self._settle(action, want, have)

    def _delete(self, action: Action, want: Desired, have: Observed | None) -> None:
        if self._write(want, lambda session: recording.begin(session, want, self._edge.now())) is None:
            return
        current = self._ours(action.ref, want)
        if current is not None and current.uid != want.uid:  # a lost create that did arrive: it is spent
            found = current
            self._write(want, lambda session: recording.met(session, want, found, self._edge.now()))
        if current is not None and not current.terminating:
            ref = action.ref
            try:
                self._gateway.delete(ref.namespace, ref.name, current.uid, current.resource_version)
            except ObjectMissing:
                pass
            except ObjectChanged:
                return  # somebody was faster: look again
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

    def _prepare(self, want: Desired, spent: str | None = None, **values: object) -> ExposureRecord | None:
        """Look again, bind the ports, write down what is tried; None: it must not be sent."""
        record, obstacle = self._write(want, lambda session: self._begin(session, want, values))
        if obstacle is not None:
            self._fail(want, obstacle, spent)
            return None
        return record

    def _begin(
        self, session: Session, want: Desired, values: Mapping[str, object]
    ) -> tuple[ExposureRecord | None, Failure | None]:
        now = self._edge.now()
        if not want.is_live and refused(session, want, now, self._edge.judge):
            return None, None
        record = recording.begin(session, want, now, revision=want.revision, **values)
        return record, recording.obstacle(session, record, want, now) if record else None

    def _ours(self, ref: Ref, want: Desired) -> Observed | None:
        """Read the Service directly; None: it is not there, or not ours."""
        found = self._gateway.service(ref.namespace, ref.name)
        return Observed(found) if found is not None and want.owns(Observed(found)) else None

    def _written(self, want: Desired, stored: Document, sent: Document, reason: str) -> None:
        """Write down a write that was taken. What the cluster changed on the way is not what was approved."""
        self._wrote(stored)
        changed = differs(stored, sent)
        if not changed:
            self._applied(want, Observed(stored), reason)
            return
        self._write(want, lambda session: recording.met(session, want, Observed(stored), self._edge.now()))
        self._fail(want, Failure("ChangedByCluster", explain_changed(changed)))

    def _applied(self, want: Desired, stored: Observed, reason: str) -> None:
        edge = self._edge
        self._write(
            want, lambda session: recording.applied(session, want, stored, reason, edge.now(), edge.cooling)
        )

    def _write(self, want: Desired, write: Callable[[Session], T]) -> T:
        return self._batch.write(want.exposure_id, write)

    def _fail(self, want: Desired, failure: Failure, spent: str | None = None) -> None:
        facts = {"exposure_id": str(want.exposure_id), "reason": failure.reason, "answer": failure.message}
        log.warning("could not act", extra=facts)
        jitter = self._edge.entropy(1)[0] / 255
        self._write(
            want, lambda session: recording.failed(session, want, failure, self._edge.now(), jitter, spent)
        )


def _failure_of(error: ClusterError) -> Failure:
    return Failure(error.reason, str(error), error.retryable, unknown=isinstance(error, ClusterAway))
