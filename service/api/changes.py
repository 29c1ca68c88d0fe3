"""/v1/exposures/{id}: change it, renew it, let it pause, let it go on."""

from typing import Any

from flask import request

from service.api import answers, schemas
from service.api.context import act, edge, transaction
from service.api.documents import exposure_document
from service.api.etags import etag, precondition
from service.api.exposures import ETAG, WARNING
from service.api.parsing import loaded, merge_patch
from service.api.resource import Resource, warning_header
from service.api.submitted import submitted_document
from service.domain.allocation import Before, as_asked
from service.domain.exposure import ExposureRecord
from service.domain.spec import Document, Spec
from service.workflow import intent
from service.workflow.renew import renew_exposure
from service.workflow.revise import Edit, revise_exposure
from service.workflow.submit import Submitted

blueprint = Resource(
    "changes",
    __name__,
    url_prefix="/v1/exposures/<uuid:exposure_id>",
    description="Change an exposure, renew it, let it pause and go on.",
)
IF_MATCH = ("If-Match", "The ETag that you have read, or *.")
SHOWN = schemas.SpecSchema()


@blueprint.route("", methods=["PATCH"])
@blueprint.takes(schemas.ExposurePatchSchema(), example={"spec": {"lifetime": "48h"}})
@blueprint.header(*IF_MATCH)
@blueprint.gives(202, answers.SubmittedExposureSchema(), headers={"ETag": ETAG, "Warning": WARNING})
@blueprint.also(200, "Nothing changes by it: no revision was made.", answers.SubmittedExposureSchema())
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 404, 409, 412, 413, 415, 428)
def change_exposure(body: Document, exposure_id: Any) -> tuple[Document, int, dict[str, str]]:
    """Change an exposure

    A merge patch (RFC 7396) of the pending `spec`, else of the approved or live one. It makes a new revision;
    what is live stays as it is until that is approved and in the cluster. A change of nothing makes none.
    """

    def change(before: Before) -> Spec:
        shown = SHOWN.dump({**before.spec.document(), "not_before": before.spec.not_before})
        merged = as_asked(merge_patch(shown, body["spec"]), before)
        return Spec.from_document(loaded(schemas.PatchedSchema(), {"spec": merged})["spec"])

    edit = Edit(change, precondition(request.headers.get("If-Match")))
    with transaction() as session:
        made = revise_exposure(session, exposure_id, edit, act(), edge().judge)
        document = submitted_document(session, made)
    return document, 202 if made.is_new else 200, _headers(made)


@blueprint.route("/renewals", methods=["POST"])
@blueprint.takes(schemas.RenewalRequestSchema(), example={"justification": "The demo was moved."})
@blueprint.gives(202, answers.SubmittedExposureSchema(), headers={"ETag": ETAG, "Warning": WARNING})
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 404, 409, 413, 415)
def renew(body: Document, exposure_id: Any) -> tuple[Document, dict[str, str]]:
    """Renew an exposure

    The same content for another lifetime, counted anew; decided like any other revision.
    """
    with transaction() as session:
        made = renew_exposure(session, exposure_id, body["justification"], act(), edge().judge)
        document = submitted_document(session, made)
    return document, _headers(made)


@blueprint.route("/suspend", methods=["POST"])
@blueprint.header(*IF_MATCH)
@blueprint.gives(202, answers.ExposureSchema(), headers={"ETag": ETAG})
@blueprint.dry_run()
@blueprint.problems(401, 403, 404, 409, 412, 428)
def suspend(exposure_id: Any) -> tuple[Document, dict[str, str]]:
    """Suspend an exposure

    The Service goes; approvals, node ports and the clock of its lifetime stay. Safe to repeat.
    """
    check = precondition(request.headers.get("If-Match"))
    with transaction() as session:
        record = intent.suspend(session, exposure_id, check, act())
    return _shown(record)


@blueprint.route("/resume", methods=["POST"])
@blueprint.header(*IF_MATCH)
@blueprint.gives(202, answers.ExposureSchema(), headers={"ETag": ETAG})
@blueprint.dry_run()
@blueprint.problems(401, 403, 404, 409, 412, 428)
def resume(exposure_id: Any) -> tuple[Document, dict[str, str]]:
    """Resume an exposure

    As it was approved, without another review, unless a deny rule matches now. Safe to repeat.
    """
    check = precondition(request.headers.get("If-Match"))
    with transaction() as session:
        record = intent.resume(session, exposure_id, check, act(), edge().judge)
    return _shown(record)


@blueprint.route("/revisions/<number:number>/withdraw", methods=["POST"])
@blueprint.gives(202, answers.ExposureSchema(), headers={"ETag": ETAG})
@blueprint.dry_run()
@blueprint.problems(401, 403, 404, 409)
def withdraw(exposure_id: Any, number: int) -> tuple[Document, dict[str, str]]:
    """Withdraw a revision

    One that is pending, or approved and not live yet; what is live stays. Safe to repeat.
    """
    with transaction() as session:
        record = intent.withdraw(session, exposure_id, number, act())
    return _shown(record)


def _shown(record: ExposureRecord) -> tuple[Document, dict[str, str]]:
    now = edge().now()
    return exposure_document(record, now), {"ETag": etag(record, now)}


def _headers(made: Submitted) -> dict[str, str]:
    return {"ETag": etag(made.record, edge().now())} | warning_header(made.warnings)
