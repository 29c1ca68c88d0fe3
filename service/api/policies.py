"""/v1/policies: the platform's rules, every version of them, and what a draft would have changed."""

from service.api import governance_answers as answers
from service.api import schemas
from service.api.context import act, edge, transaction
from service.api.resource import Resource
from service.domain.errors import Fault
from service.domain.exposure import Opinion
from service.domain.policy import PolicyVersion
from service.domain.spec import Document
from service.workflow import govern
from service.workflow.what_if import Changed, what_if

blueprint = Resource(
    "policies",
    __name__,
    url_prefix="/v1/policies",
    description="The platform's rules: read, propose, review, try against the past.",
)
DRAFT: Document = {
    "match": {"types": ["ClusterIP"], "environments": ["development"]},
    "auto": True,
}
EXAMPLE: Document = {"document": {"name": "cluster-ip", **DRAFT}}


@blueprint.route("", methods=["GET"])
@blueprint.gives(200, answers.PolicyListSchema())
@blueprint.problems(401)
def list_policies() -> Document:
    """List the policies

    Every version of each, the newest first; one of a policy is active at most. Everybody may read them.
    """
    with edge().transaction() as session:
        found = govern.all_versions(session)
    return {"items": list(map(_document, found))}


@blueprint.route("/<policy:name>", methods=["GET"])
@blueprint.gives(200, answers.PolicySchema())
@blueprint.problems(401, 404)
def get_policy(name: str) -> Document:
    """Read a policy

    Its active version, else its newest.
    """
    with edge().transaction() as session:
        return _document(govern.version(session, name))


@blueprint.route("/<policy:name>/versions/<number:number>", methods=["GET"])
@blueprint.gives(200, answers.PolicySchema())
@blueprint.problems(401, 404)
def get_policy_version(name: str, number: int) -> Document:
    """Read one version of a policy"""
    with edge().transaction() as session:
        return _document(govern.version(session, name, number))


@blueprint.route("/<policy:name>", methods=["PUT"])
@blueprint.takes(schemas.PolicyRequestSchema(), example=DRAFT)
@blueprint.gives(201, answers.PolicySchema())
@blueprint.also(200, "The same as its newest version: nothing was made.", answers.PolicySchema())
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 413, 415)
def put_policy(body: Document, name: str) -> tuple[Document, int]:
    """Propose a new version of a policy

    It holds once another administrator has approved it; the first policy of all holds at once.
    """
    with transaction() as session:
        made, is_new = govern.put_policy(session, name, body, act(), edge().judge)
    return _document(made), 201 if is_new else 200


@blueprint.route("/<policy:name>/versions/<number:number>/reviews", methods=["POST"])
@blueprint.takes(schemas.PolicyReviewRequestSchema(), example={"verdict": "approve", "comment": None})
@blueprint.gives(201, answers.PolicySchema())
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 404, 409, 413, 415)
def review_policy(body: Document, name: str, number: int) -> Document:
    """Review a version of a policy

    By another administrator than its author. Approved, it holds at once, in place of the one that did.
    """
    opinion = Opinion(body["verdict"])
    with transaction() as session:
        return _document(govern.review_policy(session, name, number, opinion, body["comment"], act()))


@blueprint.route("/check", methods=["POST"])
@blueprint.takes(schemas.PolicyDraftSchema(), example=EXAMPLE)
@blueprint.gives(200, answers.PolicyCheckSchema())
@blueprint.problems(400, 401, 413, 415)
def check_policy(body: Document) -> Document:
    """Check a draft of a policy

    Its shape and the types of its expressions: every fault with its pointer, line and column.
    """
    return {"errors": list(map(_fault, edge().judge.check(body["document"])))}


@blueprint.route("/what-if", methods=["POST"])
@blueprint.takes(schemas.PolicyWhatIfSchema(), example=EXAMPLE | {"most": 500})
@blueprint.gives(200, answers.WhatIfSchema())
@blueprint.problems(400, 401, 403, 413, 415)
def try_policy(body: Document) -> Document:
    """Try a draft against past requests

    Each is judged by the active policies with this one in its place, and shown when the outcome would change.
    """
    with edge().transaction() as session:
        seen, changed = what_if(session, body["document"], body["most"], act(), edge().judge)
    return {"requests": seen, "changed": list(map(_changed, changed))}


def _document(found: PolicyVersion) -> Document:
    return {
        "name": found.name,
        "version": found.version,
        "state": found.state,
        "document": found.document,
        "created_by": found.created_by,
        "created_at": found.created_at,
        "reviewed_by": found.reviewed_by,
        "activated_at": found.activated_at,
        "retired_at": found.retired_at,
    }


def _fault(fault: Fault) -> Document:
    return {"pointer": fault.pointer, "detail": fault.detail, "code": fault.code}


def _changed(changed: Changed) -> Document:
    return {
        "exposure_id": changed.exposure_id,
        "revision": changed.revision,
        "metadata": changed.metadata,
        "before": changed.before,
        "after": changed.after,
    }
