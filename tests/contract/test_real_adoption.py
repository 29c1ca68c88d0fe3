"""A Service that somebody made on a real kube-apiserver is adopted: it gets the mark, and nothing else."""

from contextlib import suppress
from typing import Any

import pytest

from devcluster import ApiRefused
from service.store import identities
from tests.conftest import Clock
from tests.contract.clusters import Real
from tests.integration.adoption_world import THE_MARK, Adopting, AdoptionWorld, changed, shop
from tests.integration.reconciler_world import Looker
from tests.postgres import Database

Document = dict[str, Any]
BALANCER = {
    "type": "LoadBalancer",
    "externalTrafficPolicy": "Local",
    "loadBalancerSourceRanges": ["10.0.0.0/8"],
}


@pytest.mark.parametrize("spec", [{}, BALANCER], ids=["NodePort", "LoadBalancer"])
def test_an_adoption_changes_the_mark_alone(
    database: Database, clock: Clock, real: Real, spec: Document
) -> None:
    world, namespace = AdoptionWorld(database, clock), real.add_namespace()
    with world.transaction() as session:
        identities.add_namespace(session, "dev", namespace, "development")
        identities.give_namespace(session, "team-a", "dev", namespace)
    path = f"/api/v1/namespaces/{namespace}/services"
    real.request("POST", path, {"apiVersion": "v1", "kind": "Service", **shop(namespace=namespace, **spec)})
    with suppress(ApiRefused):  # the cluster forgets the ledger of an earlier test
        real.request("DELETE", "/api/v1/namespaces/wharfinger/configmaps/wharfinger-ledger-wharfinger")
    before = real.request("GET", f"{path}/shop")
    worker = Looker(real.gateway, world.edge)
    worker.look()
    wanted = Adopting(world, world.wish(namespace=namespace))
    worker.look()
    assert real.request("GET", f"{path}/shop") == before
    wanted.review()
    worker.look()

    after = real.request("GET", f"{path}/shop")
    assert wanted.state() == "adopted", wanted.applied()
    assert changed(before, after) == THE_MARK
    assert after["spec"] == before["spec"]
    runs = world.api.ben.get("/v1/clusters/dev/node-port-map?team=team-a").json["runs"]
    assert {number for run in runs for number in range(run["first"], run["last"] + 1)} >= {30021, 30022}
    assert {run["state"] for run in runs} == {"bound"}
