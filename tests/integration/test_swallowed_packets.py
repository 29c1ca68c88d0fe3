"""A database whose packets are swallowed: its connections end in time, whatever they are doing just then.

The way to it leads through a network of its own, whose packets nftables drops from some moment on: neither
side is told, as when a host is gone or a firewall forgets a connection.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import make_url, text

from devcluster.network import Namespace
from service.domain.errors import Unavailable
from service.store.database import Transactions, open_engine, transactions
from tests.e2e.wire import Wire
from tests.postgres import Database
from tests.real_traffic import need_real_traffic

SWALLOW = "table inet swallow { chain everything { type filter hook output priority 0; policy drop; }; }"
SECONDS = 14.0
"""In which it has to end: 10 s or 11 s, and what a busy machine adds."""


class FarDatabase:
    """A database behind a network; its connections are opened in there, and stay there."""

    def __init__(self, database: Database) -> None:
        self._network = Namespace()
        self._network.configure(["link set lo up"])
        listener = self._network.run(lambda: socket.create_server(("127.0.0.1", 0)))
        target = make_url(database.url)
        assert target.port
        self._wire = Wire(target.port, listener)
        url = target.set(host="127.0.0.1", port=self._wire.port).render_as_string(hide_password=False)
        self._engine = open_engine(url, pool_size=1)
        self.transaction: Transactions = transactions(self._engine)
        self._network.run(lambda: self._engine.connect().close())

    def swallow(self) -> None:
        """Drop every packet from now on."""
        self._network.call("nft", "-f", "-", given=SWALLOW)

    def close(self) -> None:
        """Take it away."""
        self._engine.dispose()
        self._wire.close()
        self._network.close()


@pytest.fixture
def far(own_database: Database) -> Iterator[FarDatabase]:
    need_real_traffic()
    far = FarDatabase(own_database)
    yield far
    far.close()


def seconds_until_unavailable(act: Callable[[], object]) -> float:
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        act()
    return time.monotonic() - begun


def test_a_question_that_never_arrives_is_given_up(far: FarDatabase) -> None:
    def ask() -> None:
        with far.transaction() as session:
            session.execute(text("SELECT 1"))
            far.swallow()
            session.execute(text("SELECT 2"))

    assert seconds_until_unavailable(ask) < SECONDS


def test_an_answer_that_never_arrives_is_given_up(far: FarDatabase) -> None:
    def ask() -> None:
        with far.transaction() as session:
            threading.Timer(0.5, far.swallow).start()
            session.execute(text("SELECT pg_sleep(1)"))

    assert seconds_until_unavailable(ask) < SECONDS
