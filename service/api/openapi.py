"""The committed openapi.yaml is what the code says: ``make openapi`` writes it, a test compares."""

from contextlib import nullcontext
from datetime import UTC, datetime

from service.api.app import create_app
from service.api.context import Edge
from service.api.docs import as_yaml


def document() -> str:
    """Return the OpenAPI document as YAML."""
    nothing = Edge(nullcontext, lambda: datetime.now(UTC), bytes, dict)
    with create_app(nothing).app_context():
        return as_yaml().get_data(as_text=True)
