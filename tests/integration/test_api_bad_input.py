"""Bad input ends in a 4xx problem that names the place, and nothing is stored."""

import json
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.api.paging import page_token
from tests.integration.api_bad_input import BAD_INPUT, Bad
from tests.integration.api_world import World, a_request, assert_problem


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


@pytest.mark.parametrize("bad", BAD_INPUT, ids=lambda bad: bad.name)
def test_bad_input_is_refused_with_its_place_and_not_stored(world: World, bad: Bad) -> None:
    before = world.rows()
    problem = assert_problem(world.ann.post("/v1/exposures", bad.body), bad.status, bad.code)
    pointers = [error["pointer"] for error in problem.get("errors", [])]
    assert pointers == ([] if bad.pointer is None else [bad.pointer])
    assert world.rows() == before


def test_all_faults_come_at_once(world: World) -> None:
    body = a_request(
        type="ClusterIP",
        lifetime="soon",
        ports=[
            {"port": 0, "name": "a"},
            {"port": 80, "name": "b", "node_port": 30007},
            {"port": 80, "name": "b"},
            {"port": 81},
        ],
    )
    body["metadata"]["name"] = "Hello"
    problem = assert_problem(world.ann.post("/v1/exposures", body), 422, "invalid")
    assert {error["pointer"] for error in problem["errors"]} == {
        "#/metadata/name",
        "#/spec/lifetime",
        "#/spec/ports/0/port",
        "#/spec/ports/1/node_port",
        "#/spec/ports/2/name",
        "#/spec/ports/2/port",
        "#/spec/ports/3/name",
    }


def test_a_chunked_body_is_bounded_without_a_content_length(world: World) -> None:
    response = world.app.test_client().post(
        "/v1/exposures",
        input_stream=BytesIO(b'"' + b"a" * 1_000_000 + b'"'),
        headers={"Authorization": "Bearer wft_ann", "Content-Type": "application/json"},
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert_problem(response, 413, "too-large")


class BrokenChunks(BytesIO):
    """A body as gunicorn gives it when its chunks are none."""

    def read(self, size: int | None = -1) -> bytes:
        """Fail as gunicorn's reader does."""
        raise OSError("Invalid chunk size: b'zz'")

    readinto = read  # type: ignore[assignment]


def test_a_body_whose_chunks_are_none_is_malformed(world: World) -> None:
    response = world.app.test_client().post(
        "/v1/exposures",
        input_stream=BrokenChunks(),
        headers={"Authorization": "Bearer wft_ann", "Content-Type": "application/json"},
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert_problem(response, 400, "malformed")


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "application/json; charset=latin-1"},
        {"content_type": ""},
        {"Content_Encoding": "gzip"},
    ],
)
def test_other_media_types_are_refused(world: World, headers: dict[str, str]) -> None:
    assert_problem(world.ann.post("/v1/exposures", a_request(), **headers), 415, "unsupported-media-type")


BAD_ADDRESSES = [
    ("/v1/exposures?page_size=0", 400, "malformed"),
    ("/v1/exposures?page_size=-1", 400, "malformed"),
    ("/v1/exposures?page_size=ten", 400, "malformed"),
    ("/v1/exposures?page_size=", 400, "malformed"),
    ("/v1/exposures?page_size=%D9%A1", 400, "malformed"),
    ("/v1/exposures?page_size=1&page_size=2", 400, "malformed"),
    ("/v1/exposures?colour=red", 400, "malformed"),
    ("/v1/exposures?team=a%00b", 400, "malformed"),
    ("/v1/exposures?te%00am=a", 400, "malformed"),
    ("/v1/exposures?page_token=", 400, "bad-page-token"),
    ("/v1/exposures?page_token=hello", 400, "bad-page-token"),
    ("/v1/exposures?page_token=%C3%A9", 400, "bad-page-token"),
    ("/v1/exposures?page_token=W10", 400, "bad-page-token"),
    ("/v1/exposures?page_token=bnVsbA", 400, "bad-page-token"),
    ("/v1/exposures?page_token=" + "a" * 3000, 400, "bad-page-token"),
    ("/v1/exposures/00000000-0000-7000-8000-000000000000?wait=1", 400, "malformed"),
    ("/v1/exposures/00000000-0000-7000-8000-000000000000", 404, "not-found"),
    ("/v1/exposures/00000000-0000-7000-8000-000000000000/events", 404, "not-found"),
    ("/v1/exposures/00000000-0000-7000-8000-000000000000/manifest", 404, "not-found"),
    ("/v1/exposures/hello", 404, "not-found"),
    ("/v1/exposures/%00", 400, "malformed"),
    ("/v1/exposures/", 404, "not-found"),
    ("//v1//exposures", 404, "not-found"),
    ("/v1/exposures/00000000-0000-7000-8000-000000000000/revisions/99999999999999999999", 404, "not-found"),
    ("/v1/exposures/00000000-0000-7000-8000-000000000000/revisions/999999999", 404, "not-found"),
    ("/v1/exposures/00000000-0000-7000-8000-000000000000/revisions/-1", 404, "not-found"),
    ("/v1/exposures/00000000-0000-7000-8000-000000000000/revisions/" + "9" * 5000, 404, "not-found"),
    ("/v1/clusters/prod/node-ports", 404, "not-found"),
    ("/v1/clusters/a%00b/node-ports", 400, "malformed"),
    ("/v1/clusters/%FF/node-ports", 404, "not-found"),
    ("/v1/clusters/dev/node-ports/80", 404, "not-found"),
    ("/v1/clusters/dev/node-ports/999999999", 404, "not-found"),
    ("/v1/clusters/dev/node-ports/" + "9" * 5000, 404, "not-found"),
    ("/v1/clusters/dev/node-ports/x", 404, "not-found"),
    ("/v1/clusters/prod/node-port-map", 404, "not-found"),
    ("/v1/clusters/a%00b/node-port-map", 400, "malformed"),
    ("/v1/clusters/dev/node-port-map?state=gone", 400, "malformed"),
    ("/v1/clusters/dev/node-port-map?team=a&team=b", 400, "malformed"),
    ("/v1/clusters/dev/node-port-map?page_size=1", 400, "malformed"),
    ("/v1/clusters/prod/reservations", 404, "not-found"),
    ("/v1/clusters/dev/reservations/edge", 404, "not-found"),
    ("/v1/clusters/dev/reservations/a%00b", 400, "malformed"),
    ("/v1/clusters/dev/reservations/" + "a" * 5000, 404, "not-found"),
    ("/v1/clusters/dev/reservations?page_size=x", 400, "malformed"),
    ("/v1/clusters/dev/reservations?page_token=hello", 400, "bad-page-token"),
    ("/v1/teams/team-x/quota", 404, "not-found"),
    ("/v1/teams/a%00b/quota", 400, "malformed"),
    ("/v1/teams/%FF/quota", 404, "not-found"),
    ("/v1/teams/team-a/quota?cluster=a%00b", 400, "malformed"),
    ("/v1/teams/team-a/quota?colour=red", 400, "malformed"),
    ("/metrics?name=x", 400, "malformed"),
    ("/v2/exposures", 404, "not-found"),
]


@pytest.mark.parametrize(("address", "status", "code"), BAD_ADDRESSES)
def test_bad_addresses_and_queries_are_refused(world: World, address: str, status: int, code: str) -> None:
    assert_problem(world.ann.get(address), status, code)


@pytest.mark.parametrize(
    "position",
    [
        [],
        ["x"],
        ["2030-01-01", "x"],
        ["9" * 30],
        ["2147483648"],
        ["\u0661"],
        ["0001-01-01T00:00:00+23:59", "x"],
    ],
)
def test_a_page_token_with_a_wrong_position_is_refused(world: World, position: list[str]) -> None:
    for address in ("/v1/exposures", "/v1/clusters/dev/node-ports"):
        with world.app.test_request_context(address):
            token = page_token(tuple(position))
        response = world.ann.get(f"{address}?page_token={token}")
        assert_problem(response, 400, "bad-page-token")


BAD_REVIEWS = [
    ({}, "#/verdict"),
    ({"verdict": "maybe", "digest": "sha256:" + "0" * 64}, "#/verdict"),
    ({"verdict": "approve", "digest": "0" * 64}, "#/digest"),
    ({"verdict": "approve", "digest": "sha256:" + "0" * 64 + "\n"}, "#/digest"),
    ({"verdict": "approve", "digest": None}, "#/digest"),
    ({"verdict": "approve", "digest": "sha256:" + "0" * 64, "comment": 1}, "#/comment"),
    ({"verdict": "approve", "digest": "sha256:" + "0" * 64, "comment": "a" * 2001}, "#/comment"),
    ({"verdict": "approve", "digest": "sha256:" + "0" * 64, "seat": "x"}, "#/seat"),
]


@pytest.mark.parametrize(("body", "pointer"), BAD_REVIEWS)
def test_bad_reviews_are_refused_with_their_place(
    world: World, body: dict[str, object], pointer: str
) -> None:
    address = "/v1/exposures/00000000-0000-7000-8000-000000000000/revisions/1/reviews"
    problem = assert_problem(world.eve.post(address, body), 422, "invalid")
    assert pointer in [error["pointer"] for error in problem["errors"]]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
FIELDS = st.sampled_from(
    ["type", "selector", "ports", "lifetime", "justification", "not_before", "replace", "load_balancer", "x"]
)
PORT_FIELDS = st.sampled_from(["name", "port", "target_port", "protocol", "app_protocol", "node_port"])
NEAR_MISSES = st.builds(
    lambda spec: a_request(**spec), st.dictionaries(FIELDS, JSON, max_size=3)
) | st.builds(
    lambda port: a_request(ports=[port]),
    st.dictionaries(PORT_FIELDS, JSON | st.integers(0, 70000), max_size=4),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON | NEAR_MISSES)
def test_no_json_body_ends_in_a_server_error(world: World, body: object) -> None:
    response = world.ann.post("/v1/exposures", json.dumps(body).encode())
    assert response.status_code in (201, 400, 409, 422), response.text


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
def test_no_bytes_end_in_a_server_error(world: World, body: bytes) -> None:
    assert world.ann.post("/v1/exposures", body).status_code == 400
