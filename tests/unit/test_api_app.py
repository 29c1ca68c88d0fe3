"""What the app does by itself, without a database: problems, health, documents."""

import logging
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from service.api.context import Edge
from service.api.openapi import document
from service.api.problems import TITLES
from service.domain.errors import Busy, Unavailable
from service.domain.policy_document import RESERVED
from tests.integration.api_world import app_at
from tests.judges import a_judge

ROOT = Path(__file__).parents[2]
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def make_client(error: Exception | None = None, checks: dict[str, str | None] | None = None) -> FlaskClient:
    @contextmanager
    def transaction():
        raise error or AssertionError("no database here")
        yield

    return app_at(Edge(transaction, lambda: NOON, bytes, lambda: checks or {}, a_judge())).test_client()


def test_openapi_yaml_is_what_the_code_says():
    assert (ROOT / "openapi.yaml").read_text() == document(), "run `make openapi`"


def test_the_openapi_document_is_valid():
    validate(yaml.safe_load(document()))


def test_the_openapi_document_is_served_in_both_forms():
    client = make_client()
    answer = client.get("/openapi.yaml")
    assert answer.text == document()
    assert client.get("/openapi.json").json == yaml.safe_load(answer.text)


def test_the_docs_page_lists_operations_and_problems():
    page = make_client().get("/docs").text
    assert "<code>POST /v1/exposures</code>" in page
    assert all(f'"/problems/{code}"' in page for code in TITLES)


@pytest.mark.parametrize("code", TITLES)
def test_each_problem_type_leads_to_a_page(code):
    assert TITLES[code] in make_client().get(f"/problems/{code}").text.replace("&#39;", "'")


def test_an_unknown_problem_type_is_not_found():
    assert make_client().get("/problems/<b>").status_code == 404


@pytest.mark.parametrize(
    ("error", "code"), [(Busy("Try again."), "busy"), (Unavailable("Away."), "unavailable")]
)
def test_a_database_that_cannot_answer_is_503_with_a_time_to_retry(error, code):
    answer = make_client(error).get("/v1/exposures", headers={"Authorization": "Bearer wft_x"})
    assert (answer.status_code, answer.json["code"]) == (503, code)
    assert int(answer.headers["Retry-After"]) > 0


def test_a_wrong_method_lists_those_that_are_known():
    answer = make_client().put("/livez")
    assert (answer.status_code, answer.mimetype, answer.json["code"]) == (
        405,
        "application/problem+json",
        "method-not-allowed",
    )
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("name", RESERVED)
def test_at_a_reserved_address_allow_names_what_is_there_and_no_policys_methods(name):
    answer = make_client().put(f"/v1/policies/{name}", headers={"Authorization": "Bearer wft_x"}, json={})
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"POST", "OPTIONS"})


def test_livez_asks_nothing_but_the_process():
    assert make_client(checks={"database": "away"}).get("/livez").status_code == 200


def test_readyz_is_good_when_every_check_is():
    assert make_client(checks={"database": None}).get("/readyz").status_code == 200


def test_readyz_names_the_checks_that_fail():
    answer = make_client(checks={"database": "away", "schema": None}).get("/readyz")
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert answer.json["code"] == "unavailable"
    assert answer.json["checks"] == {"database": "away"}


def test_readyz_tells_people_everything():
    answer = make_client(checks={"database": "away", "schema": None}).get("/readyz?verbose")
    assert (answer.status_code, answer.text) == (503, "[-] database: away\n[+] schema\n")


def test_health_takes_no_other_parameters():
    assert make_client().get("/livez?x=1").status_code == 400


def test_a_request_is_one_log_line_and_its_token_is_not_in_it(caplog):
    with caplog.at_level(logging.INFO, logger="service.api.app"):
        make_client().get("/docs", headers={"Authorization": "Bearer wft_secret", "X-Request-Id": "abc"})
    [line] = caplog.records
    assert (line.method, line.path, line.status, line.request_id) == ("GET", "/docs", 200, "abc")
    assert "wft_secret" not in repr(vars(line))


def test_probes_are_not_logged(caplog):
    with caplog.at_level(logging.INFO, logger="service.api.app"):
        make_client().get("/livez")
    assert caplog.records == []
