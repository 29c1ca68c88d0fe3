"""docker-compose.yml as tests read it; the end-to-end tests run the same commands as processes."""

import json
import re
from typing import Any

import yaml

from tests.architecture.sources import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
VARIABLE = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")


def commands() -> dict[str, list[str]]:
    """Return what each container of our image runs: ``{"api": ["wharfinger", "api"], ...}``."""
    entrypoint = re.search(r"^ENTRYPOINT (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert entrypoint, "the Dockerfile has no ENTRYPOINT in its JSON form"
    words: list[str] = json.loads(entrypoint[1])
    return {name: [*words, *service["command"]] for name, service in SERVICES.items() if "build" in service}


def environment(name: str, **values: str) -> dict[str, str]:
    """Return the environment of one container, its ``${VARIABLES}`` replaced by values."""
    stated: dict[str, str] = SERVICES[name].get("environment", {})
    return {key: VARIABLE.sub(lambda found: values[found[1]], value) for key, value in stated.items()}
