"""/v1/clusters/{cluster}/reservations: rules over ranges. The platform writes, everyone reads."""

from dataclasses import asdict
from typing import Any

from flask import Response, current_app

from service.api import ledger_answers, schemas
from service.api.context import act, edge
from service.api.exposures import LINK
from service.api.paging import page_answer, page_request
from service.api.resource import Resource
from service.domain.reservation import Reservation
from service.domain.spec import Document
from service.workflow import reserve

blueprint = Resource(
    "reservations",
    __name__,
    url_prefix="/v1/clusters/<cluster>/reservations",
    description="Ranges of node ports that are kept for the platform or for one team.",
)

EXAMPLE: Document = {
    "first": 30000,
    "last": 30009,
    "team": "team-a",
    "reason": "their partners' firewalls know these numbers",
    "until": "2031-01-01T00:00:00Z",
}


@blueprint.route("", methods=["GET"])
@blueprint.queries(schemas.PageQuerySchema())
@blueprint.gives(200, ledger_answers.ReservationListSchema(), headers={"Link": LINK})
@blueprint.problems(401, 404)
def list_reservations(query: dict[str, Any], cluster: str) -> tuple[Document, dict[str, str]]:
    """List the reservations of a cluster

    By name; also those that are over.
    """
    with edge().transaction() as session:
        page = reserve.reservations(session, cluster, page_request(query))
    return page_answer(page, _document)


@blueprint.route("/<name>", methods=["GET"])
@blueprint.gives(200, ledger_answers.ReservationSchema())
@blueprint.problems(401, 404)
def get_reservation(cluster: str, name: str) -> Document:
    """Read a reservation"""
    with edge().transaction() as session:
        return _document(reserve.reservation(session, cluster, name))


@blueprint.route("/<name>", methods=["PUT"])
@blueprint.takes(schemas.ReservationRequestSchema(), example=EXAMPLE)
@blueprint.gives(200, ledger_answers.ReservationSchema())
@blueprint.also(201, "It is new.", ledger_answers.ReservationSchema())
@blueprint.problems(400, 401, 403, 404, 413, 415)
def put_reservation(body: Document, cluster: str, name: str) -> tuple[Document, int]:
    """Make a reservation, or change the one of that name

    For the platform alone. It is a rule about who may be given a number: who has one keeps it.
    """
    wanted = Reservation(cluster=cluster, name=name, created_at=edge().now(), **body)
    with edge().transaction() as session:
        kept, is_new = reserve.put_reservation(session, wanted, act())
    return _document(kept), 201 if is_new else 200


@blueprint.route("/<name>", methods=["DELETE"])
@blueprint.gives(204)
@blueprint.problems(401, 403, 404)
def delete_reservation(cluster: str, name: str) -> Response:
    """Take a reservation back

    For the platform alone.
    """
    with edge().transaction() as session:
        reserve.delete_reservation(session, cluster, name, act())
    return current_app.response_class(status=204)


def _document(reservation: Reservation) -> Document:
    return asdict(reservation)
