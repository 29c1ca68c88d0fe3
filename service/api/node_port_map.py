"""/v1/clusters/{cluster}/node-port-map: the whole pool at one look, readable by everyone who is known."""

from typing import Any

from service.api import ledger_answers, schemas
from service.api.context import edge
from service.api.ledger_documents import port_map_document
from service.api.resource import Resource
from service.domain.spec import Document
from service.workflow import port_map

blueprint = Resource(
    "node-port-map",
    __name__,
    url_prefix="/v1/clusters/<cluster>/node-port-map",
    description="The whole pool of node ports at one look.",
)


@blueprint.route("", methods=["GET"])
@blueprint.queries(schemas.NodePortMapQuerySchema())
@blueprint.gives(200, ledger_answers.NodePortMapSchema())
@blueprint.problems(401, 404)
def get_node_port_map(query: dict[str, Any], cluster: str) -> Document:
    """Read the port map of a cluster

    Counts, bands, and runs of neighbouring numbers that are alike. The filters choose runs; the rest stays.
    """
    with edge().transaction() as session:
        whole = port_map.of_cluster(session, cluster, edge().now())
    return port_map_document(whole, query.get("state"), query.get("team"))
