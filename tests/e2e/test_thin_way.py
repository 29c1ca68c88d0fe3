"""The thin way through, for each of the three types: asked for, approved, in the cluster, taken back.

Set up by the commands that a platform team uses, played over HTTP, proven by what the kube-apiserver has.
"""

import re
import signal
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from service.domain.manifest import MANAGED_BY, Mark
from tests.e2e.invariants import FILLED_IN_BY_THE_SERVER, faults
from tests.e2e.parts import run_command, wait_until
from tests.e2e.world import Document, World, condition, path_of

TYPES: dict[str, dict[str, Any]] = {
    "cluster-ip": {"type": None},  # left out: ClusterIP is the default
    "asked-port": {"type": "NodePort", "node_port": 30107},
    "chosen-port": {"type": "NodePort"},
    "balancer": {"type": "LoadBalancer"},
}
ANN = ("--person", "ann", "--team", "team-a", "--role", "requester")
TOKENS = {
    "ann": ANN,
    "ann_as_approver": (*ANN, "--role", "approver", "--expires", "1d"),
    "ben": ("--person", "ben", "--team", "team-b", "--role", "requester"),
    "eve": ("--person", "eve", "--group", "platform", "--role", "approver"),
}
WITHIN_SECONDS = 1.0
ENOUGH = 5
"""So many approvals are timed."""


def command(world: World, *words: str) -> str:
    """Run a command that is known to be good; return what it printed for programs."""
    done = run_command(*words, DATABASE_URL=world.database.url)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def way(empty_world: World) -> World:
    """Give a world that was set up by commands; both namespaces have a ready pod."""
    world = empty_world
    command(world, "cluster", "add", "dev", "--node-ports", world.control_plane.node_port_range)
    for team, namespace in world.namespaces.items():
        command(world, "team", "add", team, "--namespace", f"dev/{namespace}=development")
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda words: command(world, "token", "create", *words), TOKENS.values())
        for caller, token in zip(TOKENS, made, strict=True):
            world.use_token(caller, token)
    world.start_api()
    world.start_worker()
    for team in world.namespaces:
        world.add_ready_pod(team)
    return world


def ask(world: World, name: str, *, type: str | None, node_port: int | None = None) -> Document:
    """Ask for an exposure; check the answer; return it."""
    body = world.request(name, node_port=node_port)
    body["spec"] |= {"type": type}
    if type is None:
        del body["spec"]["type"]
    answer = world.submit(body)
    assert answer.status == 201, answer.text
    exposure = answer.body
    assert answer.headers["Location"] == path_of(exposure)
    assert re.fullmatch(r'"1\.\d+"', answer.headers["ETag"])
    status = exposure["status"]
    assert (status["state"], status["pending"]["revision"]) == ("AwaitingApproval", 1)
    assert status["pending"]["digest"].startswith("sha256:")
    assert status["pending"]["missing"] == ["approver"]
    assert condition(exposure, "Approved")["status"] == condition(exposure, "Applied")["status"] == "False"
    return exposure


def check_cannot_approve_oneself(world: World, exposure: Document) -> None:
    """Check that the requester is refused, with another token too, and that nothing came of it."""
    for who, code in (("ann", "forbidden"), ("ann_as_approver", "self-review")):
        answer = world.review(exposure, who)
        assert answer.status == 403, answer.text
        assert answer.body["code"] in (code, "self-review")
    assert world.service(exposure["metadata"]["name"]) is None


def approve(world: World, exposure: Document) -> float:
    """Approve it; return after how many seconds the kube-apiserver had the Service."""
    answer = world.review(exposure)
    begun = time.monotonic()
    assert answer.status == 201, answer.text
    wait_until(lambda: world.service(exposure["metadata"]["name"]), world.logs)
    return time.monotonic() - begun


def without_what_the_server_fills_in(service: Document) -> Document:
    """Return a Service without the mark and what the cluster adds by itself."""
    metadata, spec = service["metadata"], service["spec"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {field: value for field, value in spec.items() if field not in FILLED_IN_BY_THE_SERVER},
    }


def check_is_what_was_approved(world: World, exposure: Document, rendered: Document) -> Document:
    """Check that the cluster has the manifest that the reviewer read, and our mark; return the Service."""
    service = world.service(exposure["metadata"]["name"])
    assert service is not None
    assert without_what_the_server_fills_in(service | {"apiVersion": "v1", "kind": "Service"}) == rendered
    assert service["metadata"]["labels"][MANAGED_BY] == "wharfinger"
    mark = Mark.of(service)
    assert mark is not None
    assert (str(mark.exposure_id), mark.revision) == (exposure["metadata"]["id"], 1)
    assert mark.digest == exposure["status"]["pending"]["digest"]
    assert {entry["manager"] for entry in service["metadata"]["managedFields"]} == {"wharfinger"}
    return service


def give_balancer_address(world: World, exposure: Document) -> None:
    """Play the cluster's load balancer."""
    metadata = exposure["metadata"]
    waiting = world.wait_for(exposure, "Degraded")
    assert condition(waiting, "Ready")["reason"] in ("NoEndpoints", "LoadBalancerPending")
    path = f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}/status"
    world.admin.request("PATCH", path, {"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}})


def check_active(world: World, exposure: Document) -> Document:
    """Check what people see of it once it is live and ready; return it."""
    active = world.wait_for(exposure, "Active")
    status = active["status"]
    assert status["observed_generation"] == active["metadata"]["generation"] == 1
    assert status["live"] == {"revision": 1, "digest": exposure["status"]["pending"]["digest"]}
    assert status["pending"] is status["approved"] is None
    for kind in ("Approved", "Allocated", "Applied", "Ready"):
        assert condition(active, kind)["status"] == "True", condition(active, kind)
    [access] = status["access"]
    name, namespace = active["metadata"]["name"], active["metadata"]["namespace"]
    addresses = {
        "ClusterIP": [f"{name}.{namespace}.svc:80"],
        "NodePort": [f"192.0.2.1:{active['spec']['ports'][0]['node_port']}", f"{name}.{namespace}.svc:80"],
        "LoadBalancer": ["198.51.100.7:80", f"{name}.{namespace}.svc:80"],
    }
    assert access["addresses"] == addresses[active["spec"]["type"]]
    assert access["commands"][0].startswith(f"kubectl port-forward --namespace {namespace} service/{name} ")
    return active


def take_back(world: World, exposure: Document) -> None:
    """Delete it, with the ETag that was read; twice; wait until it is gone."""
    tag = world.caller("ann").call("GET", path_of(exposure)).headers["ETag"]
    stale = world.delete(exposure, if_match='"1.1"')
    assert (stale.status, stale.body["code"]) == (412, "stale")
    for _ in range(2):
        answer = world.delete(exposure, if_match=tag)
        assert answer.status == 202, answer.text
        assert answer.body["status"]["intent"] == "absent"
    ended = world.wait_for(exposure, "Ended")
    assert (ended["status"]["reason"], ended["status"]["access"]) == ("Deleted", [])
    assert world.service(exposure["metadata"]["name"]) is None
    assert world.delete(exposure, if_match=tag).status == 202, "safe to repeat, also when it has ended"


@pytest.mark.parametrize("kind", TYPES)
def test_the_whole_way_of_one_exposure(way: World, kind: str):
    exposure = ask(way, kind, **TYPES[kind])
    rendered = yaml.safe_load(way.caller("eve").call("GET", f"{path_of(exposure)}/manifest").text)
    numbers = [given["node_port"] for given in exposure["status"]["ports"]]
    owner = {"team": "team-a", "namespace": way.namespaces["team-a"], "name": kind}
    for number in numbers:
        assert way.node_port(number)["state"] == "held"
    check_cannot_approve_oneself(way, exposure)

    approve(way, exposure)

    service = check_is_what_was_approved(way, exposure, rendered)
    if kind == "balancer":
        assert "nodePort" not in service["spec"]["ports"][0], "a LoadBalancer takes no number unless asked to"
        give_balancer_address(way, exposure)
    check_active(way, exposure)
    for number in numbers:
        claim = way.node_port(number, who="ben")
        assert (claim["state"], claim["owner"]) == ("bound", owner)
    take_back(way, exposure)
    for number in numbers:
        claim = way.node_port(number)
        assert (claim["state"], claim["owner"]) == ("cooling", owner)
        assert claim["until"] is not None
    assert way.events(exposure) == ["requested", "approved", "live", "removal-requested", "removed"]
    assert faults(way) == []


def test_a_second_team_that_wants_the_port_is_told_its_owner(way: World):
    first = ask(way, "first", type="NodePort", node_port=30111)
    approve(way, first)
    way.wait_for(first, "Active")

    second = way.submit(way.request("second", team="team-b", node_port=30111), who="ben")

    assert (second.status, second.body["code"], second.body["port"]) == (409, "node-port-taken", 30111)
    assert second.body["owner"] == {"team": "team-a", "namespace": way.namespaces["team-a"], "name": "first"}
    assert way.caller("ben").get("/v1/exposures")["items"] == []
    take_back(way, first)
    cooling = way.submit(way.request("second", team="team-b", node_port=30111), who="ben")
    assert (cooling.status, cooling.body["until"] is not None) == (409, True)


def test_a_rejected_request_never_reaches_the_cluster_and_frees_its_port(way: World):
    exposure = ask(way, "rejected", type="NodePort", node_port=30112)

    assert way.review(exposure, verdict="reject").status == 201

    assert way.wait_for(exposure, "Ended")["status"]["reason"] == "Rejected"
    assert way.node_port(30112)["state"] == "free"
    assert way.service("rejected") is None


def test_an_approved_exposure_is_in_the_cluster_within_a_second(
    way: World, record_property: Callable[[str, object], None]
):
    took = []
    for number in range(ENOUGH):
        exposure = ask(way, f"timed-{number}", type="NodePort")
        took.append(approve(way, exposure))
        way.wait_for(exposure, "Active")

    record_property("seconds from approval to Service", took)
    sys.stderr.write(f"approval to Service: {', '.join(f'{seconds:.3f} s' for seconds in took)}\n")
    assert statistics.median(took) <= WITHIN_SECONDS, took


def test_a_service_that_was_deleted_or_changed_by_hand_comes_back(way: World):
    exposure = ask(way, "healed", type="NodePort")
    approve(way, exposure)
    way.wait_for(exposure, "Active")
    path = f"/api/v1/namespaces/{way.namespaces['team-a']}/services/healed"

    way.admin.request("PATCH", path, {"spec": {"selector": {"app": "other"}}})
    wait_until(lambda: (way.service("healed") or {})["spec"]["selector"] == {"app": "hello"}, way.logs)
    way.admin.request("DELETE", path)
    wait_until(lambda: way.service("healed"), way.logs)

    healed = ["requested", "approved", "live", "drift-healed", "recreated"]
    wait_until(lambda: way.events(exposure) == healed, lambda: str(way.events(exposure)))
    wait_until(lambda: faults(way) == [], lambda: str(faults(way)))


def workers(way: World) -> int:
    """Return how many workers have said within eight seconds that they live."""
    recent = "SELECT count(*) FROM worker WHERE seen_at > clock_timestamp() - interval '8 s'"
    with way.database.transaction() as session:
        return int(session.scalar(text(recent)) or 0)


def test_another_worker_takes_over_from_one_that_was_killed_or_told_to_end(
    way: World, record_property: Callable[[str, object], None]
):
    after_kill, after_end = (ask(way, name, type="NodePort") for name in ("after-kill", "after-end"))
    others = [way.another_worker(log) for log in ("second.log", "third.log")]
    try:
        way.worker.kill()
        killed = time.monotonic()
        assert way.review(after_kill).status == 201
        wait_until(lambda: way.service("after-kill"), others[0].tail)
        took_over = time.monotonic() - killed
        wait_until(lambda: workers(way) == 2, others[1].tail)
        [holder] = [part for part in others if "cluster taken" in part.tail()]

        ended = time.monotonic()
        holder.signal(signal.SIGTERM)
        assert way.review(after_end).status == 201
        wait_until(lambda: way.service("after-end"), others[1].tail)
        handed_back = time.monotonic() - ended
        assert holder.wait_for_exit() == 0
    finally:
        for part in others:
            part.kill()

    took = {"after kill -9": round(took_over, 2), "after SIGTERM": round(handed_back, 2)}
    record_property("seconds until another worker acts", took)
    sys.stderr.write(f"seconds until another worker acts: {took}\n")
    assert took_over <= 10
    assert handed_back <= 2
