"""A shop's specification and its mark, for the tests of the manifest."""

from typing import Any
from uuid import UUID

from service.domain.exposure import Metadata
from service.domain.manifest import Mark
from service.domain.spec import ExposureType, ServicePort, Spec

METADATA = Metadata(cluster="prod", namespace="shop", name="web", team="checkout")
MARK = Mark(UUID(int=7), 3, "sha256:" + "0" * 64, "a-token", "a-request")


def make_spec(**fields: Any) -> Spec:
    """Return a specification with these fields."""
    defaults: dict[str, Any] = {
        "type": ExposureType.NODE_PORT,
        "selector": {"app": "web"},
        "ports": (ServicePort(port=80),),
        "justification": "the shop",
    }
    return Spec(**(defaults | fields))
