"""/v1/exposures/{id}/drift: what to do about drift that was kept for people."""

from typing import Any

from flask import request

from service.api import answers, schemas
from service.api.changes import IF_MATCH, SHOWN
from service.api.context import act, edge, transaction
from service.api.etags import etag, precondition
from service.api.exposures import ETAG, WARNING
from service.api.parsing import loaded
from service.api.resource import Resource, warning_header
from service.api.submitted import submitted_document
from service.domain.spec import Document, Spec
from service.workflow.drift import adopt_drift, revert_drift
from service.workflow.submit import Submitted

blueprint = Resource(
    "drift",
    __name__,
    url_prefix="/v1/exposures/<uuid:exposure_id>/drift",
    description="Decide about drift that the cluster's rule keeps for people.",
)


@blueprint.route("", methods=["POST"])
@blueprint.takes(schemas.DriftRequestSchema(), example={"action": "revert"})
@blueprint.header(*IF_MATCH)
@blueprint.gives(202, answers.SubmittedExposureSchema(), headers={"ETag": ETAG, "Warning": WARNING})
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 404, 409, 412, 413, 415, 428)
def decide_drift(body: Document, exposure_id: Any) -> tuple[Document, dict[str, str]]:
    """Revert drift, or adopt it

    `revert` lets the worker put the Service right once. `adopt` asks for what the cluster has: a new
    revision, decided like any other change; what `spec` cannot say is refused by field. 409 `no-drift` where
    none is kept, as in a cluster that heals drift at once.
    """
    check = precondition(request.headers.get("If-Match"))
    with transaction() as session:
        if body["action"] == "adopt":
            made = adopt_drift(session, exposure_id, (_checked, check), act(), edge().judge)
        else:
            made = Submitted(revert_drift(session, exposure_id, check, act()), (), is_new=False)
        document = submitted_document(session, made)
    return document, {"ETag": etag(made.record, edge().now())} | warning_header(made.warnings)


def _checked(spec: Spec) -> Spec:
    """Return a specification as if somebody had sent it, every rule of the schema kept."""
    shown = SHOWN.dump({**spec.document(), "not_before": spec.not_before})
    return Spec.from_document(loaded(schemas.PatchedSchema(), {"spec": shown})["spec"])
