"""What a cluster's mode holds back, and what never changes in place: in words, with what to do. Pure."""

from collections.abc import Iterable, Mapping

from service.domain.cluster import Mode

DRY_RUN, UPSERT_ONLY = "DryRun", "UpsertOnly"
"""The reasons of what a cluster's mode holds back."""


WOULD: Mapping[str, str] = {
    "Create": "make the Service",
    "Replace": "change the Service ({})",
    "Recreate": "delete the Service and make it again ({})",
    "Adopt": "set the owner mark on the Service",
    "HandBack": "take the owner mark off the Service",
    "Delete": "delete the Service",
}
"""By the names of the actions that write, what follows "the worker would"."""


def held_back(mode: Mode, action: str, paths: Iterable[str]) -> tuple[str, str] | None:
    """Return reason and message when the mode does not let the worker do it; None: it may."""
    would = WOULD[action].format(", ".join(paths) or "its owner mark")
    if mode is Mode.DRY_RUN:
        message = f"The cluster's mode is dry-run: the worker would {would}, and sends nothing."
        return DRY_RUN, f"{message} The platform sets the mode."
    if mode is Mode.UPSERT_ONLY and action in ("Recreate", "Delete"):
        message = f"The cluster's mode is upsert-only: the worker would {would}, and deletes nothing."
        return UPSERT_ONLY, f"{message} The platform sets the mode."
    return None


def explain_fixed(paths: Iterable[str]) -> str:
    """Return which fields need another Service, and what to do."""
    listed = ", ".join(sorted(paths)) or "A field of it"
    return (
        f"{listed} cannot change in place: the Service would have to be deleted and made again, and this "
        "revision does not say replace: true. Ask for it with replace: true, or leave that as it is."
    )
