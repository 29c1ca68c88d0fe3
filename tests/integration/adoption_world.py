"""The world of the adoption's tests: Services that somebody else made, and teams that want to have them."""

from typing import Any
from uuid import UUID

from werkzeug.test import TestResponse

from service.domain.difference import differences
from service.domain.exposure import ExposureRecord
from service.domain.spec import Document
from service.store import exposures
from tests.conftest import Clock
from tests.integration.approval_world import ApprovalWorld
from tests.postgres import Database

ADDRESS = "/v1/clusters/dev/adoptions"
PORTS = (30021, 30022)
"""The node ports of ``shop()``."""

THE_MARK = {
    "#/metadata/labels/app.kubernetes.io~1managed-by",
    *(
        f"#/metadata/annotations/wharfinger.dev~1{name}"
        for name in ("exposure-id", "revision", "digest", "create-token", "request-id")
    ),
}
"""Where a Service with our mark differs from one without."""

MOVING = ("managedFields", "resourceVersion")
"""What every write moves."""


def a_wish(**fields: Any) -> Document:
    """Return the body of a request to adopt team-a/shop; ``...`` leaves a field out."""
    body = {
        "namespace": "team-a",
        "name": "shop",
        "team": "team-a",
        "lifetime": "720h",
        "justification": "made by hand last year",
    }
    return {name: value for name, value in (body | fields).items() if value is not ...}


def shop(name: str = "shop", namespace: str = "team-a", **spec: Any) -> Document:
    """Return a Service with two node ports, labels and annotations that somebody makes by hand."""
    ports = [
        {"name": "http", "port": 80, "targetPort": "http", "nodePort": PORTS[0]},
        {"name": "admin", "port": 8080, "targetPort": 9000, "nodePort": PORTS[1]},
    ]
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": {"app": "shop"},
            "annotations": {"example.com/contact": "ann"},
        },
        "spec": {"type": "NodePort", "selector": {"app": "shop"}, "ports": ports} | spec,
    }


def changed(before: Document, after: Document) -> set[str]:
    """Return where two Services differ, but for what every write moves."""

    def still(service: Document) -> Document:
        metadata = {name: value for name, value in service["metadata"].items() if name not in MOVING}
        return {**service, "metadata": metadata}

    return {change["pointer"] for change in differences(still(before), still(after))}


class Adopting:
    """One request to adopt, told by what its team sees and by what becomes of the Service."""

    def __init__(self, world: "AdoptionWorld", made: TestResponse) -> None:
        assert made.status_code == 202, made.text
        self.world, self.at = world, made.headers["Location"]
        self.name = made.json["name"]

    def read(self) -> Document:
        """Return the request as its team sees it."""
        return dict(self.world.api.ann.get(self.at).json)

    def state(self) -> str:
        """Return where it stands."""
        return str(self.read()["state"])

    def pointers(self) -> list[str]:
        """Return where its faults are."""
        return [fault["pointer"] for fault in self.read()["faults"]]

    @property
    def exposure_at(self) -> str:
        """Return the address of the exposure that is to have the Service."""
        return f"/v1/exposures/{self.read()['exposure_id']}"

    def exposure(self) -> Document:
        """Return that exposure."""
        return dict(self.world.api.ann.get(self.exposure_at).json)

    def record(self) -> ExposureRecord:
        """Return what the ledger knows of it."""
        with self.world.transaction() as session:
            record = exposures.get(session, UUID(self.read()["exposure_id"]))
        assert record is not None
        return record

    def delete(self) -> "Adopting":
        """Take the exposure back."""
        answer = self.world.api.ann.delete(self.exposure_at, If_Match="*")
        assert answer.status_code == 202, answer.text
        return self

    def applied(self) -> tuple[str, str]:
        """Return reason and message of its condition Applied."""
        found = next(c for c in self.exposure()["status"]["conditions"] if c["type"] == "Applied")
        return found["reason"], found["message"]

    def events(self) -> list[tuple[str, Document]]:
        """Return kind and data of its events, oldest first."""
        page = self.world.api.ann.get(f"{self.exposure_at}/events?page_size=200").json
        return [(event["kind"], event["data"]) for event in page["items"]]

    def kinds(self) -> list[str]:
        """Return the kinds of its events, oldest first."""
        return [kind for kind, _ in self.events()]

    def review(self, verdict: str = "approve") -> "Adopting":
        """Let the platform decide what it reads."""
        digest = self.exposure()["status"]["pending"]["digest"]
        body = {"verdict": verdict, "digest": digest}
        answer = self.world.api.eve.post(f"{self.exposure_at}/revisions/1/reviews", body)
        assert answer.status_code == 201, answer.text
        return self

    def service(self) -> Document:
        """Return the Service as the cluster has it."""
        found = self.world.cluster.peek("team-a", self.name)
        assert found is not None, "there is no such Service"
        return found


class AdoptionWorld(ApprovalWorld):
    """A cluster with Services that Wharfinger did not make, in a ledger that knows them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self.clock = clock
        self.cluster.add_namespace("team-b")

    def make(self, service: Document | None = None, name: str = "shop") -> Document:
        """Let somebody make a Service; return it as the cluster has it once the ledger knows it too."""
        self.cluster.add_service(service or shop(name))
        self.cycle()
        self.cluster.calls.clear()
        made = self.cluster.peek("team-a", name)
        assert made is not None
        return made

    def wish(self, who: str = "ann", **fields: Any) -> TestResponse:
        """Let somebody ask to adopt a Service."""
        return self.by(who).post(ADDRESS, a_wish(**fields))

    def asked(self, **fields: Any) -> Adopting:
        """Return a request that the worker has looked at."""
        wanted = Adopting(self, self.wish(**fields))
        self.cycle()
        return wanted

    def pending(self, service: Document | None = None) -> Adopting:
        """Return a request whose exposure waits for its review."""
        self.make(service)
        wanted = self.asked()
        assert wanted.state() == "requested", wanted.read()["faults"]
        return wanted

    def adopted(self, service: Document | None = None) -> Adopting:
        """Return a request whose Service is the exposure's."""
        wanted = self.pending(service).review()
        self.settle()
        assert wanted.state() == "adopted", wanted.applied()
        return wanted

    def owners(self, *ports: int) -> list[tuple[str, str | None, UUID | None]]:
        """Return state, team and exposure of some numbers."""
        claims = [self.claim(port) for port in ports]
        return [(c.state.value, c.team, c.exposure_id) if c else ("free", None, None) for c in claims]
