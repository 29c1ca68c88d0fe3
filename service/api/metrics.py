"""/metrics: how full each pool is and how each cluster stands, for Prometheus; open to everyone, like health.

The numbers are counted in the database when they are asked for, and kept for a few seconds: several scrapers,
or an eager one, cost one count.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from threading import Lock

from flask import Blueprint, Response, current_app, request

from service.api.context import edge
from service.domain.standing import Standing
from service.telemetry import Gauge, exposition
from service.workflow.numbers import Numbers, count

EXTENSION = "wharfinger-metrics"
FRESH = timedelta(seconds=5)
OF_A_CLUSTER: Sequence[tuple[str, str, Callable[[Standing], float]]] = (
    ("kept", "1 while a worker holds the lease of the cluster, else 0.", lambda s: s.is_kept),
    ("readable", "1 while the worker can read the cluster, else 0.", lambda s: s.is_readable),
    (
        "frozen",
        "1 while nothing is written there because it knows another state of the ledger, else 0.",
        lambda s: s.is_frozen,
    ),
    (
        "seen_timestamp_seconds",
        "When the worker last looked at the cluster; 0: never.",
        lambda s: s.seen_at.timestamp() if s.seen_at else 0,
    ),
    ("orphans", "Services with our mark whose exposure has ended.", lambda s: s.orphans),
    ("strangers", "Services with our mark that no exposure knows, copies among them.", lambda s: s.strangers),
    (
        "removals_withheld",
        "Removals of orphans that the brake holds until somebody lets them go on.",
        lambda s: s.withheld,
    ),
)
"""Ending of the gauge's name, its meaning, and its number."""

blueprint = Blueprint("metrics", __name__)


class RecentCounts:
    """The last counts of a process; one of its threads counts, the others wait for that."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counted_at: datetime | None = None
        self._gauges: tuple[Gauge, ...] = ()

    def __call__(self) -> tuple[Gauge, ...]:
        """Return gauges that are a few seconds old at most."""
        now = edge().now()
        with self._lock:
            if self._counted_at is None or not timedelta(0) <= now - self._counted_at < FRESH:
                with edge().transaction() as session:
                    self._gauges = tuple(gauges(count(session, now)))
                self._counted_at = now
            return self._gauges


def gauges(numbers: Numbers) -> Iterator[Gauge]:
    """Yield every gauge."""
    yield Gauge(
        "wharfinger_node_ports",
        "Node ports of a cluster by band and state; all states of a band but outside add up to its size.",
        ("cluster", "band", "state"),
        tuple(((found.cluster, found.band, found.state), found.ports) for found in numbers.ports),
    )
    yield Gauge(
        "wharfinger_exposures",
        "Exposures that have not ended, by the worker's state and its reason.",
        ("cluster", "state", "reason"),
        tuple(((found.cluster, found.state, found.reason), found.exposures) for found in numbers.exposures),
    )
    for name, meaning, number in OF_A_CLUSTER:
        samples = tuple(((standing.name,), float(number(standing))) for standing in numbers.clusters)
        yield Gauge(f"wharfinger_cluster_{name}", meaning, ("cluster",), samples)


@blueprint.route("/metrics")
def metrics() -> Response:
    """Answer the gauges in the form that Accept asks for."""
    counted: tuple[Gauge, ...] = current_app.extensions[EXTENSION]()
    text, media_type = exposition(counted, request.headers.get("Accept", ""))
    return current_app.response_class(text, content_type=media_type)
