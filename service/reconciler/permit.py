"""Whether the actions of one lot may be sent: asked once, by whoever needs the answer first.

Asking writes the ledger's mark into the cluster. That may take as long as the write that waits for it, so
the crew prepares what it will send meanwhile.
"""

import threading
from collections.abc import Callable

from service.domain.errors import MarkUnwritten


class Permit:
    """One lot's. ``ask`` returns whether it is given."""

    def __init__(self, cluster: str, ask: Callable[[], bool]) -> None:
        self._cluster, self._ask = cluster, ask
        self._lock = threading.Lock()
        self._is_given: bool | None = None

    def is_given(self) -> bool:
        """Return whether it is; wait for who is asking.

        Raises:
            Busy, Unavailable: the database; whoever comes next asks again.
        """
        with self._lock:
            if self._is_given is None:
                self._is_given = self._ask()
            return self._is_given

    def check(self) -> None:
        """Return when a write may begin.

        Raises:
            MarkUnwritten: it may not.
            Busy, Unavailable: the database.
        """
        if not self.is_given():
            raise MarkUnwritten(self._cluster)
