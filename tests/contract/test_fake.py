"""What only the fake can do: faults, races, and a log of what was called."""

import pytest

from service.cluster.gateway import ChangeKind, Kind
from service.domain.errors import ClusterAway, ListTooOld, ObjectChanged, WriteForbidden
from tests.contract.builders import make_service, numbers
from tests.fakes import Call, FakeCluster


@pytest.fixture
def fake() -> FakeCluster:
    fake = FakeCluster()
    fake.add_namespace("shop")
    return fake


def test_a_lost_answer_is_a_write_that_happened(fake: FakeCluster) -> None:
    fake.lose_answer_of("create")

    with pytest.raises(ClusterAway):
        fake.create(make_service("shop"))

    assert fake.service("shop", "web") is not None


def test_a_refused_call_did_not_happen_and_the_next_one_does(fake: FakeCluster) -> None:
    fake.refuse_next("create", WriteForbidden("exceeded quota"))

    with pytest.raises(WriteForbidden, match="exceeded quota"):
        fake.create(make_service("shop"))

    assert fake.service("shop", "web") is None
    assert fake.create(make_service("shop"))["metadata"]["name"] == "web"


def test_a_cluster_that_is_away_answers_nothing_until_it_is_back(fake: FakeCluster) -> None:
    fake.away = True
    with pytest.raises(ClusterAway):
        fake.list(Kind.SERVICES)

    fake.away = False
    assert fake.list(Kind.SERVICES).items == []


def test_somebody_can_act_just_before_a_call(fake: FakeCluster) -> None:
    service = fake.create(make_service("shop"))
    fake.before_next(
        "replace", lambda: fake.hand_edit("shop", "web", lambda s: s["spec"].update(selector={"app": "x"}))
    )

    with pytest.raises(ObjectChanged):
        fake.replace(service)


def test_calls_are_logged_and_other_peoples_are_not(fake: FakeCluster) -> None:
    fake.add_service(make_service("shop", "foreign"))
    fake.create(make_service("shop"))
    fake.list(Kind.SERVICES)

    assert fake.calls == [Call("create", "shop", "web"), Call("list services")]
    assert fake.writes() == [Call("create", "shop", "web")]


def test_a_hand_edit_names_its_manager(fake: FakeCluster) -> None:
    fake.create(make_service("shop"))

    edited = fake.hand_edit("shop", "web", lambda s: s["spec"].update(selector={"app": "x"}))

    assert [entry["manager"] for entry in edited["metadata"]["managedFields"]] == [
        "wharfinger",
        "kubectl-edit",
    ]


def test_what_is_returned_is_a_copy(fake: FakeCluster) -> None:
    fake.create(make_service("shop"))["spec"]["ports"].clear()

    stored = fake.service("shop", "web")

    assert stored is not None
    assert len(stored["spec"]["ports"]) == 1


def test_a_full_dynamic_band_spills_into_the_static_one() -> None:
    fake = FakeCluster(30000, 30016)
    fake.add_namespace("shop")

    given = [numbers(fake.create(make_service("shop", f"web-{n}")))[0] for n in range(2)]

    assert given == [30016, 30000]


def test_endpoints_look_like_the_apiservers(fake: FakeCluster) -> None:
    fake.create(make_service("shop"))
    fake.add_endpoints("shop", "web", ready=1, unready=1)

    [piece] = fake.list(Kind.ENDPOINT_SLICES).items

    assert piece["metadata"]["labels"] == {"kubernetes.io/service-name": "web"}
    assert piece["ports"] == [{"name": "http", "port": 80, "protocol": "TCP"}]
    assert [endpoint["conditions"]["ready"] for endpoint in piece["endpoints"]] == [True, False]
    assert len({endpoint["targetRef"]["uid"] for endpoint in piece["endpoints"]}) == 2


def test_the_ports_of_endpoints_have_the_services_names_and_the_pods_numbers(fake: FakeCluster) -> None:
    fake.add_endpoints("shop", "web")
    unnamed = {"port": 80, "targetPort": "http", "protocol": "UDP"}
    fake.create(make_service("shop", ports=[unnamed]))

    [piece] = fake.list(Kind.ENDPOINT_SLICES).items

    assert piece["ports"] == [{"name": "", "port": 8000, "protocol": "UDP"}]


def test_endpoints_come_and_go_with_their_service(fake: FakeCluster) -> None:
    fake.add_endpoints("shop", "web")
    fake.create(make_service("shop"))
    fake.remove("shop", "web")

    assert fake.list(Kind.ENDPOINT_SLICES).items == []


def test_nodes_look_like_the_apiservers(fake: FakeCluster) -> None:
    fake.add_node("node-1", "192.0.2.10", ready=False)

    [node] = fake.list(Kind.NODES).items

    assert node["status"]["conditions"] == [{"type": "Ready", "status": "False"}]


def test_a_watch_tells_bookmarks(fake: FakeCluster) -> None:
    since = fake.list(Kind.SERVICES).resource_version
    fake.bookmark()

    change = next(fake.watch(Kind.SERVICES, since, 10, lambda: False))

    assert (change.kind, int(change.resource_version)) == (ChangeKind.BOOKMARK, int(since) + 1)


def test_a_watch_does_not_begin_where_the_changes_are_forgotten(fake: FakeCluster) -> None:
    since = fake.list(Kind.SERVICES).resource_version
    fake.forget_changes()

    with pytest.raises(ListTooOld, match="too old resource version"):
        next(fake.watch(Kind.SERVICES, since, 10, lambda: False))


def test_a_dropped_watch_is_away(fake: FakeCluster) -> None:
    fake.create(make_service("shop"))
    changes = fake.watch(Kind.SERVICES, "0", 10, lambda: False)
    next(changes)
    fake.drop_watches()

    with pytest.raises(ClusterAway, match="dropped"):
        next(changes)
