"""What wiring hands to the worker: time, randomness and the database are arguments."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.store.database import Session, Transactions
from service.workflow.judge import Judge


@dataclass(frozen=True, slots=True)
class Edge:
    """``monotonic`` in seconds; ``cooling``: how long a released port stays with its last team.

    ``namespace``: the worker's own, in each cluster: the mark of the ledger is kept there. ``unfenced``: for
    what only reads, where ``transaction`` asks for the lease as well.
    """

    transaction: Transactions
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    entropy: Callable[[int], bytes]
    cooling: timedelta
    judge: Judge
    namespace: str = "wharfinger"
    unfenced: Transactions | None = None

    def reading(self) -> AbstractContextManager[Session]:
        """Open a transaction that writes nothing."""
        return (self.unfenced or self.transaction)()
