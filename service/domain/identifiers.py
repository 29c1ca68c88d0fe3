"""Identifiers made from arguments, so that a test can fix them, and what a name may be."""

import re
from datetime import datetime
from uuid import UUID

NAME = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""Clusters, teams, namespaces, policies, reservations: each is a DNS label."""

NAME_IN_WORDS = "1-63 of a-z, 0-9 and '-', not first or last"


def uuid7(now: datetime, entropy: bytes) -> UUID:
    """Return a UUIDv7: sortable by time to the millisecond, random below it.

    Args:
        now: an aware time.
        entropy: at least 10 random bytes.

    Source: RFC 9562 §5.7.
    """
    milliseconds = int(now.timestamp() * 1000)
    random = int.from_bytes(entropy[:10], "big")
    value = (milliseconds & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (random >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | random & (1 << 62) - 1
    return UUID(int=value)
