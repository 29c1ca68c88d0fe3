"""/v1/clusters/{cluster}/adoptions: let a Service that somebody else made become an exposure."""

from typing import Any

from service.api import adoption_answers as answers
from service.api import schemas
from service.api.context import act, edge, new_id, principal, transaction
from service.api.exposures import LINK
from service.api.ledger_documents import adoption_document
from service.api.paging import page_answer, page_request
from service.api.resource import Resource
from service.domain.exposure import Metadata
from service.domain.spec import Document
from service.workflow import adopt

blueprint = Resource(
    "adoptions",
    __name__,
    url_prefix="/v1/clusters/<cluster>/adoptions",
    description="Let a Service that somebody else made become an exposure.",
)

EXAMPLE: Document = {
    "namespace": "team-a",
    "name": "shop",
    "team": "team-a",
    "lifetime": "P30D",
    "justification": "made by hand last year, and customers know its node port",
}
LOCATION = {"schema": {"type": "string", "format": "uri-reference"}, "description": "The adoption."}


@blueprint.route("", methods=["POST"])
@blueprint.takes(schemas.AdoptionRequestSchema(), example=EXAMPLE)
@blueprint.gives(202, answers.AdoptionSchema(), headers={"Location": LOCATION})
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 404, 409, 413, 415)
def request_adoption(body: Document, cluster: str) -> tuple[Document, dict[str, str]]:
    """Ask to adopt a Service

    The worker reads it, then it is judged and reviewed like any exposure request: with the node ports that it
    has, which are held for it at once. Once approved it gets the owner mark, and nothing else of it changes.
    What an exposure cannot say, such as external IPs, is refused by the field's name.
    """
    metadata = Metadata(cluster, body["namespace"], body["name"], body["team"])
    terms = adopt.Terms(body["lifetime"], body["justification"])
    with transaction() as session:
        shown = adopt.request_adoption(session, metadata, terms, act(), new_id())
    return adoption_document(shown), {"Location": f"/v1/clusters/{cluster}/adoptions/{shown.adoption.id}"}


@blueprint.route("", methods=["GET"])
@blueprint.queries(schemas.PageQuerySchema())
@blueprint.gives(200, answers.AdoptionListSchema(), headers={"Link": LINK})
@blueprint.problems(401, 404)
def list_adoptions(query: dict[str, Any], cluster: str) -> tuple[Document, dict[str, str]]:
    """List the adoptions that you may see

    Newest first; also those that are over.
    """
    with edge().transaction() as session:
        page = adopt.adoptions_of(session, cluster, principal(), page_request(query))
    return page_answer(page, adoption_document)


@blueprint.route("/<uuid:adoption_id>", methods=["GET"])
@blueprint.gives(200, answers.AdoptionSchema())
@blueprint.problems(401, 404)
def get_adoption(cluster: str, adoption_id: Any) -> Document:
    """Read an adoption

    Where it stands and what comes next; what of the Service speaks against it, or which exposure it is.
    """
    with edge().transaction() as session:
        return adoption_document(adopt.adoption(session, cluster, adoption_id, principal()))
