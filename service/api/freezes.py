"""/v1/clusters/{cluster}/freezes: times in which a cluster takes nothing new."""

from dataclasses import asdict

from service.api import governance_answers as answers
from service.api import schemas
from service.api.context import act, edge, transaction
from service.api.resource import Resource
from service.domain.freeze import Freeze
from service.domain.spec import Document
from service.workflow.freeze import delete_freeze, freezes_of, put_freeze

blueprint = Resource(
    "freezes",
    __name__,
    url_prefix="/v1/clusters/<cluster>/freezes",
    description="Times in which a cluster takes nothing new.",
)
EXAMPLE: Document = {
    "begins_at": "2030-12-20T00:00:00Z",
    "ends_at": "2031-01-02T00:00:00Z",
    "reason": "end of year",
}


@blueprint.route("", methods=["GET"])
@blueprint.gives(200, answers.FreezeListSchema())
@blueprint.problems(401, 404)
def list_freezes(cluster: str) -> Document:
    """List a cluster's change freezes

    The first to begin first; those that are over too.
    """
    with edge().transaction() as session:
        return {"items": list(map(asdict, freezes_of(session, cluster)))}


@blueprint.route("/<name>", methods=["PUT"])
@blueprint.takes(schemas.FreezeRequestSchema(), example=EXAMPLE)
@blueprint.gives(200, answers.FreezeSchema())
@blueprint.also(201, "It was made.", answers.FreezeSchema())
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 404, 413, 415)
def set_freeze(body: Document, cluster: str, name: str) -> tuple[Document, int]:
    """Freeze a cluster for a while

    What is approved meanwhile is Scheduled and goes on at the end; break-glass goes through. Healing goes on.
    """
    with transaction() as session:
        made, is_new = put_freeze(session, Freeze(cluster, name, **body), act())
    return asdict(made), 201 if is_new else 200


@blueprint.route("/<name>", methods=["DELETE"])
@blueprint.gives(204)
@blueprint.dry_run()
@blueprint.problems(401, 403, 404)
def lift_freeze(cluster: str, name: str) -> str:
    """Lift a change freeze"""
    with transaction() as session:
        delete_freeze(session, cluster, name, act())
    return ""
