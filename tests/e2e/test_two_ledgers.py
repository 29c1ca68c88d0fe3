"""One cluster, two databases that were one: a restored dump and a copy act only when somebody lets them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from tests.e2e.parts import Api, Part, run_command, wait_until
from tests.e2e.world import Caller, Document, World, condition, path_of
from tests.postgres import Database, Server


@dataclass(frozen=True)
class Copy:
    """The ledger as it was once, with an api and a worker of its own."""

    database: Database
    ann: Caller
    eve: Caller
    worker: Part


def approve(ann: Caller, eve: Caller, body: Document) -> Document:
    """Ask for something and approve it."""
    answer = ann.call("POST", "/v1/exposures", body)
    assert answer.status == 201, answer.text
    exposure = answer.body
    pending = exposure["status"]["pending"]
    review = {"verdict": "approve", "digest": pending["digest"], "comment": None}
    path = f"{path_of(exposure)}/revisions/{pending['revision']}/reviews"
    assert eve.call("POST", path, review).status == 201
    return exposure


def frozen(database: Database) -> str | None:
    with database.transaction() as session:
        found: str | None = session.scalar(text("SELECT frozen FROM cluster_view"))
    return found


def versions(world: World) -> dict[str, str]:
    return {s["metadata"]["name"]: s["metadata"]["resourceVersion"] for s in world.services()}


@pytest.fixture(scope="module")
def copy(empty_world: World, postgres: Server) -> Iterator[Copy]:
    """Give a ledger that knows of the first exposure; in the cluster there is a second one by then."""
    world = empty_world
    world.fill()
    world.start_api()
    world.start_worker()
    first = approve(world.caller("ann"), world.caller("eve"), world.request("first"))
    world.wait_for(first, "Active", "Degraded")
    world.end_parts()
    world.database.engine.dispose()  # a database with guests is no template
    with postgres.database(world.database.name) as older:
        world.start_api()
        world.start_worker()
        second = approve(world.caller("ann"), world.caller("eve"), world.request("second"))
        world.wait_for(second, "Active", "Degraded")
        world.worker.kill()
        with older.transaction() as session:
            session.execute(text("DELETE FROM lease"))
        api = Api(world.folder / "api-copy.log", older.url)
        api.wait_until_ready()
        worker = world.another_worker("worker-copy.log", older.url, name="worker of the copy")
        with (
            closing(world.new_caller("ann", url=api.url)) as ann,
            closing(world.new_caller("eve", url=api.url)) as eve,
        ):
            wait_until(lambda: frozen(older), lambda: f"it is frozen:\n{worker.tail()}")
            yield Copy(older, ann, eve, worker)
        worker.kill()
        api.kill()


def accept(copy: Copy) -> None:
    """Let an operator say that the copy may act, if nobody has yet."""
    if frozen(copy.database):
        done = run_command("cluster", "accept-ledger", "dev", DATABASE_URL=copy.database.url)
        assert done.returncode == 0, done.stderr
        wait_until(lambda: not frozen(copy.database), lambda: f"it is let go:\n{copy.worker.tail()}")


def test_a_restored_dump_is_frozen_until_an_operator_accepts_it(empty_world: World, copy: Copy):
    world = empty_world
    path = f"/api/v1/namespaces/{world.namespaces['team-a']}/services/first"
    world.admin.request("PATCH", path, {"spec": {"selector": {"app": "by-hand"}}})
    before = versions(world)
    items = copy.eve.get("/v1/exposures")["items"]

    [applied] = [condition(item, "Applied") for item in items]
    assert (applied["status"], applied["reason"]) == ("Unknown", "LedgerBehindCluster")
    assert "was restored from an older state" in applied["message"]
    with pytest.raises(AssertionError):
        wait_until(lambda: versions(world) != before, "something is written", seconds=2)

    accept(copy)

    wait_until(
        lambda: versions(world)["first"] != before["first"], lambda: f"it heals:\n{copy.worker.tail()}"
    )
    assert versions(world)["second"] == before["second"]


def test_of_two_ledgers_one_acts(empty_world: World, copy: Copy):
    """What the copy wrote last counts: it was accepted, so the first one is frozen from then on."""
    world = empty_world
    accept(copy)
    approve(copy.ann, copy.eve, world.request("of-the-copy"))
    wait_until(lambda: "of-the-copy" in versions(world), lambda: f"it acts:\n{copy.worker.tail()}")

    world.start_worker(wait=False)
    approve(world.caller("ann"), world.caller("eve"), world.request("of-the-first"))

    wait_until(lambda: frozen(world.database), lambda: f"it is frozen:\n{world.worker.tail()}")
    assert frozen(copy.database) is None
    assert "of-the-first" not in versions(world)
