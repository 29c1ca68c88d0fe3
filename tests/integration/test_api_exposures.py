"""The thin way through over HTTP, on a real database: ask, look, review, take back."""

import logging
import os
import re
from contextlib import contextmanager

import pytest
import yaml

from service.api.app import create_app
from service.api.context import Edge
from service.store.sync import record_view
from tests.integration.api_world import Caller, World, a_request, assert_problem, named, review_of, shown
from tests.judges import a_judge


@pytest.fixture
def world(database, clock) -> World:
    return World(database.transaction, clock)


def test_a_request_is_answered_with_the_whole_exposure(world: World) -> None:
    made = world.ann.submit()
    body = made.json
    assert made.location == f"/v1/exposures/{body['metadata']['id']}"
    assert re.fullmatch(r'"1\.0"', made.headers["ETag"])
    assert body["metadata"] | {"id": ""} == {
        "id": "",
        "cluster": "dev",
        "namespace": "team-a",
        "name": "hello",
        "team": "team-a",
        "created_at": "2030-01-01T12:00:00Z",
        "generation": 1,
    }
    assert body["spec"] == {
        "type": "NodePort",
        "selector": {"app": "hello"},
        "ports": [
            {
                "name": "http",
                "port": 80,
                "target_port": "http",
                "protocol": "TCP",
                "app_protocol": None,
                "node_port": 30007,
            }
        ],
        "lifetime": "72h",
        "justification": "product demo on Thursday",
        "not_before": None,
        "replace": False,
        "external_traffic_policy": None,
        "internal_traffic_policy": None,
        "session_affinity": None,
        "ip_family_policy": None,
        "load_balancer": None,
    }
    status = body["status"]
    assert status["state"] == "AwaitingApproval"
    assert status["ports"] == [{"name": "http", "node_port": 30007, "origin": "asked"}]
    assert status["pending"]["revision"] == 1
    assert status["pending"]["digest"].startswith("sha256:")
    assert status["live"] is None
    assert all(condition["last_transition_time"].endswith("Z") for condition in status["conditions"])


def test_what_is_shown_can_be_sent_again(world: World) -> None:
    spec = world.ann.submit(a_request(type="LoadBalancer", ports=[{"port": 80}], load_balancer={})).json[
        "spec"
    ]
    body = a_request(**spec)
    body["metadata"]["name"] = "again"
    assert world.ann.submit(body).json["spec"] == spec


def test_a_chosen_node_port_is_shown_in_the_spec(world: World) -> None:
    body = world.ann.submit(named("hello")).json
    [port] = body["status"]["ports"]
    assert port["origin"] == "chosen"
    assert body["spec"]["ports"][0]["node_port"] == port["node_port"]


def test_whole_floats_and_other_durations_are_taken(world: World) -> None:
    spec = world.ann.submit(
        a_request(ports=[{"port": 80.0}], lifetime="P3DT30M", not_before="2030-02-01T01:00:00+01:00")
    )
    assert spec.json["spec"]["ports"][0]["port"] == 80
    assert spec.json["spec"]["lifetime"] == "72h30m"
    assert spec.json["spec"]["not_before"] == "2030-02-01T00:00:00Z"


def test_tcp_and_udp_of_one_port_share_a_node_port(world: World) -> None:
    ports = [
        {"port": 53, "name": "dns", "node_port": 30007},
        {"port": 53, "name": "dns-udp", "node_port": 30007, "protocol": "UDP"},
    ]
    assert len(world.ann.submit(a_request(ports=ports)).json["status"]["ports"]) == 2


def test_a_taken_node_port_names_its_owner(world: World) -> None:
    world.ann.submit()
    body = named("other")
    body["metadata"] |= {"namespace": "team-b", "team": "team-b"}
    body["spec"]["ports"][0]["node_port"] = 30007
    problem = assert_problem(world.ben.post("/v1/exposures", body), 409, "node-port-taken")
    assert problem["port"] == 30007
    assert problem["owner"] == {"team": "team-a", "namespace": "team-a", "name": "hello"}
    assert problem["until"] == "2030-01-15T12:00:00Z"
    assert "(held until 2030-01-15T12:00:00Z)" in problem["detail"]
    assert problem["errors"][0]["pointer"] == "#/spec/ports/0/node_port"


def test_a_taken_name_and_an_empty_pool_are_conflicts(world: World) -> None:
    made = world.ann.submit()
    problem = assert_problem(
        world.ann.post("/v1/exposures", a_request(ports=[{"port": 80}])), 409, "name-taken"
    )
    assert problem["exposure_id"] == made.json["metadata"]["id"]
    ports = [{"port": n, "name": f"p{n}"} for n in range(1, 31)]
    world.ann.submit(named("first") | {"spec": a_request(ports=ports)["spec"]})
    many = named("second") | {"spec": a_request(ports=ports)["spec"]}
    assert_problem(world.ann.post("/v1/exposures", many), 409, "pool-exhausted")


def test_an_approver_cannot_ask(world: World) -> None:
    assert_problem(world.eve.post("/v1/exposures", a_request()), 403, "forbidden")


def test_reading_again_with_the_tag_answers_304(world: World) -> None:
    made = world.ann.submit()
    tag = made.headers["ETag"]
    again = world.ann.get(made.location)
    assert (again.json, again.headers["ETag"]) == (shown(made), tag)
    for known in (tag, f"W/{tag}", tag[:-1] + '-gzip"', f'"x", {tag}', "*"):
        response = world.ann.get(made.location, If_None_Match=known)
        assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", tag)
    assert world.ann.get(made.location, If_None_Match='"1.9"').status_code == 200


def test_an_exposure_of_another_team_does_not_exist(world: World) -> None:
    made = world.ann.submit()
    for path in ("", "/manifest", "/events", "/revisions/1"):
        assert_problem(world.ben.get(made.location + path), 404, "not-found")
    assert_problem(world.ben.delete(made.location, If_Match="*"), 404, "not-found")
    assert world.eve.get(made.location).status_code == 200


def test_the_manifest_is_yaml_and_json_on_demand(world: World) -> None:
    made = world.ann.submit()
    answer = world.ann.get(f"{made.location}/manifest")
    assert answer.content_type == "application/yaml"
    assert answer.text.startswith("apiVersion: v1\nkind: Service\n")
    manifest = yaml.safe_load(answer.text)
    assert manifest["spec"]["ports"][0]["nodePort"] == 30007
    in_json = world.ann.get(f"{made.location}/manifest", Accept="application/json")
    assert (in_json.mimetype, in_json.json) == ("application/json", manifest)
    assert world.ann.get(f"{made.location}/manifest", Accept="*/*").mimetype == "application/yaml"


def test_a_revision_can_be_read(world: World) -> None:
    made = world.ann.submit()
    revision = world.eve.get(f"{made.location}/revisions/1").json
    assert revision["digest"] == made.json["status"]["pending"]["digest"]
    assert revision["spec"] == made.json["spec"]
    assert (revision["decision"], revision["decided_at"]) == ("pending", None)
    assert revision["requested_by"]["person"] == "ann"
    assert_problem(world.eve.get(f"{made.location}/revisions/2"), 404, "not-found")


def test_an_approval_is_answered_with_the_review(world: World) -> None:
    made = world.ann.submit()
    address, body = review_of(made)
    answer = world.eve.post(address, body)
    assert answer.status_code == 201
    assert answer.json | {"id": ""} == {
        "id": "",
        "revision": 1,
        "verdict": "approve",
        "digest": body["digest"],
        "comment": "fine",
        "reviewer": {"kind": "person", "person": "eve", "acted_for": None},
        "created_at": "2030-01-01T12:00:00Z",
        "voided_at": None,
        "void_reason": None,
    }
    after = world.ann.get(made.location)
    assert after.json["status"]["approved"]["revision"] == 1
    assert after.headers["ETag"] == '"2.0"'
    assert_problem(world.eve.post(address, body), 409, "already-decided")


def test_a_rejection_ends_a_first_request(world: World) -> None:
    made = world.ann.submit()
    address, body = review_of(made, "reject")
    assert world.eve.post(address, body).status_code == 201
    assert world.ann.get(made.location).json["status"]["state"] == "Ended"
    assert_problem(world.eve.post(address, body), 409, "ended")


def test_only_an_uninvolved_approver_reviews_what_was_read(world: World) -> None:
    made = world.ann.submit()
    address, body = review_of(made)
    assert_problem(world.ann.post(address, body), 403, "forbidden")
    assert_problem(world.both.post(address, body), 403, "self-review")
    other = {**body, "digest": "sha256:" + "0" * 64}
    problem = assert_problem(world.eve.post(address, other), 412, "digest-mismatch")
    assert problem["digest"] == body["digest"]
    assert_problem(world.eve.post(address.replace("/1/", "/2/"), body), 404, "not-found")


def test_a_delete_needs_the_state_that_was_read(world: World) -> None:
    made = world.ann.submit()
    assert_problem(world.ann.delete(made.location), 428, "precondition-required")
    for tag in ('"7.0"', "hello", "", '"1"', "1.0", '"x.0"'):
        assert_problem(world.ann.delete(made.location, If_Match=tag), 412, "stale")
    assert world.ann.get(made.location).json["status"]["state"] == "AwaitingApproval"


@pytest.mark.parametrize("tag", ['"1.0"', '"1.99"', 'W/"1.0"', '"1.0-gzip"', '"7.0", "1.0"', "*"])
def test_a_delete_compares_what_people_change_alone_and_is_safe_to_repeat(world: World, tag: str) -> None:
    made = world.ann.submit()
    first = world.ann.delete(made.location, If_Match=tag)
    again = world.ann.delete(made.location, If_Match=tag)
    assert (first.status_code, first.json["status"]["state"]) == (202, "Ended")
    assert (again.status_code, again.json, again.headers["ETag"]) == (202, first.json, first.headers["ETag"])
    assert world.ann.delete(made.location).status_code == 202
    assert world.ann.get("/v1/clusters/dev/node-ports/30007").json["state"] == "free"


def test_a_token_is_needed_and_has_to_be_known(world: World) -> None:
    for authorization in (
        None,
        "Basic YTpi",
        "Bearer",
        "Bearer  ",
        "Bearer wft_nobody",
        "Bearer é",
        "wft_ann",
    ):
        headers = {} if authorization is None else {"Authorization": authorization}
        response = world.stranger.get("/v1/exposures", **headers)
        assert_problem(response, 401, "unauthenticated")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert world.stranger.get("/v1/exposures", Authorization="bearer wft_ann").status_code == 200


def test_a_token_that_is_over_is_unknown(world: World, clock) -> None:
    clock.advance(days=91)
    assert_problem(world.ann.get("/v1/exposures"), 401, "unauthenticated")


def test_a_request_id_is_echoed_or_made(world: World) -> None:
    assert world.ann.get("/v1/exposures", X_Request_Id="a.b-c_1").headers["X-Request-Id"] == "a.b-c_1"
    for bad in ("a b", "é", "", "a" * 129, "a\tb"):
        made = world.ann.get("/v1/exposures", X_Request_Id=bad).headers["X-Request-Id"]
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made)


def test_an_unexpected_error_keeps_its_text_to_itself(clock, caplog) -> None:
    @contextmanager
    def transaction():
        raise ZeroDivisionError("division by zero")
        yield

    app = create_app(Edge(transaction, clock, os.urandom, dict, a_judge()))
    with caplog.at_level(logging.ERROR):
        response = Caller(app.test_client(), "ann").get("/v1/exposures", X_Request_Id="boom")
    assert_problem(response, 500, "internal")
    assert "zero" not in response.text
    [record] = [record for record in caplog.records if record.name == "service.api.problems"]
    assert record.request_id == "boom"
    assert record.exc_info


def test_an_exposure_that_ended_otherwise_cannot_be_taken_back(world: World) -> None:
    made = world.ann.submit()
    address, body = review_of(made, "reject")
    world.eve.post(address, body)
    assert_problem(world.ann.delete(made.location, If_Match="*"), 409, "ended")


def test_the_tag_changes_with_the_node_addresses_alone(world: World, clock) -> None:
    made = world.ann.submit()
    for addresses, tag in ((["192.0.2.1"], '"1.4"'), (["192.0.2.1"], '"1.4"'), (["192.0.2.2"], '"1.8"')):
        clock.advance(seconds=1)
        with world.transaction() as session:
            record_view(session, "dev", addresses, clock())
        assert world.ann.get(made.location).headers["ETag"] == tag
