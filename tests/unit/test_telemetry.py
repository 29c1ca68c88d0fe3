"""Log lines: facts as fields, and no secret in them, whatever goes wrong."""

import json
import logging
import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys
from service.telemetry import configure_logs
configure_logs(sys.argv[1], "api")
log = logging.getLogger("service.test")
def fail():
    token = "wft_" + "5ec2e7" * 10
    raise RuntimeError("boom")
log.info("applied", extra={"exposure_id": "e-1"})
try:
    fail()
except RuntimeError:
    log.exception("went wrong")
"""


def run(form: str) -> str:
    """Return what a process writes that logs a line and an exception whose frame holds a token."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_shows_no_local_variables(form: str) -> None:
    said = run(form)
    assert "RuntimeError: boom" in said
    assert "5ec2e7" not in said.replace('"5ec2e7" * 10', "")


def test_json_lines_hold_the_facts_as_fields() -> None:
    line = json.loads(run("json").splitlines()[0])
    assert (line["event"], line["exposure_id"], line["process"], line["level"]) == (
        "applied",
        "e-1",
        "api",
        "info",
    )


def test_the_root_logger_of_this_process_is_left_alone() -> None:
    assert not any("structlog" in repr(handler.formatter) for handler in logging.getLogger().handlers)
