"""How the node port range is found: by asking for what no range has, without leaving anything behind."""

from collections.abc import Callable

import pytest

from service.admin.probe import HIGHEST, LOWEST, PAUSE_SECONDS, TRIES, find_range
from service.cluster.gateway import Kind
from service.domain.errors import (
    ClusterAway,
    ClusterError,
    ObjectChanged,
    ObjectMissing,
    WriteForbidden,
    WriteRefused,
)
from service.domain.ports import Pool
from tests.contract.builders import make_port, make_service
from tests.fakes import Document, FakeCluster


def make_cluster(first: int = 30000, last: int = 30040) -> FakeCluster:
    cluster = FakeCluster(first, last)
    cluster.add_namespace("wharfinger")
    return cluster


def probed(cluster: FakeCluster, wait: Callable[[float], object] = lambda _: None) -> Pool:
    return find_range(cluster, "wharfinger", "probe", wait)


@pytest.mark.parametrize(("first", "last"), [(30000, 32767), (2, 9), (LOWEST, 100), (100, HIGHEST)])
def test_the_range_is_found_and_nothing_is_left(first: int, last: int) -> None:
    cluster = make_cluster(first, last)

    assert probed(cluster) == Pool(first, last)
    assert cluster.list(Kind.SERVICES).items == []


def test_a_range_of_everything_is_found_by_what_it_takes() -> None:
    cluster = make_cluster(LOWEST, HIGHEST)

    assert probed(cluster) == Pool(LOWEST, HIGHEST)
    assert cluster.list(Kind.SERVICES).items == []


def test_somebody_elses_number_at_the_end_does_not_hinder() -> None:
    cluster = make_cluster(LOWEST, 100)
    cluster.add_service(make_service("wharfinger", "other", ports=[make_port(80, LOWEST)]))

    assert probed(cluster) == Pool(LOWEST, 100)
    assert [service["metadata"]["name"] for service in cluster.list(Kind.SERVICES).items] == ["other"]


def test_a_lost_answer_leaves_nothing_behind() -> None:
    cluster = make_cluster(LOWEST, 100)
    cluster.lose_answer_of("create")

    with pytest.raises(ClusterAway):
        probed(cluster)

    assert cluster.list(Kind.SERVICES).items == []


def touch(service: Document) -> None:
    service["metadata"]["labels"] = {"seen-by": "somebody"}


def test_what_was_changed_before_it_is_deleted_is_deleted_as_it_is_then() -> None:
    cluster = make_cluster(LOWEST, 100)
    cluster.before_next("delete", lambda: cluster.hand_edit("wharfinger", "probe", touch))

    assert probed(cluster) == Pool(LOWEST, 100)
    assert cluster.list(Kind.SERVICES).items == []


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_delete_without_an_answer_is_tried_again(is_deleted: bool) -> None:
    cluster, waited = make_cluster(LOWEST, 100), list[float]()
    if is_deleted:
        cluster.lose_answer_of("delete")
    else:
        cluster.refuse_next("delete", ClusterAway("no answer"))

    assert probed(cluster, waited.append) == Pool(LOWEST, 100)
    assert (cluster.list(Kind.SERVICES).items, waited) == ([], [PAUSE_SECONDS])


@pytest.mark.parametrize("error", [ClusterAway("no answer"), ObjectChanged("changed")])
@pytest.mark.parametrize("is_answered", [True, False])
def test_what_cannot_be_deleted_is_told_with_what_to_do(error: ClusterError, is_answered: bool) -> None:
    cluster = make_cluster(LOWEST, 100)
    if not is_answered:
        cluster.lose_answer_of("create")
    for _ in range(TRIES):
        cluster.refuse_next("delete", error)

    with pytest.raises(type(error), match="may be left behind") as caught:
        probed(cluster)

    assert f"Service wharfinger/probe, asked for to find them, may be left behind: {error}. " in str(
        caught.value
    )
    assert "Delete it: kubectl --namespace wharfinger delete service probe" in str(caught.value)
    assert cluster.peek("wharfinger", "probe") is not None


def test_a_right_to_delete_that_is_missing_is_told_at_once() -> None:
    cluster, waited = make_cluster(LOWEST, 100), list[float]()
    cluster.refuse_next("delete", WriteForbidden("no right"))

    with pytest.raises(WriteForbidden, match="delete service probe"):
        probed(cluster, waited.append)

    assert waited == []


def test_another_refusal_is_told_as_it_is() -> None:
    cluster = make_cluster()
    cluster.refuse_next("create", WriteRefused("a webhook says no"))

    with pytest.raises(WriteRefused, match="a webhook says no"):
        probed(cluster)


def test_a_missing_right_or_namespace_is_told() -> None:
    cluster = make_cluster()
    cluster.refuse_next("create", WriteForbidden("no right"))

    with pytest.raises(WriteForbidden, match="no right"):
        probed(cluster)
    with pytest.raises(ObjectMissing, match="nowhere"):
        find_range(cluster, "nowhere", "probe")
