"""/v1/exposures: ask for an exposure, look at it, take it back."""

from typing import Any

import yaml
from flask import Response, current_app, request

from service.api import answers, schemas
from service.api.context import act, edge, new_id, principal, transaction
from service.api.documents import event_document, exposure_document
from service.api.etags import etag, is_known, precondition
from service.api.paging import page_answer, page_request
from service.api.resource import Resource, warning_header
from service.api.submitted import submitted_document
from service.domain.exposure import Metadata
from service.domain.spec import Document, Spec
from service.workflow import read
from service.workflow.explain import explanation
from service.workflow.intent import remove
from service.workflow.submit import submit_exposure

blueprint = Resource(
    "exposures",
    __name__,
    url_prefix="/v1/exposures",
    description="Ask for an exposure, look at it, take it back.",
)

EXAMPLE: Document = {
    "metadata": {"cluster": "dev", "namespace": "team-a", "name": "hello", "team": "team-a"},
    "spec": {
        "type": "NodePort",
        "selector": {"app": "hello"},
        "ports": [{"name": "http", "port": 80, "target_port": "http", "protocol": "TCP", "node_port": 30007}],
        "lifetime": "72h",
        "justification": "product demo on Thursday",
    },
}
ETAG = {"schema": {"type": "string"}, "description": 'Strong, `"G.S"`: G counts what people change.'}
LOCATION = {"schema": {"type": "string", "format": "uri-reference"}, "description": "The exposure."}
WARNING = {"schema": {"type": "string"}, "description": '`299 - "…"` for each of `warnings`.'}
LINK = {"schema": {"type": "string"}, "description": 'The next page, rel="next".'}
YAML = "application/yaml"


@blueprint.route("", methods=["POST"])
@blueprint.takes(schemas.ExposureRequestSchema(), example=EXAMPLE)
@blueprint.gives(
    201,
    answers.SubmittedExposureSchema(),
    headers={"Location": LOCATION, "ETag": ETAG, "Warning": WARNING},
)
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 409, 413, 415)
def create_exposure(body: Document) -> tuple[Document, dict[str, str]]:
    """Ask for an exposure

    Its first revision is pending until it is reviewed, unless policies approve it.

    Node ports are held from now on.
    """
    metadata, spec = Metadata(**body["metadata"]), Spec.from_document(body["spec"])
    with transaction() as session:
        made = submit_exposure(session, metadata, spec, act(), edge().judge, new_id())
        document = submitted_document(session, made)
    record = made.record
    headers = {"Location": f"{blueprint.url_prefix}/{record.exposure.id}", "ETag": etag(record, edge().now())}
    return document, headers | warning_header(made.warnings)


@blueprint.route("", methods=["GET"])
@blueprint.queries(schemas.ExposureQuerySchema())
@blueprint.gives(200, answers.ExposureListSchema(), headers={"Link": LINK})
@blueprint.problems(401)
def list_exposures(query: dict[str, Any]) -> tuple[Document, dict[str, str]]:
    """List the exposures that you may see

    Newest first.
    """
    wanted = read.ExposureFilter(
        **{field: query.get(field) for field in ("cluster", "namespace", "name", "team")},
        awaits_me="awaiting_review_by" in query,
        is_compliant={"true": True, "false": False}.get(query.get("compliant", "")),
    )
    with edge().transaction() as session:
        page = read.exposures(session, principal(), wanted, page_request(query))
    now = edge().now()
    return page_answer(page, lambda record: exposure_document(record, now))


@blueprint.route("/<uuid:exposure_id>", methods=["GET"])
@blueprint.header("If-None-Match", "An ETag that you have; 304 when nothing has changed since.")
@blueprint.gives(200, answers.ExposureSchema(), headers={"ETag": ETAG})
@blueprint.also(304, "It is as you know it.")
@blueprint.problems(401, 404)
def get_exposure(exposure_id: Any) -> tuple[Document, dict[str, str]] | Response:
    """Read an exposure"""
    with edge().transaction() as session:
        record = read.exposure(session, exposure_id, principal())
    now = edge().now()
    tag = etag(record, now)
    if is_known(request.headers.get("If-None-Match"), tag):
        return current_app.response_class(status=304, headers={"ETag": tag})
    return exposure_document(record, now), {"ETag": tag}


@blueprint.route("/<uuid:exposure_id>", methods=["DELETE"])
@blueprint.header("If-Match", "The ETag that you have read, or *.")
@blueprint.gives(202, answers.ExposureSchema(), headers={"ETag": ETAG})
@blueprint.dry_run()
@blueprint.problems(400, 401, 403, 404, 409, 412, 428)
def delete_exposure(exposure_id: Any) -> tuple[Document, dict[str, str]]:
    """Take an exposure back

    Final, and safe to repeat: a second time it answers as the first. What ended otherwise is a conflict.
    """
    check = precondition(request.headers.get("If-Match"))
    with transaction() as session:
        record = remove(session, exposure_id, check, act())
    now = edge().now()
    return exposure_document(record, now), {"ETag": etag(record, now)}


@blueprint.route("/<uuid:exposure_id>/manifest", methods=["GET"])
@blueprint.gives(200, content_type=YAML, description="The Service, as YAML; as JSON when Accept asks for it.")
@blueprint.problems(401, 404)
def get_manifest(exposure_id: Any) -> Response:
    """Read the Service that was rendered

    The revision that `spec` shows, every node port stated.
    """
    with edge().transaction() as session:
        manifest = read.manifest(session, exposure_id, principal())
    if request.accept_mimetypes.best_match([YAML, "application/json"], YAML) == YAML:
        text, media_type = yaml.safe_dump(manifest), YAML
    else:
        text, media_type = current_app.json.dumps(manifest), "application/json"
    return current_app.response_class(text, content_type=media_type, headers={"Vary": "Accept"})


@blueprint.route("/<uuid:exposure_id>/events", methods=["GET"])
@blueprint.queries(schemas.PageQuerySchema())
@blueprint.gives(200, answers.EventListSchema(), headers={"Link": LINK})
@blueprint.problems(401, 404)
def list_events(query: dict[str, Any], exposure_id: Any) -> tuple[Document, dict[str, str]]:
    """List what happened to an exposure

    Oldest first.
    """
    with edge().transaction() as session:
        page = read.events(session, exposure_id, principal(), page_request(query))
    return page_answer(page, event_document)


@blueprint.route("/<uuid:exposure_id>/explain", methods=["GET"])
@blueprint.gives(200, answers.ExplanationSchema())
@blueprint.problems(401, 404)
def explain_exposure(exposure_id: Any) -> Document:
    """Explain where an exposure stands

    Every gate with its result and reason: policies with their versions, node ports, empty seats and who could
    fill them, its start, the cluster, its end.
    """
    with edge().transaction() as session:
        return explanation(session, exposure_id, principal(), edge().now())
