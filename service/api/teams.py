"""/v1/teams/{team}: how much of each cluster a team may have, and has."""

from typing import Any

from service.api import ledger_answers, schemas
from service.api.context import edge, principal
from service.api.ledger_documents import quota_document
from service.api.resource import Resource
from service.domain.spec import Document
from service.workflow.quota import team_quota

blueprint = Resource(
    "teams", __name__, url_prefix="/v1/teams", description="How much a team may have, and has."
)


@blueprint.route("/<team>/quota", methods=["GET"])
@blueprint.queries(schemas.QuotaQuerySchema())
@blueprint.gives(200, ledger_answers.QuotaSchema())
@blueprint.problems(401, 404)
def get_quota(query: dict[str, Any], team: str) -> Document:
    """Read a team's quota in each cluster

    For its members, and for those who see every team. What is held counts like what is used.
    """
    with edge().transaction() as session:
        found = team_quota(session, team, query.get("cluster"), principal())
    return {"team": team, "clusters": [quota_document(status) for status in found]}
