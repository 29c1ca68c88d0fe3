"""The pool of node ports and its two bands.

Kubernetes' own allocator picks at random from the upper (dynamic) band when nobody names a number; so numbers
that are named explicitly belong in the lower (static) band, where no random pick can collide with them.
Source: KEP-3668.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

DEFAULT_FIRST, DEFAULT_LAST = 30000, 32767


@dataclass(frozen=True, slots=True)
class Pool:
    """The node ports that a cluster may give out, both ends inclusive: its ``--service-node-port-range``."""

    first: int = DEFAULT_FIRST
    last: int = DEFAULT_LAST

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last <= 65535:
            raise ValueError(f"a node port range is FIRST-LAST within 1-65535, not {self.first}-{self.last}")

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def static_band(self) -> range:
        """Return the numbers that Kubernetes leaves alone when it chooses; empty for 16 ports or fewer."""
        size = self.last - self.first + 1
        offset = 0 if size <= 16 else min(max(16, size // 32), 128)
        return range(self.first, self.first + offset)

    def dynamic_band(self) -> range:
        """Return the numbers above the static band."""
        return range(self.static_band().stop, self.last + 1)

    @classmethod
    def parse(cls, text: str) -> "Pool":
        """Return the pool that ``FIRST-LAST`` names.

        Raises:
            ValueError: it is no such range.
        """
        first, dash, last = text.partition("-")
        if not (dash and text.isascii() and first.isdecimal() and last.isdecimal()):
            raise ValueError(f"a node port range is written FIRST-LAST, not {text!r}")
        return cls(int(first), int(last))


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """How full a pool is: what a refusal tells. ``by_state`` counts the numbers of the pool alone.

    ``by_team`` has every team that holds some, most first; ``reserved`` counts free numbers that are kept
    for others; ``next_free_at`` is when the next one has cooled, None: none is cooling.
    """

    by_state: Mapping[str, int]
    by_team: Mapping[str, int]
    reserved: int = 0
    next_free_at: datetime | None = None
