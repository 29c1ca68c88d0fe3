"""Several workers on one cluster: as if there were no leases, still one Service each, nothing left behind."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from random import Random

import pytest

from service.cluster.gateway import Kind
from service.domain.errors import ObjectMissing
from tests.integration.reconciler_world import Looker, Story
from tests.integration.worker_harbour import Harbour, PacedClock, eventually, is_live
from tests.postgres import Database


def test_two_workers_make_one_service_of_each_exposure(harbour: Harbour) -> None:
    harbour.start(poll_seconds=0.05)
    harbour.start(poll_seconds=0.05)
    stories = [harbour.approved(name=f"n{number}") for number in range(8)]
    for story in stories:
        eventually(is_live(story))
        assert story.kinds().count("live") == 1
        assert "apply-failed" not in story.kinds()
    for story in stories:
        story.delete()
    for story in stories:
        eventually(lambda story=story: story.status()["state"] == "Ended", 40)  # type: ignore[misc]
    assert harbour.world.cluster.list(Kind.SERVICES).items == []


@pytest.fixture
def brisk(own_database: Database) -> Iterator[Harbour]:
    """Give a harbour where what takes a worker 15 s takes half a second."""
    with ExitStack() as stack:
        yield Harbour(own_database, stack, PacedClock(30))


class Storm:
    """Seeded hands on everything, for a while: lost answers, deletes by hand and by the api, new requests."""

    def __init__(self, harbour: Harbour, seed: int) -> None:
        self._harbour, self._chance = harbour, Random(seed)
        self.stories = [harbour.approved(name=f"n{number}") for number in range(4)]
        self.deleted: list[Story] = []

    def rage(self, seconds: float) -> None:
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            self._chance.choice([self._lose, self._remove, self._remove, self._edit, self._delete])()
            threading.Event().wait(0.01)

    def _lose(self) -> None:
        self._harbour.world.cluster.lose_answer_of(self._chance.choice(["create", "replace", "delete"]))

    def _remove(self) -> None:
        with suppress(ObjectMissing):
            self._harbour.world.cluster.remove("team-a", self._chance.choice(self.stories).name)

    def _edit(self) -> None:
        with suppress(KeyError):
            name = self._chance.choice(self.stories).name
            self._harbour.world.cluster.hand_edit(
                "team-a", name, lambda s: s["spec"].update(selector={"a": "b"})
            )

    def _delete(self) -> None:
        if self._chance.random() < 0.5:
            number = self._chance.randrange(len(self.stories))
            self.deleted.append(self.stories[number])
            self.stories[number].delete()
            self.stories[number] = self._harbour.approved(name=f"n{len(self.deleted) + 4}")


def look_again_and_again(
    harbour: Harbour, seed: int, over: threading.Event, faults: list[BaseException]
) -> None:
    """Look until the storm is over, as a worker that nobody coordinates with the others."""
    looker = Looker(harbour.world.cluster, harbour.edge(harbour.engine(), seed))
    try:
        while not over.is_set():
            looker.look()
    except BaseException as fault:
        faults.append(fault)


def test_several_workers_in_a_storm_keep_one_service_for_each_exposure_and_leave_none_behind(
    brisk: Harbour, caplog: pytest.LogCaptureFixture
) -> None:
    storm, over = Storm(brisk, seed=11), threading.Event()
    faults: list[BaseException] = []
    threads = [
        threading.Thread(target=look_again_and_again, args=(brisk, seed, over, faults)) for seed in range(3)
    ]
    for thread in threads:
        thread.start()
    storm.rage(2.0)
    over.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    brisk.start(poll_seconds=0.05)
    for story in storm.deleted:
        eventually(lambda story=story: story.status()["state"] == "Ended")  # type: ignore[misc]
    for story in storm.stories:
        eventually(lambda story=story: is_live(story)() and not brisk.world.is_gone(story))  # type: ignore[misc]
        record = brisk.world.record(story)
        assert [revision.decision.value for revision in record.revisions] == ["live"]
        assert record.sync.uid == brisk.world.service(story)["metadata"]["uid"]
        assert [claim.state.value for claim in record.claims] == ["bound"]
    names = {service["metadata"]["name"] for service in brisk.world.cluster.list(Kind.SERVICES).items}
    assert names == {story.name for story in storm.stories}
    for story in [*storm.stories, *storm.deleted]:
        told = [event["data"].get("reason") for event in story.events() if event["kind"].endswith("-failed")]
        assert set(told) <= {"ClusterAway"}
        assert story.kinds().count("live") <= 1
        assert story.kinds().count("removed") <= 1
