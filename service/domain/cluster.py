"""What the platform wants of a cluster: how far the worker may go in it."""

from enum import StrEnum


class Mode(StrEnum):
    """What the worker may write."""

    DRY_RUN = "dry-run"
    """Nothing: it says what it would do."""
    UPSERT_ONLY = "upsert-only"
    """Services come and change, none goes."""
    SYNC = "sync"
    """Everything."""


class OnDrift(StrEnum):
    """What becomes of a field of ours that somebody has changed."""

    HEAL = "heal"
    """It is put right at once."""
    REPORT = "report"
    """A person decides."""
