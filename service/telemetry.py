"""Logs: a constant message, facts as fields; text for people, JSON for machines.

Every module logs by the standard library; structlog writes the lines.
"""

import logging
import sys
from typing import Any

import structlog

LEVELS = {
    "gunicorn.error": logging.INFO,
    "alembic": logging.WARNING,
    "urllib3": logging.ERROR,
    "kubernetes": logging.WARNING,
}
"""Others' loggers; a retry of urllib3 is told by us, with the cluster's name."""


def configure_logs(form: str, process: str) -> None:
    """Send every log line of this process to stderr.

    Args:
        form: ``text`` or ``json``.
        process: stands in every line: ``api`` or ``worker``.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _logger, _name, event: {"process": process, **event},
    ]
    last: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if form == "json":
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        last += [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The other formatters print local variables: tokens and passwords among them.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name, level in LEVELS.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(level)
