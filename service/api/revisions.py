"""/v1/exposures/{id}/revisions: what was asked for, step by step, and how the steps differ."""

from typing import Any

from service.api import answers, schemas
from service.api.context import act, edge, principal, transaction
from service.api.difference import unified
from service.api.documents import exposure_document, revision_document
from service.api.etags import etag
from service.api.exposures import ETAG
from service.api.resource import Resource
from service.domain.difference import differences
from service.domain.spec import Document
from service.workflow import read
from service.workflow.break_glass import Emergency, break_glass

blueprint = Resource(
    "revisions",
    __name__,
    url_prefix="/v1/exposures/<uuid:exposure_id>/revisions",
    description="What was asked for, step by step.",
)
EXAMPLE: Document = {
    "digest": "sha256:" + "0123456789abcdef" * 4,
    "incident": "INC-4711",
    "reason": "The shop is down.",
    "duration": "4h",
}


@blueprint.route("", methods=["GET"])
@blueprint.gives(200, answers.RevisionListSchema())
@blueprint.problems(401, 404)
def list_revisions(exposure_id: Any) -> Document:
    """List the revisions of an exposure

    The first one first.
    """
    with edge().transaction() as session:
        record = read.exposure(session, exposure_id, principal())
    return {"items": list(map(revision_document, record.revisions))}


@blueprint.route("/<number:number>", methods=["GET"])
@blueprint.gives(200, answers.RevisionSchema())
@blueprint.problems(401, 404)
def get_revision(exposure_id: Any, number: int) -> Document:
    """Read one revision"""
    with edge().transaction() as session:
        return revision_document(read.revision(session, exposure_id, number, principal()))


@blueprint.route("/<number:number>/diff", methods=["GET"])
@blueprint.queries(schemas.DifferenceQuerySchema())
@blueprint.gives(200, answers.DifferenceSchema())
@blueprint.problems(401, 404)
def get_difference(query: dict[str, Any], exposure_id: Any, number: int) -> Document:
    """Compare a revision

    With its base, or with any other: field by field, and the two Services as a unified diff.
    """
    wanted = None if query["against"] == "base" else int(query["against"])
    with edge().transaction() as session:
        revision, other = read.compared(session, exposure_id, number, wanted, principal())
    return {
        "revision": revision.number,
        "against": other.number if other else None,
        "changes": differences(other.spec.document() if other else {}, revision.spec.document()),
        "delta": revision.delta or None,
        "unified": unified(other, revision),
    }


@blueprint.route("/<number:number>/break-glass", methods=["POST"])
@blueprint.takes(schemas.BreakGlassRequestSchema(), example=EXAMPLE)
@blueprint.gives(202, answers.ExposureSchema(), headers={"ETag": ETAG})
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 404, 409, 412, 413, 415)
def let_through(body: Document, exposure_id: Any, number: int) -> tuple[Document, dict[str, str]]:
    """Break the glass

    Approve a revision without its seats, for at most a day: for people with the role break-glass. Deny rules
    still hold. Its seats are to be filled afterwards, else it goes by itself.
    """
    with transaction() as session:
        record = break_glass(session, (exposure_id, number), Emergency(**body), act(), edge().judge)
    now = edge().now()
    return exposure_document(record, now), {"ETag": etag(record, now)}
