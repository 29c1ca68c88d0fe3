"""The committed openapi.yaml is what the code says: ``make openapi`` writes it, a test compares."""

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import cast

from service.api.app import create_app
from service.api.context import Edge
from service.api.docs import as_yaml
from service.domain.policy import Evaluator
from service.workflow.judge import Judge


def document() -> str:
    """Return the OpenAPI document as YAML."""
    unasked = Judge(cast(Evaluator, None))
    nothing = Edge(nullcontext, lambda: datetime.now(UTC), bytes, dict, unasked)
    with create_app(nothing).app_context():
        return as_yaml().get_data(as_text=True)
