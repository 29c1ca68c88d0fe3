"""A cluster is taken out: refused while exposures live there, or they are abandoned, and say so."""

import threading

import pytest
from sqlalchemy import text

from service.domain.errors import Conflict, NotFound
from service.domain.principal import Principal, PrincipalKind
from service.store import clusters
from service.workflow.act import Act
from service.workflow.remove_cluster import line_of, remove_cluster
from tests.conftest import Clock
from tests.integration.adoption_world import AdoptionWorld
from tests.integration.api_world import World, a_request, assert_problem, named
from tests.integration.reconciler_world import PORT, ReconcilerWorld, node_port_thief
from tests.integration.worker_harbour import eventually
from tests.postgres import Database

OPERATOR = Principal(PrincipalKind.PERSON, "wharfinger")


@pytest.fixture
def world(database: Database, clock: Clock) -> ReconcilerWorld:
    return ReconcilerWorld(database, clock)


def remove(world: ReconcilerWorld, abandon: bool = False) -> list[str]:
    """Take the cluster out; return the lines of what was abandoned."""
    with world.transaction() as session:
        used = remove_cluster(session, "dev", abandon, Act(OPERATOR, world.now(), "a command"))
    return list(map(line_of, used))


def test_a_cluster_where_exposures_live_is_kept_and_each_of_them_is_named(world: ReconcilerWorld) -> None:
    world.live()
    world.request(name="waiting", type="ClusterIP", ports=[{"port": 80}])
    with pytest.raises(Conflict) as refused:
        remove(world)
    lines = str(refused.value).splitlines()
    assert "2 exposure(s)" in lines[0]
    assert "--abandon" in lines[0]
    assert lines[1:] == [f"{PORT}\tbound\tteam-a\tteam-a/hello", "-\t-\tteam-a\tteam-a/waiting"]
    with world.transaction() as session:
        assert clusters.lock(session, "dev")


def test_what_is_abandoned_ends_with_an_event_and_stays_in_the_cluster(world: ReconcilerWorld) -> None:
    live, waiting = world.live(), world.request(name="waiting", ports=[{"port": 80, "node_port": 30008}])
    world.cluster.calls.clear()

    abandoned = remove(world, abandon=True)

    assert abandoned == [
        f"{PORT}\tbound\tteam-a\tteam-a/hello",
        "30008\theld\tteam-a\tteam-a/waiting",
    ]
    for story, decision in ((live, "retired"), (waiting, "withdrawn")):
        status = story.status()
        assert (status["state"], status["reason"]) == ("Ended", "Abandoned")
        assert story.kinds()[-1] == "abandoned"
        assert [revision.decision for revision in world.record(story).revisions] == [decision]
    assert world.cluster.calls == []
    assert not world.is_gone(live)
    with world.transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM port_claim")) == 0
        past = session.execute(text("SELECT port, ending FROM port_history ORDER BY port")).all()
        told = session.execute(text("SELECT kind, data FROM audit_event")).all()
    assert past == [(PORT, "abandoned"), (30008, "unused")]
    assert told == [("cluster-removed", {"cluster": "dev", "abandoned": ["team-a/hello", "team-a/waiting"]})]


def test_foreign_and_cooling_numbers_keep_no_cluster(world: ReconcilerWorld) -> None:
    world.cluster.add_namespace("team-b")
    world.cluster.add_service(node_port_thief(30020))
    story = world.live()
    story.delete()
    world.cycle(2)
    assert (world.claimed(30020), world.claimed()) == ("foreign", "cooling")
    assert remove(world) == []


def test_in_a_cluster_that_is_gone_nobody_may_ask_and_nothing_is_shown(world: ReconcilerWorld) -> None:
    remove(world)
    refused = world.api.ann.post("/v1/exposures", a_request())
    assert "no cluster" in assert_problem(refused, 422, "invalid")["errors"][0]["detail"]
    assert_problem(world.api.ann.get("/v1/clusters/dev/node-ports/30000"), 404, "not-found")
    with pytest.raises(NotFound):
        remove(world)


def test_a_request_that_came_first_is_seen_and_one_that_comes_during_it_is_refused(
    own_database: Database, clock: Clock
) -> None:
    world = World(own_database.transaction, clock)
    answers: list[int] = []

    def ask() -> None:
        answers.append(world.ann.post("/v1/exposures", named("late")).status_code)

    world.ann.submit(a_request())
    with own_database.transaction() as session:
        assert clusters.lock(session, "dev")
        late = threading.Thread(target=ask)
        late.start()
        eventually(lambda: waits_for_a_lock(own_database))
        assert [use.name for use in clusters.uses(session, "dev")] == ["hello"]
        clusters.remove(session, "dev", clock())
    late.join()

    assert answers == [503]
    assert_problem(world.ann.post("/v1/exposures", named("late")), 422, "invalid")
    assert len(world.ann.get("/v1/exposures").json["items"]) == 1


def waits_for_a_lock(database: Database) -> bool:
    """Return whether somebody waits in this database."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = :name"
    with database.transaction() as session:
        return bool(session.scalar(text(query), {"name": database.name}))


def test_an_adoption_that_is_abandoned_ends_and_blocks_no_later_one(database: Database, clock: Clock) -> None:
    world = AdoptionWorld(database, clock)
    world.pending()
    remove(world, abandon=True)
    with world.transaction() as session:
        assert session.scalars(text("SELECT state FROM adoption")).all() == ["ended"]
        assert session.scalar(text("SELECT count(*) FROM port_claim")) == 0
