"""Logs and metrics.

A log line is a constant message with facts as fields; text for people, JSON for machines. Every module logs
by the standard library; structlog writes the lines.

Metrics are gauges that are computed when they are asked for, from the database. So it is all the same which
of the server's processes answers, and none keeps counts that the others do not have.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

LEVELS = {
    "gunicorn.error": logging.INFO,
    "alembic": logging.WARNING,
    "urllib3": logging.ERROR,
    "kubernetes": logging.WARNING,
    "psycopg": logging.ERROR,
}
"""Others' loggers; a retry of urllib3 is told by us, with the cluster's name, as a row that is busy is."""


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


@dataclass(frozen=True, slots=True)
class Gauge(Collector):
    """One gauge; a sample is the values of its labels, in their order, and the number."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    samples: tuple[tuple[tuple[str, ...], float], ...]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield it as the client writes it out."""
        family = GaugeMetricFamily(self.name, self.meaning, labels=self.labels)
        for values, number in self.samples:
            family.add_metric(values, number)
        yield family


def exposition(gauges: Iterable[Gauge], accept: str) -> tuple[bytes, str]:
    """Return the gauges as Prometheus reads them, and the media type.

    Args:
        gauges: each name once.
        accept: the scraper's Accept header; empty for the plain text form.
    """
    registry = CollectorRegistry(auto_describe=False)
    for gauge in gauges:
        registry.register(gauge)
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type
