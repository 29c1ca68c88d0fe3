"""The policies that ship hold from the first migration on: without any, nothing could be approved."""

from service.policies import DEFAULTS, shipped
from service.store.database import open_engine, transactions
from service.wiring import now
from service.workflow.govern import install


def install_policies(url: str) -> int:
    """Let the defaults hold where nobody has written a policy; return how many do from now on.

    Args:
        url: the owner's.
    """
    engine = open_engine(url)
    try:
        with transactions(engine)() as session:
            return install(session, shipped(DEFAULTS), now())
    finally:
        engine.dispose()
