"""/metrics: how full each pool of node ports is, for Prometheus; open to everyone, like health.

The numbers are counted in the database when they are asked for, and kept for a few seconds: several scrapers,
or an eager one, cost one count.
"""

from datetime import datetime, timedelta
from threading import Lock

from flask import Blueprint, Response, current_app, request

from service.api.context import edge
from service.telemetry import Gauge, exposition
from service.workflow.port_map import PortCount, port_counts

EXTENSION = "wharfinger-metrics"
FRESH = timedelta(seconds=5)

blueprint = Blueprint("metrics", __name__)


class RecentCounts:
    """The last counts of a process; one of its threads counts, the others wait for that."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counted_at: datetime | None = None
        self._counts: tuple[PortCount, ...] = ()

    def __call__(self) -> tuple[PortCount, ...]:
        """Return counts that are a few seconds old at most."""
        now = edge().now()
        with self._lock:
            if self._counted_at is None or not timedelta(0) <= now - self._counted_at < FRESH:
                with edge().transaction() as session:
                    self._counts = tuple(port_counts(session, now))
                self._counted_at = now
            return self._counts


@blueprint.route("/metrics")
def metrics() -> Response:
    """Answer the gauges in the form that Accept asks for."""
    counts: tuple[PortCount, ...] = current_app.extensions[EXTENSION]()
    gauge = Gauge(
        "wharfinger_node_ports",
        "Node ports of a cluster by band and state; all states of a band but outside add up to its size.",
        ("cluster", "band", "state"),
        tuple(((count.cluster, count.band, count.state), count.ports) for count in counts),
    )
    text, media_type = exposition([gauge], request.headers.get("Accept", ""))
    return current_app.response_class(text, content_type=media_type)
