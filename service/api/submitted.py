"""The document of what was just asked for: a dry run shows more, since nothing of it can be read later."""

from typing import Any

from service.api.context import edge, is_dry_run
from service.api.documents import exposure_document
from service.domain.manifest import with_ports
from service.domain.spec import Document
from service.workflow.explain import explained
from service.workflow.submit import Submitted


def submitted_document(session: Any, made: Submitted) -> Document:
    """Return the exposure with its warnings; in a dry run with every gate and the Service too."""
    record, now = made.record, edge().now()
    document = exposure_document(record, now) | {"warnings": made.warnings}
    if is_dry_run():
        shown = record.shown()
        document["explain"] = explained(session, record, now)
        document["manifest"] = with_ports(shown.manifest, shown.allocation)
    return document
