"""The clock of the product: exposures whose time has come, one after another, each in its own transaction.

Any number of workers may run it: a row is claimed with SKIP LOCKED. Nothing is remembered here; a row's
``next_deadline_at`` says when it is looked at, and whoever changes an exposure sets it to now.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from service.deadlines.visit import visit
from service.domain.errors import WharfingerError
from service.store import deadlines, policies
from service.store.database import Transactions
from service.workflow.judge import Judge

log = logging.getLogger(__name__)

MOST = 100
"""So many exposures are looked at before the loop looks whether it is to stop."""


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
        """End after the exposure that is being looked at."""
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
            with self._edge.transaction() as session:
                now = self._edge.now()
                record = deadlines.claim(session, now)
                if record is None:
                    break
                visit(session, record, now, self._edge.judge)
            seen += 1
        return seen

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
