"""What the reconciler's bench needs: a database, people, the worker as a process, and a watch beside it."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from devcluster.client import Client
from devcluster.control_plane import ControlPlane
from devcluster.errors import ApiAway
from devcluster.postgres import EmbeddedPostgres
from devcluster.processes import Child
from service.admin.migrate import migrate
from service.api.app import create_app
from service.api.context import Edge
from service.cluster.real import KubernetesGateway, open_gateway
from service.domain.identifiers import uuid7
from service.domain.ports import Pool
from service.domain.principal import Principal, PrincipalKind, Role
from service.store import identities, policies
from service.store.database import open_engine, transactions
from service.wiring import build_judge, now
from service.workflow.identify import hash_of

Document = dict[str, Any]
NAMESPACE = "bench"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
SELECTOR = {"app": "b"}
PEOPLE: Mapping[str, tuple[Role, ...]] = {"ann": (Role.REQUESTER,), "eve": (Role.APPROVER,)}
POLICY: Document = {"name": "bench", "require": [{"group": "platform", "count": 1}]}


def opened(cluster: ControlPlane) -> KubernetesGateway:
    """Return the gateway of the worker's own user."""
    return open_gateway(cluster.kubeconfig("worker"), None)


def bare_service(name: str, **spec: object) -> Document:
    """Return a NodePort Service that nobody manages."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {"type": "NodePort", "selector": SELECTOR, "ports": ports, **spec},
    }


class Seen:
    """When the Services of the namespace were seen in a state, by a watch of our own."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._news = threading.Condition()
        self._latest: dict[str, tuple[float, Document]] = {}
        self._stopping = False
        version = client.request("GET", SERVICES)["metadata"]["resourceVersion"]
        self._thread = threading.Thread(target=self._follow, args=(version,), daemon=True)
        self._thread.start()

    def wait(self, name: str, fits: Callable[[Document], bool], seconds: float = 20.0) -> float:
        """Return when a Service was first seen as wanted, after now or before.

        Raises:
            SystemExit: it was not in time.
        """
        deadline = time.perf_counter() + seconds
        with self._news:
            while name not in self._latest or not fits(self._latest[name][1]):
                if not self._news.wait(deadline - time.perf_counter()):
                    raise SystemExit(f"Service {name} was not seen as it should be within {seconds:.0f} s.")
            return self._latest[name][0]

    def times(self) -> list[float]:
        """Return when each Service that is there was seen last, in order."""
        with self._news:
            return sorted(at for at, _ in self._latest.values())

    def count(self) -> int:
        """Return how many Services there are."""
        with self._news:
            return len(self._latest)

    def _follow(self, version: str) -> None:
        with suppress(ApiAway):  # the control plane has ended
            self._watch(version)

    def _watch(self, version: str) -> None:
        path = f"{SERVICES}?watch=true&resourceVersion={version}&timeoutSeconds=3000"
        for event in self._client.stream(path, 3000):
            at, thing = time.perf_counter(), event["object"]
            with self._news:
                if event["type"] == "DELETED":
                    self._latest.pop(thing["metadata"]["name"], None)
                else:
                    self._latest[thing["metadata"]["name"]] = (at, thing)
                self._news.notify_all()


class Harbour:
    """Everything that a bench of the reconciler needs."""

    def __init__(self, home: Path, postgres: EmbeddedPostgres, cluster: ControlPlane) -> None:
        self.home, self.postgres, self.cluster = home, postgres, cluster
        self.admin = cluster.client("admin")
        engine = open_engine(postgres.app_url)
        self.transaction = transactions(engine)
        self._fill()
        app = create_app(Edge(self.transaction, now, os.urandom, dict, build_judge()))
        self._people = {name: app.test_client() for name in PEOPLE}

    def _fill(self) -> None:
        with self.transaction() as session:
            made = policies.add(session, "bench", POLICY, {"person": "pia"}, now())
            policies.activate(session, made.name, made.version, {"person": "pat"}, now())
            identities.add_team(session, NAMESPACE, now())
            pool = Pool.parse(self.cluster.node_port_range)
            identities.put_cluster(session, identities.Cluster("dev", None, pool), now())
            identities.add_namespace(session, "dev", NAMESPACE, "development")
            identities.give_namespace(session, NAMESPACE, "dev", NAMESPACE)
            for name, roles in PEOPLE.items():
                who = Principal(
                    PrincipalKind.PERSON,
                    name,
                    teams=frozenset({NAMESPACE}),
                    groups=frozenset({"platform"} if Role.APPROVER in roles else ()),
                    roles=frozenset(roles),
                )
                over = now() + timedelta(days=1)
                identities.add_token(
                    session, uuid7(now(), os.urandom(10)), hash_of(f"wft_{name}"), who, over, now()
                )

    def request(self, name: str, **other: str) -> Document:
        """Ask for a NodePort unless told otherwise; return the exposure."""
        metadata = {"cluster": "dev", "namespace": NAMESPACE, "name": name, "team": NAMESPACE}
        ports = [{"name": "http", "port": 80, "target_port": 8080, "protocol": "TCP"}]
        spec = {"type": "NodePort", "selector": {"app": "b"}, "ports": ports, "justification": "measured"}
        return self._post("ann", "/v1/exposures", {"metadata": metadata, "spec": spec | other})

    def approve(self, exposure: Document) -> None:
        """Approve what was asked for."""
        pending = exposure["status"]["pending"]
        path = f"/v1/exposures/{exposure['metadata']['id']}/revisions/{pending['revision']}/reviews"
        self._post("eve", path, {"verdict": "approve", "digest": pending["digest"], "comment": None})

    def _post(self, who: str, path: str, body: Document) -> Document:
        answer = self._people[who].post(path, json=body, headers={"Authorization": f"Bearer wft_{who}"})
        if answer.status_code != 201:
            raise SystemExit(f"{path} was answered with {answer.status}: {answer.text}")
        found: Document = json.loads(answer.text)
        return found

    @contextmanager
    def worker(self) -> Iterator[Child]:
        """Run the worker as production does."""
        settings = {
            "WHARFINGER_DATABASE_URL": self.postgres.app_url,
            "WHARFINGER_KUBECONFIG": str(self.cluster.kubeconfig("worker")),
        }
        command = [sys.executable, "-m", "service", "worker"]
        child = Child("worker", command, self.home / "worker.log", {**os.environ, **settings})
        try:
            self.wait_for_look()
            yield child
        finally:
            child.stop()

    def wait_for_look(self) -> None:
        """Return when a worker has looked at the cluster after now."""
        begun, deadline = now(), time.monotonic() + 60
        while time.monotonic() < deadline:
            with self.transaction() as session:
                seen = session.execute(text("SELECT seen_at FROM cluster_view")).scalar()
            if seen is not None and seen > begun:
                return
            time.sleep(0.05)
        raise SystemExit(f"The worker does not look:\n{(self.home / 'worker.log').read_text()[-3000:]}")

    @contextmanager
    def owner(self) -> Iterator[Connection]:
        """Give a transaction of the database's owner."""
        engine = create_engine(self.postgres.owner_url, poolclass=NullPool)
        with engine.begin() as connection:
            yield connection


@contextmanager
def harbour(home: Path, cluster: ControlPlane) -> Iterator[Harbour]:
    """Give one with a new database; the cluster is new too."""
    cluster.add_namespace(NAMESPACE)
    with EmbeddedPostgres(home / "postgres") as postgres:
        migrate(postgres.owner_url)
        yield Harbour(home, postgres, cluster)
