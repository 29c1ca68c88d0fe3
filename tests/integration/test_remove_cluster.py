"""A cluster is taken out: refused while exposures live there, or they are abandoned, and say so."""

import threading

import pytest
from sqlalchemy import text

from service.domain.errors import ClusterAway, Conflict, NotFound
from service.domain.principal import Principal, PrincipalKind
from service.domain.spec import Document
from service.store import clusters, identities
from service.workflow.act import Act
from service.workflow.remove_cluster import line_of, remove_cluster
from tests.conftest import Clock
from tests.integration.adoption_world import ADDRESS, PORTS, Adopting, AdoptionWorld, a_wish
from tests.integration.api_world import World, a_request, assert_problem, named
from tests.integration.reconciler_world import (
    DEV,
    PORT,
    Looker,
    ReconcilerWorld,
    SteppingWorld,
    node_port_thief,
)
from tests.integration.worker_harbour import eventually
from tests.postgres import Database

OPERATOR = Principal(PrincipalKind.PERSON, "wharfinger")


@pytest.fixture
def world(database: Database, clock: Clock) -> ReconcilerWorld:
    return ReconcilerWorld(database, clock)


def remove(world: ReconcilerWorld, abandon: bool = False) -> list[str]:
    """Take the cluster out; return the lines of what was abandoned."""
    with world.transaction() as session:
        left = remove_cluster(session, "dev", abandon, Act(OPERATOR, world.now(), "a command"))
    return list(map(line_of, left.abandoned))


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
    ended = {"abandoned": ["team-a/hello", "team-a/waiting"], "adoptions_refused": []}
    assert told == [("cluster-removed", {"cluster": "dev"} | ended)]


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


def test_who_waits_for_an_adoption_is_told_that_nobody_will_read_the_service(
    database: Database, clock: Clock
) -> None:
    world = AdoptionWorld(database, clock)
    world.make()
    wanted = Adopting(world, world.wish())

    remove(world)

    read = wanted.read()
    assert (read["state"], [fault["code"] for fault in read["faults"]]) == ("refused", ["not-found"])
    assert "Cluster dev was taken out of the ledger" in read["faults"][0]["detail"]
    assert "as it was" in read["message"]
    with world.transaction() as session:
        data = session.scalar(text("SELECT data FROM audit_event WHERE kind = 'cluster-removed'"))
    assert data == {"cluster": "dev", "abandoned": [], "adoptions_refused": ["team-a/shop"]}


def test_an_adoption_that_is_judged_ends_with_its_cluster_and_may_be_asked_for_anew(
    database: Database, clock: Clock
) -> None:
    world = AdoptionWorld(database, clock)
    wanted = world.pending()
    before = wanted.service()
    with pytest.raises(Conflict, match="team-a/shop"):
        remove(world)

    remove(world, abandon=True)

    status = wanted.exposure()["status"]
    assert (wanted.state(), status["state"], status["reason"]) == ("ended", "Ended", "Abandoned")
    assert "taken out of the ledger" in wanted.events()[-1][1]["message"]
    come_back(world)
    assert world.owners(*PORTS) == [("foreign", None, None)] * 2
    assert world.asked().state() == "requested"
    assert (wanted.service(), world.written()) == (before, [])


# When the same cluster comes back.


def come_back(world: ReconcilerWorld) -> None:
    """Add the cluster again, as it was; a worker takes it and looks at all of it."""
    with world.transaction() as session:
        identities.put_cluster(session, DEV, world.now())
    world.looker = Looker(world.cluster, world.edge)
    world.cycle()


def test_a_service_that_was_abandoned_is_a_foreign_one_for_good_and_never_removed(
    database: Database, clock: Clock
) -> None:
    world = SteppingWorld(database, clock)
    story = world.live()
    before = world.service(story)
    remove(world, abandon=True)
    world.cluster.calls.clear()

    come_back(world)
    for _ in range(4):
        world.later(minutes=5)

    assert (world.service(story), world.written()) == (before, [])
    assert (world.claimed(), world.owner(PORT)) == ("foreign", ("foreign", "team-a/hello"))
    with world.transaction() as session:
        seen = session.execute(text("SELECT orphans, strangers, withheld FROM cluster_view")).one()
    assert tuple(seen) == (0, 1, 0)


def test_a_create_that_arrives_after_its_exposure_was_abandoned_is_left_too(
    database: Database, clock: Clock
) -> None:
    world = SteppingWorld(database, clock)
    story = world.approved()
    world.cluster.refuse_next("create", ClusterAway("no answer"))
    world.cycle()
    [token] = world.record(story).sync.create_tokens
    remove(world, abandon=True)
    world.late_create(story, token)
    come_back(world)
    for _ in range(4):
        world.later(minutes=5)
    assert not world.is_gone(story)


def test_a_service_that_was_abandoned_is_adopted_once_somebody_took_its_mark_off(
    database: Database, clock: Clock
) -> None:
    world = AdoptionWorld(database, clock)
    story = world.live()
    remove(world, abandon=True)
    come_back(world)
    refused = world.asked(name="hello")
    assert refused.state() == "refused"
    assert all("managed-by" in at or "wharfinger.dev" in at for at in refused.pointers())

    def take_off(service: Document) -> None:
        service["metadata"] |= {"labels": {}, "annotations": {}}

    world.cluster.hand_edit("team-a", "hello", take_off)
    world.cycle()
    wanted = world.asked(name="hello")
    assert wanted.state() == "requested", wanted.read()["faults"]
    wanted.review()
    world.settle()

    assert (wanted.state(), world.owners(PORT)[0][:2]) == ("adopted", ("bound", "team-a"))
    assert story.status()["state"] == "Ended"


# Requests at the same time.


@pytest.mark.parametrize(("at", "body"), [("/v1/exposures", named("late")), (ADDRESS, a_wish())])
def test_a_request_that_came_first_is_seen_and_one_that_comes_during_it_is_refused(
    own_database: Database, clock: Clock, at: str, body: Document
) -> None:
    world = World(own_database.transaction, clock)
    answers: list[int] = []

    def ask() -> None:
        answers.append(world.ann.post(at, body).status_code)

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
    assert world.ann.post(at, body).status_code in (404, 422)
    with own_database.transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM adoption")) == 0
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
