"""A change of a live exposure: a new revision on its base; what is live stays until the cluster has it."""

import pytest

from tests.conftest import Clock
from tests.integration.approval_world import ApprovalWorld
from tests.postgres import Database


@pytest.fixture
def world(database: Database, clock: Clock) -> ApprovalWorld:
    return ApprovalWorld(database, clock)


def served(world: ApprovalWorld) -> dict[str, object]:
    found = world.cluster.service("team-a", "hello")
    assert found is not None
    return dict(found["spec"])


def test_a_change_waits_and_what_is_live_stays(world: ApprovalWorld) -> None:
    case = world.alive()

    answer = case.change(selector={"app": "new"})

    assert answer.status_code == 202
    world.settle()
    assert case.decisions() == ["live", "pending"]
    assert case.state() == "ActiveChangePending"
    assert served(world)["selector"] == {"app": "hello"}


def test_an_approved_change_takes_the_place_of_what_is_live(world: ApprovalWorld) -> None:
    case = world.alive()
    case.change(selector={"app": "new", "tier": None})
    case.approve("eve")

    world.settle()

    assert case.decisions() == ["retired", "live"]
    assert served(world)["selector"] == {"app": "new"}
    status = case.status()
    assert status["observed_generation"] == status["live"]["revision"] == 2


def test_a_newer_change_supersedes_the_one_that_waits_and_voids_its_reviews(world: ApprovalWorld) -> None:
    world.rules({"name": "two", "require": [{"count": 2}]})
    case = world.ask()
    case.approve("eve")

    case.change(selector={"app": "newer"})

    assert case.decisions() == ["superseded", "pending"]
    reviews = world.by("ann").get(f"{case.at}/revisions/1/reviews").json["items"]
    assert [(r["reviewer"]["person"], r["void_reason"]) for r in reviews] == [("eve", "superseded")]
    assert case.status()["pending"]["missing"] == ["approver", "approver"]


def test_a_change_is_written_on_what_waits_and_compared_with_the_base(world: ApprovalWorld) -> None:
    case = world.alive(lifetime="10h")
    case.change(selector={"app": "new"})

    case.change(lifetime="5h")

    newest = case.revision(3)
    assert newest["spec"]["selector"] == {"app": "new"}
    assert (newest["base"], newest["delta"]["kind"]) == (1, "widening")


def test_a_narrower_change_needs_nobody(world: ApprovalWorld) -> None:
    case = world.alive(lifetime="10h")

    case.change(lifetime="5h")

    assert case.decisions() == ["live", "approved"]
    world.settle()
    assert case.decisions() == ["retired", "live"]


def test_two_small_steps_are_weighed_against_what_is_live(world: ApprovalWorld) -> None:
    case = world.alive(lifetime="10h")
    case.change(lifetime="20h")

    case.change(lifetime="15h")

    assert case.decisions() == ["live", "superseded", "pending"]


def test_a_change_of_nothing_makes_no_revision(world: ApprovalWorld) -> None:
    case = world.alive(ports=[{"name": "http", "port": 80}])
    shown = case.document()["spec"]

    answer = case.change(**{name: value for name, value in shown.items() if value is not None})

    assert answer.status_code == 200
    assert case.decisions() == ["live"]


def test_a_change_after_a_rejected_one_keeps_the_ports_of_what_is_live(world: ApprovalWorld) -> None:
    case = world.alive(ports=[{"name": "http", "port": 80}])
    port = case.status()["ports"][0]["node_port"]
    case.change(type="ClusterIP")
    case.review("eve", "reject")

    case.change(selector={"app": "new"})

    assert case.status()["ports"][0]["node_port"] == port


def test_a_chosen_port_that_is_sent_back_stays_chosen_and_stays(world: ApprovalWorld) -> None:
    case = world.alive(ports=[{"name": "http", "port": 80}])
    port = case.status()["ports"][0]["node_port"]
    shown = case.document()["spec"]["ports"]

    case.change(ports=[*shown, {"name": "more", "port": 81}])

    ports = case.status()["ports"]
    assert ports[0] == {"name": "http", "node_port": port, "origin": "chosen"}
    assert ports[1]["node_port"] != port


def test_ports_that_an_edit_drops_cool_once_the_new_one_is_live(world: ApprovalWorld) -> None:
    case = world.alive()
    case.change(type="ClusterIP", ports=[{"name": "http", "port": 80}])
    case.approve("eve")

    world.settle()

    claim = world.by("ann").get("/v1/clusters/dev/node-ports/30007").json
    assert (claim["state"], claim["history"][0]["ending"]) == ("cooling", "dropped")


def test_a_change_needs_the_state_that_was_read(world: ApprovalWorld) -> None:
    case = world.alive()
    ann = world.by("ann")
    patch = {"spec": {"lifetime": "1h"}}

    assert ann.patch(case.at, patch, If_Match='"1.0"').json["code"] == "stale"
    assert (
        ann._open(
            "PATCH", case.at, {"content_type": "application/json"}, json=None, data=b'{"spec": {}}'
        ).json["code"]
        == "precondition-required"
    )
    assert case.decisions() == ["live"]


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"spec": {"type": "Magic"}}, "#/spec/type"),
        ({"spec": {"ports": [{"port": 0}]}}, "#/spec/ports/0/port"),
        ({"spec": {"colour": "red"}}, "#/spec/colour"),
        ({"spec": {"selector": None}}, "#/spec/selector"),
        ({"metadata": {"name": "x"}, "spec": {}}, "#/metadata"),
        ({"spec": 7}, "#/spec"),
    ],
)
def test_a_change_that_breaks_a_rule_names_the_place(
    world: ApprovalWorld, patch: object, pointer: str
) -> None:
    case = world.alive()

    answer = world.by("ann").patch(case.at, patch)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert case.decisions() == ["live"]


def test_another_media_type_is_told_the_right_one(world: ApprovalWorld) -> None:
    answer = world.by("ann").patch(world.alive().at, {}, content_type="text/plain")

    assert answer.status_code == 415
    assert "application/merge-patch+json" in answer.headers["Accept-Patch"]


def test_another_team_and_an_approver_cannot_change_it(world: ApprovalWorld) -> None:
    case = world.alive()

    assert world.by("ben").patch(case.at, {"spec": {}}).status_code == 404
    assert world.by("eve").patch(case.at, {"spec": {}}).status_code == 403


def test_an_ended_exposure_cannot_be_changed(world: ApprovalWorld) -> None:
    case = world.ask()
    world.by("ann").delete(case.at, If_Match="*")

    assert case.change(lifetime="1h").json["code"] == "ended"


def test_a_pending_change_of_an_approved_revision_falls_with_it(world: ApprovalWorld) -> None:
    case = world.ask().approve("eve")
    case.change(selector={"app": "new"})
    assert case.decisions() == ["approved", "pending"]

    case.act("revisions/1/withdraw")

    assert case.decisions() == ["withdrawn", "invalidated"]
    assert case.status()["reason"] == "Withdrawn"


def test_a_withdrawn_change_leaves_what_is_live(world: ApprovalWorld) -> None:
    case = world.alive()
    case.change(ports=[{"name": "http", "port": 80}, {"name": "more", "port": 81}])
    held = case.status()["ports"][1]["node_port"]

    assert case.act("revisions/2/withdraw").status_code == 202

    assert case.decisions() == ["live", "withdrawn"]
    assert case.state() == "Active"
    assert world.by("ann").get(f"/v1/clusters/dev/node-ports/{held}").json["state"] == "free"


def test_a_rejected_change_leaves_what_is_live(world: ApprovalWorld) -> None:
    case = world.alive()
    case.change(selector={"app": "new"})

    case.review("eve", "reject")

    assert (case.decisions(), case.state()) == (["live", "rejected"], "Active")


def test_a_difference_is_told_field_by_field_and_as_a_text(world: ApprovalWorld) -> None:
    case = world.alive()
    case.change(selector={"app": "new"})

    found = world.by("eve").get(f"{case.at}/revisions/2/diff").json

    assert (found["revision"], found["against"]) == (2, 1)
    assert found["changes"] == [{"pointer": "#/selector/app", "before": "hello", "after": "new"}]
    assert "-    app: hello\n+    app: new\n" in found["unified"]


def test_an_edit_never_touches_the_service_before_its_review(world: ApprovalWorld) -> None:
    case = world.alive()
    world.cluster.calls.clear()

    for colour in ("red", "green", "blue"):
        case.change(selector={"app": colour})
        world.settle()

    assert world.cluster.writes() == []
