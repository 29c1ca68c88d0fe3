"""The document of what was just asked for: a dry run shows more, since nothing of it can be read later."""

from typing import Any

from service.api.context import edge, is_dry_run
from service.api.documents import exposure_document
from service.domain.manifest import with_ports
from service.domain.spec import Document
from service.workflow.explain import explained
from service.workflow.submit import Submitted


def submitted_document(session: Any, made: Submitted) -> Document:
    """Return the exposure with its warnings and every gate, so with who can fill its seats.

    In a dry run with the Service too.
    """
    record, now = made.record, edge().now()
    said = {"warnings": made.warnings, "explain": explained(session, record, now)}
    if is_dry_run():
        shown = record.shown()
        said["manifest"] = with_ports(shown.manifest, shown.allocation)
    return exposure_document(record, now) | said
