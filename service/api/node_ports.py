"""/v1/clusters/{cluster}/node-ports: the ledger, readable by everyone who is known."""

from dataclasses import asdict
from typing import Any

from service.api import ledger_answers, schemas
from service.api.context import edge, principal
from service.api.exposures import LINK
from service.api.ledger_documents import claim_document, port_document
from service.api.paging import page_answer, page_request
from service.api.resource import Resource
from service.domain.spec import Document
from service.workflow import read

blueprint = Resource(
    "node-ports",
    __name__,
    url_prefix="/v1/clusters/<cluster>/node-ports",
    description="Who owns which node port.",
)


@blueprint.route("", methods=["GET"])
@blueprint.queries(schemas.PageQuerySchema())
@blueprint.gives(200, ledger_answers.NodePortListSchema(), headers={"Link": LINK})
@blueprint.problems(401, 404)
def list_node_ports(query: dict[str, Any], cluster: str) -> tuple[Document, dict[str, str]]:
    """List the claims of a cluster

    By number; a number that is not listed is free.
    """
    with edge().transaction() as session:
        page = read.node_ports(session, cluster, page_request(query), edge().now())
    return page_answer(page, claim_document)


@blueprint.route("/<number:port>", methods=["GET"])
@blueprint.gives(200, ledger_answers.NodePortSchema())
@blueprint.problems(401, 404)
def get_node_port(cluster: str, port: int) -> Document:
    """Read who owns one node port, why and until when

    And who had it before. A number outside the cluster's range is there when somebody has it or had it.
    """
    with edge().transaction() as session:
        return port_document(read.node_port(session, cluster, port, principal(), edge().now()))


@blueprint.route("/<number:port>/history", methods=["GET"])
@blueprint.queries(schemas.PageQuerySchema())
@blueprint.gives(200, ledger_answers.TenureListSchema(), headers={"Link": LINK})
@blueprint.problems(401, 404)
def list_node_port_history(query: dict[str, Any], cluster: str, port: int) -> tuple[Document, dict[str, str]]:
    """List who had one node port

    Newest first.
    """
    with edge().transaction() as session:
        page = read.tenures(session, cluster, port, principal(), page_request(query))
    return page_answer(page, asdict)
