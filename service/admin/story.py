"""The story of ``make demo``: each step says what it does, then proves it, or ends the story.

It is an ordinary client: HTTP with tokens, kubectl, and a plain GET at the address that the api gave.
"""

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import urllib3

Document = dict[str, Any]
NODE_PORT = 30007
WAIT_SECONDS = 15.0
LOOK_SECONDS = 0.1

PORTS: Mapping[str, Document] = {
    "ClusterIP": {"name": "http", "port": 80, "target_port": "http", "protocol": "TCP"},
    "NodePort": {
        "name": "http",
        "port": 80,
        "target_port": "http",
        "protocol": "TCP",
        "node_port": NODE_PORT,
    },
    # Above 1023, so that an ordinary user's forwarder may listen there too.
    "LoadBalancer": {"name": "http", "port": 8080, "target_port": "http", "protocol": "TCP"},
}
NAMES = {"ClusterIP": "hello-inside", "NodePort": "hello", "LoadBalancer": "hello-outside"}


class StoryFailed(Exception):
    """A step was not what it says; the message says which and why."""


class Story:
    """One telling. ``traffic``: addresses answer on this machine, so that a GET belongs to the proof."""

    def __init__(self, values: Mapping[str, str], write: Callable[[str], object], *, traffic: bool) -> None:
        self._values = values
        self._write = write
        self._traffic = traffic
        self._step = 0
        self._pool = urllib3.PoolManager(retries=False, timeout=5)

    def play(self, types: Sequence[str]) -> None:
        """Tell the story for each type.

        Raises:
            StoryFailed: a step was not what it says.
        """
        begun = time.monotonic()
        if self._traffic and self._fetch(f"127.0.0.1:{NODE_PORT}") is not None:
            raise StoryFailed(f"127.0.0.1:{NODE_PORT} answers already: another demo on this machine?")
        for kind in types:
            self._tell(f"\n=== {kind} ===")
            self._take_back_leftovers(NAMES[kind])
            exposure = self._request(kind)
            self._approve(exposure)
            exposure = self._wait(exposure, "Active", "the worker applies it and an endpoint is ready")
            self._prove_applied(exposure)
            addresses = self._reach(exposure)
            if kind == "NodePort":
                self._refuse_another()
            self._delete(exposure, addresses)
        if not self._traffic:
            self._tell("\nNo answer was fetched: nothing of this cluster answers on this machine.")
        self._tell(f"\nEverything was as it says ({time.monotonic() - begun:.1f} s).")

    def _request(self, kind: str) -> Document:
        spec = {
            "type": kind,
            "selector": {"app": "hello"},
            "ports": [PORTS[kind]],
            "lifetime": "72h",
            "justification": "product demo on Thursday",
        }
        metadata = {"cluster": "dev", "namespace": "team-a", "name": NAMES[kind], "team": "team-a"}
        asked = f" at node port {NODE_PORT}" if kind == "NodePort" else ""
        self._say(f"team-a asks for {NAMES[kind]}, {kind}{asked}.")
        exposure = self._call("POST", "/v1/exposures", "REQUESTER", 201, {"metadata": metadata, "spec": spec})
        status = exposure["status"]
        self._check(
            status["state"] == "AwaitingApproval", f"state is {status['state']}, not AwaitingApproval"
        )
        self._tell(f"   201, {status['state']}: revision 1 is {status['pending']['digest'][:19]}…")
        for given in status["ports"]:
            self._tell(
                f"   node port {given['node_port']} ({given['origin']}) is held in the ledger from now on"
            )
        return exposure

    def _approve(self, exposure: Document) -> None:
        self._say("A platform approver approves exactly that digest; a requester may not.")
        pending = exposure["status"]["pending"]
        body = {"verdict": "approve", "digest": pending["digest"], "comment": "fine for Thursday"}
        path = f"{_path(exposure)}/revisions/{pending['revision']}/reviews"
        problem = self._call("POST", path, "REQUESTER", 403, body)
        self._tell(f"   as team-a: 403 {problem['code']}")
        self._call("POST", path, "APPROVER", 201, body)
        self._tell("   as approver: 201")

    def _wait(self, exposure: Document, state: str, what: str) -> Document:
        self._say(f"Now {what}.")
        begun = time.monotonic()
        while True:
            now = self._call("GET", _path(exposure), "REQUESTER", 200)
            status = now["status"]
            took = time.monotonic() - begun
            if status["state"] == state:
                self._tell(f"   {state} after {took:.2f} s")
                return now
            if took > WAIT_SECONDS:
                told = "; ".join(f"{c['type']} {c['status']}: {c['message']}" for c in status["conditions"])
                raise StoryFailed(f"{status['state']} and not {state} after {WAIT_SECONDS:.0f} s ({told})")
            if status["state"] == "Degraded" and not self._traffic:
                self._tell("   applied; no pod is ready: this cluster has no workload of ours")
                return now
            time.sleep(LOOK_SECONDS)

    def _prove_applied(self, exposure: Document) -> None:
        """Read the Service and its endpoints back from the kube-apiserver."""
        name, kind = exposure["metadata"]["name"], exposure["spec"]["type"]
        self._say(f"What the kube-apiserver says: kubectl get service {name} --namespace team-a")
        self._write(_indented(self._kubectl("get", "service", name)))
        service = json.loads(self._kubectl("get", "service", name, "--output", "json"))
        self._check(service["spec"]["type"] == kind, f"the Service is a {service['spec']['type']}")
        if kind == "NodePort":
            found = service["spec"]["ports"][0]["nodePort"]
            self._check(found == NODE_PORT, f"the Service has node port {found}")
        if self._traffic:
            label = f"kubernetes.io/service-name={name}"
            slices = json.loads(
                self._kubectl("get", "endpointslices", "--selector", label, "--output", "json")
            )
            ready = [
                address
                for piece in slices["items"]
                for endpoint in piece.get("endpoints") or ()
                if endpoint["conditions"].get("ready") is not False
                for address in endpoint["addresses"]
            ]
            self._check(bool(ready), "no endpoint is ready")
            self._tell(f"   ready endpoints: {', '.join(ready)}")

    def _reach(self, exposure: Document) -> list[str]:
        """Tell how to reach it, and do so where this machine can; return the addresses that answered."""
        [access] = exposure["status"]["access"]
        self._say("How to reach it (status.access):")
        for line in (*access["addresses"], *access["commands"]):
            self._tell(f"   {line}")
        if self._traffic:
            self._tell("   (DNS names and kubectl's ways in are for a real cluster: no kubelet runs here)")
        if not self._traffic or exposure["spec"]["type"] == "ClusterIP":
            return []
        address = access["addresses"][0]
        deadline = time.monotonic() + WAIT_SECONDS
        while (answer := self._fetch(address)) is None and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        self._say(f"curl http://{address}/")
        self._check(answer == "team-a", f"the answer was {answer!r}, not team-a")
        self._tell(f"   {answer}")
        return [address]

    def _refuse_another(self) -> None:
        path = f"/v1/clusters/dev/node-ports/{NODE_PORT}"
        self._say(f"Who owns it? GET {path}")
        port = self._call("GET", path, "OTHER_REQUESTER", 200)
        self._check(port["state"] == "bound" and port["owner"]["team"] == "team-a", f"the ledger says {port}")
        owner = port["owner"]
        self._tell(
            f"   {port['state']}: {owner['namespace']}/{owner['name']} of {owner['team']} ({port['reason']})"
        )
        self._say("team-b asks for the same port.")
        body = {
            "metadata": {"cluster": "dev", "namespace": "team-b", "name": "hello", "team": "team-b"},
            "spec": {
                "type": "NodePort",
                "selector": {"app": "hello"},
                "ports": [PORTS["NodePort"]],
                "justification": "we like that number",
            },
        }
        problem = self._call("POST", "/v1/exposures", "OTHER_REQUESTER", 409, body)
        named = problem["code"] == "node-port-taken" and problem["owner"]["team"] == "team-a"
        self._check(named, f"the answer was {problem}")
        self._tell(f"   409 {problem['code']}: {problem['detail']}")

    def _delete(self, exposure: Document, addresses: Sequence[str]) -> None:
        self._say("team-a takes it back.")
        self._call("DELETE", _path(exposure), "REQUESTER", 202, if_match="*")
        ended = self._wait(exposure, "Ended", "the worker removes the Service")
        self._check(ended["status"]["reason"] == "Deleted", f"it ended as {ended['status']['reason']}")
        name = exposure["metadata"]["name"]
        left = self._kubectl("get", "service", name, "--ignore-not-found", "--output", "name")
        self._check(left == "", f"the kube-apiserver still has {left}")
        self._tell("   the kube-apiserver has it no more")
        for address in addresses:
            deadline = time.monotonic() + WAIT_SECONDS
            while (answer := self._fetch(address)) is not None and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
            self._check(answer is None, f"{address} still answers {answer!r}")
            self._tell(f"   {address} does not answer any more")
        if exposure["spec"]["type"] == "NodePort":
            port = self._call("GET", f"/v1/clusters/dev/node-ports/{NODE_PORT}", "REQUESTER", 200)
            self._check(port["state"] == "cooling", f"the port is {port['state']}, not cooling")
            self._tell(
                f"   node port {NODE_PORT} is cooling until {port['until']}: no old client meets a stranger"
            )

    def _take_back_leftovers(self, name: str) -> None:
        """Delete what an interrupted telling left, so that the story can be told again on a kept database."""
        query = f"/v1/exposures?cluster=dev&namespace=team-a&name={name}"
        found = self._call("GET", query, "REQUESTER", 200)
        for exposure in found["items"]:
            if exposure["status"]["state"] != "Ended":
                self._call("DELETE", _path(exposure), "REQUESTER", 202, if_match="*")
                self._wait(exposure, "Ended", f"what an earlier telling left of {name} is removed")

    def _call(
        self,
        method: str,
        path: str,
        who: str,
        expected: int,
        body: Document | None = None,
        if_match: str | None = None,
    ) -> Document:
        headers = {"Authorization": f"Bearer {self._values[who]}"}
        if if_match is not None:
            headers["If-Match"] = if_match
        try:
            answer = self._pool.request(
                method, self._values["WHARFINGER_URL"] + path, json=body, headers=headers
            )
            document: Document = answer.json()
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise StoryFailed(f"{method} {path}: {error}") from error
        if answer.status != expected:
            raise StoryFailed(f"{method} {path} as {who}: {answer.status} and not {expected}: {document}")
        return document

    def _kubectl(self, *arguments: str) -> str:
        command = [self._values["KUBECTL"], *arguments, "--namespace", "team-a"]
        environment = {"KUBECONFIG": self._values["KUBECONFIG"], "PATH": "", "HOME": "/nonexistent"}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=30, check=False
        )
        if done.returncode:
            raise StoryFailed(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def _fetch(self, address: str) -> str | None:
        """Return what answers there, None when nothing does."""
        try:
            return (
                self._pool.request("GET", f"http://{address}/", headers={"Connection": "close"})
                .data.decode()
                .strip()
            )
        except urllib3.exceptions.HTTPError:
            return None

    def _check(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise StoryFailed(f"step {self._step}: {otherwise}")

    def _say(self, text: str) -> None:
        self._step += 1
        self._tell(f"{self._step}. {text}")

    def _tell(self, text: str) -> None:
        self._write(text + "\n")


def _path(exposure: Document) -> str:
    return f"/v1/exposures/{exposure['metadata']['id']}"


def _indented(text: str) -> str:
    return "".join(f"   {line}\n" for line in text.splitlines())
