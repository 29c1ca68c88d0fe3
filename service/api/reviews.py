"""/v1/exposures/{id}/revisions/{n}/reviews: decide about what was read."""

from typing import Any

from service.api import answers, schemas
from service.api.context import act, edge, new_id, principal, transaction
from service.api.documents import review_document
from service.api.resource import Resource
from service.domain.exposure import Opinion
from service.domain.spec import Document
from service.workflow import read
from service.workflow.decide import ReviewDraft, review, withdraw_review

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
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 404, 409, 412, 413, 415)
def create_review(body: Document, exposure_id: Any, number: int) -> Document:
    """Review a revision

    Bound to the digest that was read: another one is 412. Who asked cannot decide. Another review of the same
    person takes the place of the first, until the decision; a comment decides nothing.
    """
    draft = ReviewDraft(**{**body, "verdict": Opinion(body["verdict"])})
    where = (exposure_id, number)
    with transaction() as session:
        return review_document(review(session, where, draft, act(), edge().judge, new_id()))


@blueprint.route("", methods=["GET"])
@blueprint.gives(200, answers.ReviewListSchema())
@blueprint.problems(401, 404)
def list_reviews(exposure_id: Any, number: int) -> Document:
    """List what was said about a revision

    Oldest first; those that count no more too, with the reason.
    """
    with edge().transaction() as session:
        found = read.reviews(session, exposure_id, number, principal())
    return {"items": list(map(review_document, found))}


@blueprint.route("/<uuid:review_id>", methods=["DELETE"])
@blueprint.gives(204)
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 404, 409)
def delete_review(exposure_id: Any, number: int, review_id: Any) -> str:
    """Take your review back

    While nothing is decided.
    """
    with transaction() as session:
        withdraw_review(session, (exposure_id, number), review_id, act())
    return ""
