"""What a request is answered with is built from what was written: it has to be what a reader finds then."""

import pytest

from service.store.sync import record_view
from tests.integration.api_world import World, a_request, shown


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "ClusterIP", "ports": [{"port": 80}]},
        {"type": "NodePort", "ports": [{"port": 80}]},
        {"type": "NodePort", "ports": [{"port": 80, "node_port": 30009}], "lifetime": "72h"},
        {
            "type": "NodePort",
            "ports": [
                {"name": "udp", "port": 53, "protocol": "UDP"},
                {"name": "tcp", "port": 53, "protocol": "TCP"},
                {"name": "web", "port": 80},
            ],
        },
        {
            "type": "LoadBalancer",
            "ports": [{"port": 80}],
            "external_traffic_policy": "Local",
            "load_balancer": {},
        },
    ],
)
def test_the_answer_to_a_request_is_what_a_reader_finds(world: World, changes: dict[str, object]) -> None:
    with world.transaction() as session:
        record_view(session, "dev", ["192.0.2.1"], world.now())
    made = world.ann.submit(a_request(**changes))
    found = world.ann.get(made.location)
    assert shown(made) == found.json
    assert made.headers["ETag"] == found.headers["ETag"]
