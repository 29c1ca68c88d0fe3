"""Many threads, few commits: what several actions write at about the same time goes in one transaction.

Who comes first leads: it commits for all who wait by then, lets them go, and the first of those who came
meanwhile leads next. A lone action never waits for company. Where many are under way, the one that leads
waits a little for some of them, as PostgreSQL does with ``commit_siblings``: each pays a small part of a
transaction then, for the rows are locked and read together. A fault in one is never another's: then each one
is written alone.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from service.domain.errors import Unavailable
from service.store import exposures
from service.store.database import Session, Transactions

T = TypeVar("T")
MOST = 64
"""So many are written in one transaction: it holds their rows until it is over."""

GATHER_SECONDS = 0.03
"""How long the first one waits at most: half of those who are under way may have come by then."""


class _Entry:
    """What one thread wants to write, and what came of it."""

    def __init__(self, exposure_id: UUID, write: Callable[[Session], Any]) -> None:
        self.exposure_id, self.write = exposure_id, write
        self.is_done = False
        self.told = threading.Event()
        self.outcome: Any = None
        self.error: Exception | None = None

    def ends(self, outcome: Any = None, error: Exception | None = None) -> None:
        self.outcome, self.error, self.is_done = outcome, error, True

    def result(self) -> Any:
        """Return the outcome, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.outcome


class Batch:
    """Gathers the writes of one cluster's actions."""

    def __init__(
        self,
        transaction: Transactions,
        under_way: Callable[[], int] = lambda: 1,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        """``under_way``: how many will soon have something to write, whoever asks among them."""
        self._transaction, self._under_way = transaction, under_way
        self._gather_seconds = gather_seconds
        self._waiting: deque[_Entry] = deque()
        self._turn = threading.Lock()
        self._arrival = threading.Condition()
        self._awaited = 0
        self._is_led = False

    def write(self, exposure_id: UUID, write: Callable[[Session], T]) -> T:
        """Do something in a transaction that locks one exposure; return what that returned, once committed.

        ``write`` may be called twice: the first time was rolled back then.

        Raises:
            Busy, Unavailable: the database; and whatever ``write`` raises.
        """
        entry = _Entry(exposure_id, write)
        with self._arrival:
            self._waiting.append(entry)
            leads, self._is_led = not self._is_led, True
            if len(self._waiting) == self._awaited:  # once for all: each wake-up would cost what it saves
                self._arrival.notify()
        if not leads:
            entry.told.wait()  # it is written, or it is ours to lead
        if not entry.is_done:
            self._lead()
        outcome: T = entry.result()
        return outcome

    def _lead(self) -> None:
        """Write what waits, the own entry first; then let the next one lead, and all others go.

        Who is told needs no lock to go on: it would stand behind the next one's gathering, and be waited for.
        """
        lot: list[_Entry] = []
        try:
            self._gather()
            with self._arrival:
                lot = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            with self._turn:
                self._commit(lot)
        finally:
            with self._arrival:
                self._is_led = bool(self._waiting)
                following = self._waiting[0] if self._waiting else None
            for entry in lot:
                entry.told.set()
            if following is not None:
                following.told.set()

    def _gather(self) -> None:
        """Wait a little for company, where there is some."""
        with self._arrival:
            self._awaited = self._under_way() // 2
            self._arrival.wait_for(lambda: len(self._waiting) >= self._awaited, self._gather_seconds)
            self._awaited = 0

    def write_all(self, writes: Mapping[UUID, Callable[[Session], T]]) -> Mapping[UUID, Callable[[], T]]:
        """Do something for several exposures, together as far as that goes, once committed.

        Returns:
            What returns the outcome for each, or raises what ``write`` would have raised.
        """
        entries = [_Entry(exposure_id, write) for exposure_id, write in writes.items()]
        with self._turn:
            for begin in range(0, len(entries), MOST):
                self._commit(entries[begin : begin + MOST])
        return {entry.exposure_id: entry.result for entry in entries}

    def _commit(self, entries: Sequence[_Entry]) -> None:
        left = entries if len(entries) == 1 else self._together(entries)
        for entry in left:
            self._alone(entry)

    def _together(self, entries: Sequence[_Entry]) -> Sequence[_Entry]:
        """Write all whose rows are free in one transaction; return those that have to be written alone."""
        outcomes = {}
        try:
            with self._transaction() as session:
                locked = exposures.lock_ahead(session, [entry.exposure_id for entry in entries])
                for entry in entries:
                    if entry.exposure_id in locked:
                        outcomes[entry] = entry.write(session)
        except Unavailable as error:
            for entry in entries:
                entry.ends(error=error)
        except Exception:
            return entries
        else:
            for entry, outcome in outcomes.items():
                entry.ends(outcome)
        return [entry for entry in entries if not entry.is_done]

    def _alone(self, entry: _Entry) -> None:
        try:
            with self._transaction() as session:
                outcome = entry.write(session)
        except Exception as error:
            entry.ends(error=error)
        else:
            entry.ends(outcome)
