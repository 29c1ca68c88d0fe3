"""/v1/exposures/{id}/revisions/{n}/reviews: decide about what was read."""

from typing import Any

from service.api import answers, schemas
from service.api.context import act, edge, new_id
from service.api.documents import review_document
from service.api.resource import Resource
from service.domain.spec import Document
from service.workflow.decide import ReviewDraft, review

blueprint = Resource(
    "reviews",
    __name__,
    url_prefix="/v1/exposures/<uuid:exposure_id>/revisions/<number:number>/reviews",
    description="Decide about what was read.",
)

EXAMPLE: Document = {
    "verdict": "approve",
    "digest": "sha256:" + "0123456789abcdef" * 4,
    "comment": "For Thursday.",
}


@blueprint.route("", methods=["POST"])
@blueprint.takes(schemas.ReviewRequestSchema(), example=EXAMPLE)
@blueprint.gives(201, answers.ReviewSchema())
@blueprint.problems(400, 401, 403, 404, 409, 412, 413, 415)
def create_review(body: Document, exposure_id: Any, number: int) -> Document:
    """Review a revision

    Bound to the digest that was read: another one is 412. Who asked cannot decide.
    """
    draft = ReviewDraft(**body)
    with edge().transaction() as session:
        return review_document(review(session, exposure_id, number, draft, act(), new_id()))
