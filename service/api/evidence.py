"""/v1/exposures/{id}/evidence and /v1/evidence-keys: what happened, signed, and the key that shows by whom.

The document goes out as it was signed: no schema writes it, for what a schema left out would break it.
"""

from typing import Any

from flask import Response, current_app

from service.api import answers
from service.api.context import edge, principal
from service.api.resource import Resource
from service.domain.spec import Document
from service.workflow.evidence import evidence
from service.workflow.signing import ALGORITHM

blueprint = Resource(
    "evidence", __name__, url_prefix="/v1", description="What happened to an exposure, signed."
)


@blueprint.route("/exposures/<uuid:exposure_id>/evidence", methods=["GET"])
@blueprint.gives(200, answers.EvidenceSchema())
@blueprint.problems(401, 404, 503)
def get_evidence(exposure_id: Any) -> Response:
    """Read everything that is kept of an exposure

    Revisions, reviews and the chain of events in one signed document, also after its end. `wharfinger audit
    verify FILE` checks it without the database; docs/evidence.md says how to do it by hand. 503 when this
    Wharfinger has no key to sign with.
    """
    with edge().transaction() as session:
        document = evidence(session, exposure_id, principal(), edge().signer, edge().now())
    return current_app.response_class(current_app.json.dumps(document), content_type="application/json")


@blueprint.route("/evidence-keys", methods=["GET"])
@blueprint.gives(200, answers.EvidenceKeysSchema())
@blueprint.public
def list_evidence_keys() -> Document:
    """List the keys that evidence is signed with

    For everyone, without a token: who verifies evidence need not be known here.
    """
    signer = edge().signer
    keys = [] if signer is None else [signer.public]
    return {"keys": [{"key_id": key.key_id, "algorithm": ALGORITHM, "public_key": key.pem} for key in keys]}
