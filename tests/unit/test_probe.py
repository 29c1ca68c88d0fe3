"""How the node port range is found: by asking for what no range has, without leaving anything behind."""

import pytest

from service.admin.probe import HIGHEST, LOWEST, find_range
from service.cluster.gateway import Kind
from service.domain.errors import ClusterAway, ObjectMissing, WriteForbidden, WriteRefused
from service.domain.ports import Pool
from tests.contract.builders import make_port, make_service
from tests.fakes import FakeCluster


def make_cluster(first: int = 30000, last: int = 30040) -> FakeCluster:
    cluster = FakeCluster(first, last)
    cluster.add_namespace("wharfinger")
    return cluster


def probed(cluster: FakeCluster) -> Pool:
    return find_range(cluster, "wharfinger", "probe")


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
