"""A small world for the worker's tests: the api's world with its people, a FakeCluster, and single looks.

People act through the api, the worker through ``cycle()``; time stands still until a test lets it go on.
"""

import random
from collections.abc import Callable
from concurrent import futures
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import NullPool, create_engine, text

from service.cluster.gateway import Kind
from service.domain.claim import PortClaim
from service.domain.cluster import USUAL
from service.domain.errors import ClusterError
from service.domain.exposure import ExposureRecord
from service.domain.manifest import Mark, with_mark, with_ports
from service.reconciler.cache import KEPT
from service.reconciler.crew import Crew
from service.reconciler.cycle import Cycle
from service.reconciler.edge import Edge
from service.reconciler.leases import Lease, LeasedGateway
from service.store import exposures, identities, ports
from tests.conftest import Clock
from tests.fakes import Document, FakeCluster
from tests.integration.api_world import POOL, World, a_request
from tests.judges import a_judge
from tests.postgres import Database

COOLING = timedelta(hours=24)
DEV = identities.Cluster("dev", None, POOL)
T = TypeVar("T")
PORT = 30007


class Cluster(FakeCluster):
    """A FakeCluster for several threads, with a webhook, and room between a create and its answer."""

    def __init__(self) -> None:
        super().__init__()
        self._after_create: list[Callable[[], object]] = []
        self._webhook: Callable[[Document], object] | None = None

    def forget_namespace(self, name: str) -> None:
        """Let it be as if a namespace had never been."""
        del self._namespaces[name]

    def mutate_writes(self, webhook: Callable[[Document], object] | None) -> None:
        """Let a webhook edit each Service that the worker sends; None: no more."""
        self._webhook = webhook

    def after_next_create(self, hook: Callable[[], object]) -> None:
        """Let somebody act when the next Service has been made, before the worker hears of it."""
        self._after_create.append(hook)

    def create(self, service: Document) -> Document:
        """Create it, then let somebody act."""
        stored = super().create(self._admitted(service))
        if self._after_create:
            self._after_create.pop(0)()
        return stored

    def replace(self, service: Document) -> Document:
        """Replace it."""
        return super().replace(self._admitted(service))

    def _admitted(self, service: Document) -> Document:
        admitted = deepcopy(service)
        if self._webhook is not None:
            self._webhook(admitted)
        return admitted


class Story:
    """One exposure of the issue's example, told by what people do and by what they see."""

    def __init__(self, api: World, body: Document) -> None:
        made = api.ann.submit(body)
        self._api, self.at = api, made.headers["Location"]
        self.namespace, self.name = body["metadata"]["namespace"], body["metadata"]["name"]
        self.id = UUID(made.json["metadata"]["id"])
        self.digest: str = made.json["status"]["pending"]["digest"]

    def approve(self, revision: int = 1, digest: str | None = None) -> "Story":
        """Let the platform approve what was read."""
        verdict = {"verdict": "approve", "digest": digest or self.digest}
        answer = self._api.eve.post(f"{self.at}/revisions/{revision}/reviews", verdict)
        assert answer.status_code == 201, answer.text
        return self

    def delete(self) -> Document:
        """Take it back, whatever has changed meanwhile; return its status."""
        answer = self._api.ann.delete(self.at, If_Match="*")
        assert answer.status_code == 202, answer.text
        return dict(answer.json["status"])

    def change(self, **spec: Any) -> Document:
        """Ask for a change that people have to approve; return its status."""
        answer = self._api.ann.patch(self.at, {"spec": spec})
        assert answer.status_code == 202, answer.text
        return dict(answer.json["status"])

    def post(self, word: str) -> None:
        """Suspend it, or let it go on."""
        answer = self._api.ann.post(f"{self.at}/{word}", None, If_Match="*")
        assert answer.status_code == 202, answer.text

    def status(self) -> Document:
        """Return the status that its owner sees."""
        return dict(self._api.ann.get(self.at).json["status"])

    def node_port(self) -> int:
        """Return the number that its first port has."""
        return int(self.status()["ports"][0]["node_port"])

    def etag(self) -> str:
        """Return the tag that its owner sees."""
        return self._api.ann.get(self.at).headers["ETag"]

    def condition(self, kind: str) -> tuple[str, str]:
        """Return status and reason of a condition."""
        found = self._condition(kind)
        return found["status"], found["reason"]

    def message(self, kind: str = "Applied") -> str:
        """Return a condition's message."""
        return str(self._condition(kind)["message"])

    def _condition(self, kind: str) -> Document:
        return next(dict(c) for c in self.status()["conditions"] if c["type"] == kind)

    def events(self) -> list[Document]:
        """Return what happened, oldest first."""
        return list(self._api.ann.get(f"{self.at}/events").json["items"])

    def kinds(self) -> list[str]:
        """Return the kind of each event."""
        return [event["kind"] for event in self.events()]


class Inline(futures.Executor):
    """A thread pool without threads: what is submitted is done at once."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> futures.Future[T]:
        """Do it."""
        done: futures.Future[T] = futures.Future()
        done.set_result(fn(*args, **kwargs))
        return done


def endless_lease(cluster: str = "dev") -> Lease:
    """Return a lease that nobody has to renew."""
    lease = Lease(cluster, "a test", lambda: 0.0)
    lease.renewed(float("inf"))
    return lease


class Looker:
    """A worker without threads: each look begins with fresh lists, unless its watches are said to be late."""

    def __init__(
        self,
        cluster: FakeCluster,
        edge: Edge,
        lease: Lease | None = None,
        settings: identities.Cluster | None = None,
    ) -> None:
        lease = lease or endless_lease()
        self._cluster, self.edge = cluster, edge
        crew = Crew(Inline(), lambda: None)
        self._cycle = Cycle(settings or DEV, lease, LeasedGateway(cluster, lease), edge, crew)
        self.cache = self._cycle.cache

    def look(self, listing: bool = True) -> int:
        """Look once; return for how many keys something was done."""
        if listing:
            self.list_all()
        return self._cycle.run()

    def list_all(self) -> None:
        """List every kind, as watches do when they begin."""
        for kind in Kind:
            try:
                self.cache.relisted(kind, self._cluster.list(kind, KEPT.get(kind)))
            except ClusterError as error:
                self.cache.failed(kind, str(error))


class ReconcilerWorld:
    """One cluster, one worker that looks when it is told to."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self.now, self.transaction = now, database.transaction
        self._owner = create_engine(database.owner_url, poolclass=NullPool)
        self.api = World(database.transaction, now)
        chance = random.Random(5)
        self.edge = Edge(
            self.transaction, now, lambda: now().timestamp(), chance.randbytes, COOLING, a_judge()
        )
        self.stand()

    def stand(self) -> None:
        """Let the cluster be new, and the worker look at it for the first time."""
        self.cluster = Cluster()
        self.cluster.add_namespace("team-a")
        self.cluster.add_node("n1", "192.0.2.10")
        self.cluster_rules = self._looks_by = USUAL
        self.looker = Looker(self.cluster, self.edge)

    def request(self, name: str = "hello", **spec: Any) -> Story:
        """Let ann ask for an exposure."""
        body = a_request(**spec)
        body["metadata"]["name"] = name
        return Story(self.api, body)

    def approved(self, **spec: Any) -> Story:
        """Return an exposure that the worker has not looked at yet."""
        return self.request(**spec).approve()

    def live(self, **spec: Any) -> Story:
        """Return an exposure that the cluster has; its story in the cluster begins anew."""
        story = self.approved(**spec)
        self.cycle()
        assert story.condition("Applied") == ("True", "InSync")
        self.cluster.calls.clear()
        return story

    def edge_with(self, **changes: Any) -> Edge:
        """Return the edge with something else in it."""
        return replace(self.edge, **changes)

    def late_create(self, story: Story, token: str) -> Document:
        """Let a create of ours arrive whose answer was given up: as it was sent, mark and token included."""
        revision = self.record(story).revisions[-1]
        manifest = with_ports(revision.manifest, revision.allocation)
        mark = Mark(story.id, revision.number, revision.digest, token, revision.request_id)
        return self.cluster.add_service(with_mark(manifest, mark), manager="wharfinger")

    def cycle(self, times: int = 1) -> int:
        """Look that often, without any time passing; return how many actions that took."""
        if self.looker.edge is not self.edge or self._looks_by is not self.cluster_rules:
            self._looks_by = self.cluster_rules
            settings = replace(DEV, mode=self._looks_by.mode, drift=self._looks_by.drift)
            self.looker = Looker(self.cluster, self.edge, settings=settings)
        return sum(self.looker.look() for _ in range(times))

    def record(self, story: Story) -> ExposureRecord:
        """Return what the ledger knows of an exposure."""
        with self.transaction() as session:
            record = exposures.get(session, story.id)
        assert record is not None
        return record

    def claim(self, port: int = PORT) -> PortClaim | None:
        """Return the claim on a number."""
        with self.transaction() as session:
            return ports.get(session, "dev", port)

    def claimed(self, port: int = PORT) -> str:
        """Return the state of a number."""
        claim = self.claim(port)
        return claim.state.value if claim else "free"

    def owner(self, port: int) -> tuple[str, str] | None:
        """Return the state of a number and whose it is, None when it is free."""
        claim = self.claim(port)
        return (claim.state.value, f"{claim.namespace}/{claim.name}") if claim else None

    def service(self, story: Story) -> Document:
        """Return an exposure's Service as the cluster has it."""
        found = self.cluster.peek(story.namespace, story.name)
        assert found is not None, "there is no such Service"
        return found

    def is_gone(self, story: Story) -> bool:
        """Return whether no Service has the exposure's name."""
        return self.cluster.peek(story.namespace, story.name) is None

    def written(self) -> list[str]:
        """Return the method of each write that the worker sent."""
        return [call.method for call in self.cluster.writes()]

    def tamper(self, statement: str, **values: Any) -> None:
        """Change rows behind everybody's back, as only their owner can."""
        with self._owner.begin() as connection:
            connection.execute(text(statement), values)


class SteppingWorld(ReconcilerWorld):
    """A world where no time passes but what a test lets pass."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self.clock = clock

    def later(self, **length: float) -> int:
        """Let time pass, then look; return how many actions that took."""
        self.clock.advance(**length)
        return self.cycle()


def foreign_service(name: str = "hello", namespace: str = "team-a", **spec: Any) -> Document:
    """Return a ClusterIP Service that somebody else makes."""
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"type": "ClusterIP", "selector": {"app": "other"}, "ports": [{"port": 80}]} | spec,
    }


def node_port_thief(port: int = PORT, name: str = "thief", namespace: str = "team-b") -> Document:
    """Return a Service of somebody else that has a node port."""
    return foreign_service(name, namespace, type="NodePort", ports=[{"port": 80, "nodePort": port}])


def assert_needs_requester(world: SteppingWorld, story: Story) -> None:
    """Check that the thief has what was asked for, and that it was said once."""
    assert story.status()["state"] == "NeedsRequester"
    assert story.condition("Allocated") == ("False", "NodePortTaken")
    message = story.message("Allocated")
    assert f"Node port {PORT} is taken in the cluster by Service team-b/thief" in message
    assert "ask again without node_port" in message
    assert world.owner(PORT) == ("foreign", "team-b/thief")
    assert story.kinds().count("port-lost") == 1


def without_its_port(world: SteppingWorld) -> Story:
    """Give one that is live and whose number a stranger has."""
    story = world.live()
    world.cluster.hand_edit("team-a", "hello", lambda s: s["spec"]["ports"][0].update(nodePort=PORT + 1))
    world.cluster.add_service(node_port_thief())
    world.cycle(2)
    assert_needs_requester(world, story)
    return story


def seconds(later: datetime | None, earlier: datetime) -> float:
    """Return how long after ``earlier`` something is."""
    assert later is not None
    return (later - earlier).total_seconds()
