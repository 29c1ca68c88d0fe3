"""Who is calling: a bearer token, looked up by its hash."""

import hashlib
from datetime import datetime

from sqlalchemy.orm import Session

from service.domain.errors import Unauthenticated
from service.domain.principal import Principal
from service.store import identities

TOKEN_PREFIX = "wft_"
"""Every token begins with it, so that a scanner finds one that leaked."""


def hash_of(token: str) -> str:
    """Return what the database keeps of a token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def principal_of(session: Session, token: str, now: datetime) -> Principal:
    """Return who a token belongs to.

    Raises:
        Unauthenticated: it is unknown or over; which of the two is not said.
    """
    principal = (
        identities.principal_of(session, hash_of(token), now) if token.startswith(TOKEN_PREFIX) else None
    )
    if principal is None:
        raise Unauthenticated("The token is unknown or has expired. Ask the platform team for a new one.")
    return principal
