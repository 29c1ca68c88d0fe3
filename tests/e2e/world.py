"""A world for one module of tests: a fresh ledger, two teams with namespaces in a real cluster, processes.

Nothing in it is a stand-in: HTTP over a socket to gunicorn, a worker with the rights of worker-rbac.yaml, a
real PostgreSQL as the restricted login. Beside the API tests look at the cluster as its admin, and change it
by hand: through an apiserver of their own, so that the worker's one never knows anything from memory alone.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import urllib3
from sqlalchemy import text

from devcluster import ApiRefused, ControlPlane
from devcluster.workload import add_pod
from service.domain.errors import Unavailable
from service.domain.ports import Pool
from service.domain.principal import Principal, PrincipalKind, Role
from service.store.identities import Cluster
from service.workflow.administer import NamespaceGift, add_team, create_token, put_cluster
from tests.e2e.parts import Api, Part, environment, wait_until
from tests.postgres import Database

Document = dict[str, Any]
PERSON = PrincipalKind.PERSON
MARK = "/api/v1/namespaces/wharfinger/configmaps/wharfinger-ledger-wharfinger"
PEOPLE: Mapping[str, tuple[str, tuple[str, ...], tuple[Role, ...]]] = {
    "ann": ("ann", ("team-a",), (Role.REQUESTER,)),
    "ann_as_approver": ("ann", ("team-a",), (Role.REQUESTER, Role.APPROVER)),
    "ben": ("ben", ("team-b",), (Role.REQUESTER,)),
    "eve": ("eve", (), (Role.APPROVER,)),
}
"""Caller of a world: person, teams, roles. Ann has two tokens."""


@dataclass(frozen=True)
class Answer:
    """What came back; ``body`` is an empty document when it is no JSON."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Document:
        """The JSON object."""
        found: Document = json.loads(self.text)
        return found


class Caller:
    """A client with somebody's token; nothing is sent twice by itself."""

    def __init__(self, url: str, token: str, seconds: float = 30) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pool = urllib3.PoolManager(retries=False, timeout=seconds)

    def call(self, method: str, path: str, body: Document | None = None, **headers: str) -> Answer:
        """Send one request; header names are written with underscores.

        Raises:
            urllib3.exceptions.HTTPError: no answer came.
        """
        sent = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._pool.request(method, self._url + path, json=body, headers=sent)
        return Answer(answer.status, answer.headers, answer.data.decode())

    def get(self, path: str) -> Document:
        """Read a JSON document that is there."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer.text
        return answer.body

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()


class World:
    """The parts, and the steps of a story as a client takes them."""

    def __init__(self, control_plane: ControlPlane, database: Database, folder: Path) -> None:
        self.control_plane = control_plane
        self.admin = control_plane.client("admin", apiserver=2)
        self.database = database
        self.folder = folder
        self.namespaces = {"team-a": f"a-{os.urandom(4).hex()}", "team-b": f"b-{os.urandom(4).hex()}"}
        for namespace in self.namespaces.values():
            control_plane.add_namespace(namespace)
        with suppress(ApiRefused):  # the world before had another ledger, and this cluster would remember it
            self.admin.request("DELETE", MARK)
        self._parts: dict[str, Part] = {}
        self._callers: dict[str, Caller] = {}
        self._tokens: dict[str, str] = {}

    def fill(self) -> None:
        """Write cluster, teams and tokens, as the commands do."""
        now = datetime.now(UTC)
        with self.database.transaction() as session:
            put_cluster(session, Cluster("dev", None, Pool.parse(self.control_plane.node_port_range)), now)
            for team, namespace in self.namespaces.items():
                add_team(session, team, [NamespaceGift("dev", namespace, "development")], now)
            for caller, (person, teams, roles) in PEOPLE.items():
                who = Principal(PERSON, person, None, frozenset(teams), frozenset(), frozenset(roles))
                over = now + timedelta(days=1)
                self.use_token(caller, create_token(session, who, over, now, os.urandom(42)))

    @property
    def api(self) -> Api:
        """The api that was started last."""
        assert "api" in self._parts, "no api was started"
        found = self._parts["api"]
        assert isinstance(found, Api)
        return found

    @property
    def worker(self) -> Part:
        """The worker that was started last."""
        assert "worker" in self._parts, "no worker was started"
        return self._parts["worker"]

    @property
    def parts(self) -> list[Part]:
        """What was started."""
        return list(self._parts.values())

    def part(self, name: str) -> Part:
        """Return one by its name: api, worker, worker-2."""
        return self._parts[name]

    def use_token(self, caller: str, token: str) -> None:
        """Say which token a caller has."""
        self._tokens[caller] = token

    def start_api(self, database_url: str | None = None, wait: bool = True) -> None:
        """Start the api, at the address that it had before, and wait until it is ready."""
        port = None
        if "api" in self._parts:
            port = self.api.port
            self.api.kill()
        api = self._parts["api"] = Api(self.folder / "api.log", database_url or self.database.url, port)
        if wait:
            api.wait_until_ready()

    def start_worker(
        self,
        database_url: str | None = None,
        kubeconfig: Path | None = None,
        wait: bool = True,
        name: str = "worker",
        **settings: str,
    ) -> None:
        """Start a worker; it has only its own restricted rights. Unless another one runs no lease is left.

        Args:
            database_url, kubeconfig: by default the way there is a direct one.
            wait: until it has looked at the cluster.
            name: of which one; one that runs is killed.
            settings: what is not as usual.
        """
        if name in self._parts:
            self._parts[name].kill()
            if not any(part.lives() for key, part in self._parts.items() if key.startswith("worker")):
                with suppress(Unavailable), self.database.transaction() as session:  # else they lapse
                    session.execute(text("DELETE FROM lease"))
        begun = datetime.now(UTC)
        worker = self._parts[name] = self.another_worker(
            f"{name}.log", database_url, kubeconfig, name=name, **settings
        )
        if wait:
            wait_for_look(worker, self.database, begun)

    def another_worker(
        self,
        log: str,
        database_url: str | None = None,
        kubeconfig: Path | None = None,
        name: str = "worker",
        **settings: str,
    ) -> Part:
        """Start a worker beside those there are; whoever starts it ends it."""
        usual = {
            "DATABASE_URL": database_url or self.database.url,
            "KUBECONFIG": str(kubeconfig or self.control_plane.kubeconfig("worker")),
            "POLL_SECONDS": "0.5",
        }
        command = [sys.executable, "-m", "service", "worker"]
        return Part(name, self.folder / log, environment(**{**usual, **settings}), command)

    def caller(self, name: str) -> Caller:
        """Return a client with the token of one of PEOPLE."""
        if name not in self._callers:
            self._callers[name] = self.new_caller(name)
        return self._callers[name]

    def new_caller(self, name: str, seconds: float = 30, url: str | None = None) -> Caller:
        """Return one more client of somebody, that waits no longer for an answer; of another api if told."""
        return Caller(url or self.api.url, self._tokens[name], seconds)

    def request(self, name: str, team: str = "team-a", node_port: int | None = None, **spec: Any) -> Document:
        """Return the body of a request, by default for a NodePort that the ledger chooses."""
        port = {"name": "http", "port": 80, "target_port": "http", "protocol": "TCP", "node_port": node_port}
        return {
            "metadata": {"cluster": "dev", "namespace": self.namespaces[team], "name": name, "team": team},
            "spec": {
                "type": "NodePort",
                "selector": {"app": "hello"},
                "ports": [{field: value for field, value in port.items() if value is not None}],
                "lifetime": "72h",
                "justification": "product demo on Thursday",
                **spec,
            },
        }

    def submit(self, body: Document, who: str = "ann") -> Answer:
        """Ask for an exposure."""
        return self.caller(who).call("POST", "/v1/exposures", body)

    def review(self, exposure: Document, who: str = "eve", verdict: str = "approve") -> Answer:
        """Review the pending revision as it was read."""
        pending = exposure["status"]["pending"]
        path = f"{path_of(exposure)}/revisions/{pending['revision']}/reviews"
        body = {"verdict": verdict, "digest": pending["digest"], "comment": "as read"}
        return self.caller(who).call("POST", path, body)

    def change(self, exposure: Document, spec: Document, who: str = "ann", if_match: str = "*") -> Answer:
        """Change an exposure by a merge patch of its specification."""
        body = {"spec": spec}
        return self.caller(who).call("PATCH", path_of(exposure), body, If_Match=if_match)

    def set_intent(self, exposure: Document, word: str, who: str = "ann") -> Answer:
        """Suspend or resume an exposure."""
        return self.caller(who).call("POST", f"{path_of(exposure)}/{word}", If_Match="*")

    def delete(self, exposure: Document, who: str = "ann", if_match: str = "*") -> Answer:
        """Take an exposure back."""
        return self.caller(who).call("DELETE", path_of(exposure), If_Match=if_match)

    def read(self, exposure: Document) -> Document:
        """Read an exposure again."""
        return self.caller("eve").get(path_of(exposure))

    def events(self, exposure: Document) -> list[str]:
        """Return the kinds of its events, oldest first."""
        page = self.caller("eve").get(f"{path_of(exposure)}/events?page_size=200")
        return [event["kind"] for event in page["items"]]

    def node_port(self, number: int, who: str = "eve") -> Document:
        """Return what the ledger says about a number."""
        return self.caller(who).get(f"/v1/clusters/dev/node-ports/{number}")

    def wait_for(self, exposure: Document, *states: str, seconds: float = 20.0) -> Document:
        """Return the exposure when it is in one of these states."""

        def look() -> Document | None:
            latest.append(self.read(exposure))
            return latest[-1] if latest[-1]["status"]["state"] in states else None

        latest: list[Document] = []
        what = f"{exposure['metadata']['name']} is {' or '.join(states)}"
        return wait_until(look, lambda: f"{what}, but {latest[-1]['status']}\n{self.logs()}", seconds)

    def service(self, name: str, team: str = "team-a") -> Document | None:
        """Return a Service as the kube-apiserver has it, None when it has none."""
        try:
            return self.admin.request("GET", f"/api/v1/namespaces/{self.namespaces[team]}/services/{name}")
        except ApiRefused as error:
            if error.status != 404:
                raise
            return None

    def services(self) -> list[Document]:
        """Return every Service of the two namespaces."""
        paths = (f"/api/v1/namespaces/{namespace}/services" for namespace in self.namespaces.values())
        return [service for path in paths for service in self.admin.request("GET", path)["items"]]

    def add_ready_pod(self, team: str = "team-a") -> None:
        """Make a Pod that ``app: hello`` selects."""
        add_pod(self.admin, self.namespaces[team], "hello", {"app": "hello"}, "192.0.2.10", {"http": 8000})

    def logs(self) -> str:
        """Return the ends of both logs."""
        return "\n".join(f"--- {part.name}\n{part.tail()}" for part in self.parts)

    def end_parts(self) -> None:
        """End api and worker at once."""
        for part in self.parts:
            part.kill()

    def close(self) -> None:
        """End everything, and free the node ports for the next world."""
        self.end_parts()
        for caller in self._callers.values():
            caller.close()
        for service in self.services():
            namespace, name = (service["metadata"][field] for field in ("namespace", "name"))
            self.admin.request("DELETE", f"/api/v1/namespaces/{namespace}/services/{name}")


@contextmanager
def new_world(control_plane: ControlPlane, database: Database, folder: Path) -> Iterator[World]:
    """Give a world whose parts do not run yet."""
    world = World(control_plane, database, folder)
    try:
        yield world
    finally:
        world.close()


def wait_for_look(worker: Part, database: Database, since: datetime) -> None:
    """Return when a worker has looked at the cluster after a moment."""

    def has_looked() -> bool:
        worker.check_lives()
        with database.transaction() as session:
            seen = session.scalar(text("SELECT seen_at FROM cluster_view"))
        return seen is not None and seen > since

    wait_until(has_looked, lambda: f"the worker has looked at the cluster:\n{worker.tail()}")


def path_of(exposure: Document) -> str:
    """Return an exposure's path."""
    return f"/v1/exposures/{exposure['metadata']['id']}"


def condition(exposure: Document, kind: str) -> Document:
    """Return one condition."""
    found: Document = next(c for c in exposure["status"]["conditions"] if c["type"] == kind)
    return found
