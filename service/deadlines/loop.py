"""The clock of the product: exposures whose time has come, the longest due first, some in each transaction.

Any number of workers may run it: rows are claimed with SKIP LOCKED. Nothing is remembered here; a row's
``next_deadline_at`` says when it is looked at, and whoever changes an exposure sets it to now. A fault in one
is never another's: then each is looked at alone, and the one that fails is put off.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from service.deadlines.visit import RETRY, visit
from service.domain.errors import Unavailable, WharfingerError
from service.domain.exposure import ExposureRecord
from service.store import deadlines, exposures, policies
from service.store.database import Transactions
from service.workflow.judge import Judge

log = logging.getLogger(__name__)

MOST = 100
"""So many exposures are looked at before policies are, and before the loop waits if there are no more."""

TOGETHER = 20
"""So many are looked at in one transaction: it holds their rows until it is over."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What wiring hands to the clock."""

    transaction: Transactions
    now: Callable[[], datetime]
    judge: Judge


class Clock:
    """Moves every deadline of the ledger until it is stopped."""

    def __init__(self, edge: Edge, poll_seconds: float) -> None:
        self._edge, self._poll_seconds = edge, poll_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deadlines")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the exposures that are being looked at."""
        self._stopping.set()
        self._thread.join()

    def turn(self) -> int:
        """Look at what is due, once; return how many exposures that were.

        Raises:
            Busy, Unavailable: the database.
        """
        with self._edge.transaction() as session:
            deadlines.call_up(session, policies.epoch(session), self._edge.now())
        seen = 0
        while seen < MOST and not self._stopping.is_set():
            found = self._visit(min(TOGETHER, MOST - seen))
            if not found:
                break
            seen += found
        return seen

    def _visit(self, most: int) -> int:
        """Look at some exposures together, or at each alone when that fails; return at how many."""
        claimed: list[ExposureRecord] = []
        try:
            with self._edge.transaction() as session:
                now, epoch = self._edge.now(), policies.epoch(session)
                claimed = deadlines.claim(session, now, most)
                for record in claimed:
                    visit(session, record, epoch, now, self._edge.judge)
        except Unavailable:
            raise
        except Exception as error:
            if len(claimed) > 1:
                return sum(self._visit(1) for _ in claimed)
            if not claimed:
                raise
            self._put_off(claimed[0], error)
        return len(claimed)

    def _put_off(self, record: ExposureRecord, error: Exception) -> None:
        """Let the others go before one that cannot be looked at now."""
        facts = {"exposure_id": str(record.exposure.id), "answer": str(error)}
        log.warning("deadline put off", extra=facts, exc_info=not isinstance(error, WharfingerError))
        with self._edge.transaction() as session:
            exposures.note(session, record.exposure.id, next_deadline_at=self._edge.now() + RETRY)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self.turn() == MOST
            except WharfingerError as error:
                log.warning("deadlines cannot be moved", extra={"answer": str(error)})
                busy = False
            except Exception:
                log.exception("deadlines failed unexpectedly")
                busy = False
            if not busy:
                self._stopping.wait(self._poll_seconds)
