"""Each invariant of the fault tests can fail: one thing of a healthy state is broken, and it says so."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from tests.e2e.account import Promise, broken_promises, touched
from tests.e2e.invariants import broken, unsettled
from tests.e2e.snapshot import Claim, Event, Exposure, Revision, Snapshot
from tests.e2e.world import Document

LIVE, PAUSED, ENDED = (UUID(int=number) for number in (1, 2, 3))
DIGEST = "sha256:aa"


def manifest(name: str) -> Document:
    return {
        "metadata": {"namespace": "shop", "name": name},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "hello"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
    }


def service(name: str = "web", number: int = 30001, **spec: Any) -> Document:
    """Return the Service of the live exposure, or one with other fields."""
    rendered = manifest(name)["spec"]
    ports = [{**rendered["ports"][0], "nodePort": number}]
    annotations = {"exposure-id": str(LIVE), "revision": "2", "digest": DIGEST}
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": "u1",
            "resourceVersion": "7",
            "annotations": {f"wharfinger.dev/{key}": value for key, value in annotations.items()},
        },
        "spec": {**rendered, "ports": ports, "clusterIP": "10.0.0.7", **spec},
    }


def stranger(name: str = "thief", number: int = 30009) -> Document:
    made = service(name, number)
    made["metadata"] |= {"annotations": {}, "uid": "u9"}
    return made


def revision(exposure_id: UUID, number: int, decision: str, name: str = "web", port: int = 30001) -> Revision:
    return Revision(
        exposure_id=exposure_id,
        number=number,
        decision=decision,
        digest=DIGEST,
        manifest=manifest(name),
        node_ports=[port],
    )


def told(exposure_id: UUID, *kinds: str) -> list[Event]:
    """Return events of revision 1 from as many requests."""
    return [
        Event(exposure_id=exposure_id, kind=kind, revision=1, request_id=f"{exposure_id.int}-{index}")
        for index, kind in enumerate(kinds)
    ]


def healthy() -> Snapshot:
    """Return one exposure that is live, one that pauses, one that has ended, and somebody else's Service."""
    return Snapshot(
        exposures=[
            Exposure(id=LIVE, namespace="shop", name="web", uid="u1"),
            Exposure(id=PAUSED, namespace="shop", name="rest", intent="suspended", state="removed"),
            Exposure(id=ENDED, namespace="shop", name="old", intent="absent", ended=True, state="removed"),
        ],
        revisions=[
            revision(LIVE, 1, "retired"),
            revision(LIVE, 2, "live"),
            revision(PAUSED, 1, "live", "rest", 30002),
            revision(ENDED, 1, "retired", "old", 30003),
        ],
        claims=[
            Claim(port=30001, state="bound", exposure_id=LIVE, namespace="shop", name="web"),
            Claim(port=30002, state="bound", exposure_id=PAUSED, namespace="shop", name="rest"),
            Claim(port=30003, state="cooling", exposure_id=ENDED, namespace="shop", name="old"),
            Claim(port=30009, state="foreign", namespace="shop", name="thief"),
        ],
        events=[
            *told(LIVE, "requested", "approved", "live"),
            *told(PAUSED, "requested", "approved", "live", "suspended", "taken-down"),
            *told(ENDED, "requested", "approved", "live", "removal-requested", "removed"),
        ],
        services=[service(), stranger()],
    )


def changed(snapshot: Snapshot, rows: str, index: int, **values: Any) -> Snapshot:
    """Return a snapshot with other values in one row."""
    some = list(getattr(snapshot, rows))
    some[index] = replace(some[index], **values)
    return replace(snapshot, **{rows: some})


def without(snapshot: Snapshot, rows: str, index: int) -> Snapshot:
    some = [row for number, row in enumerate(getattr(snapshot, rows)) if number != index]
    return replace(snapshot, **{rows: some})


def with_services(snapshot: Snapshot, *services: Document) -> Snapshot:
    return replace(snapshot, services=services)


def test_a_healthy_state_breaks_nothing_and_is_settled():
    assert broken(healthy()) == list(unsettled(healthy())) == []


BREAKS: dict[str, Callable[[Snapshot], Snapshot]] = {
    "shop/web .* is live, and its key has None": lambda s: with_services(s, stranger()),
    "differ: spec.selector": lambda s: with_services(s, service(selector={"app": "x"}), stranger()),
    "differ: spec.ports": lambda s: with_services(s, service(number=30009)),
    "differ: spec.externalIPs: None was approved": lambda s: with_services(
        s, service(externalIPs=["192.0.2.7"]), stranger()
    ),
    "differ: the mark says revision 2": lambda s: changed(s, "revisions", 1, number=3),
    "has uid u1 and not u2": lambda s: changed(s, "exposures", 0, uid="u2"),
    "old'\\): has the mark of exposure": lambda s: with_services(s, *s.services, service("old", 30003)),
    "web'\\): has the mark of exposure": lambda s: changed(s, "exposures", 0, intent="suspended"),
    "port 30001: 2 Services have it": lambda s: with_services(s, *s.services, stranger("copy", 30001)),
    "port 30009: .* the ledger says None": lambda s: without(s, "claims", 3),
    "port 30001: .* the ledger says Claim.*'cooling'": lambda s: changed(s, "claims", 0, state="cooling"),
    "port 30009: .* is nobody's in the cluster": lambda s: with_services(s, service()),
    "shop/old .* needs no port 30003": lambda s: changed(s, "claims", 2, state="held"),
    "shop/rest .* needs no port 30002": lambda s: changed(s, "revisions", 2, node_ports=[30004]),
    "shop/old .* has ended, and has \\[Revision": lambda s: changed(s, "revisions", 3, decision="approved"),
    "shop/old .* has ended, and has \\[\\]": lambda s: changed(s, "exposures", 2, create_tokens=["t"]),
    "shop/rest .* nothing of it is open": lambda s: changed(s, "revisions", 2, decision="rejected"),
    "told 2 times": lambda s: replace(s, events=[*s.events, s.events[2]]),
    "does not begin with its request": lambda s: without(s, "events", 0),
    "shop/web .* is live, and nobody was told": lambda s: without(s, "events", 2),
    "shop/old .* its removal is not the last word": lambda s: without(s, "events", -1 + len(s.events)),
}


@pytest.mark.parametrize("sentence", BREAKS)
def test_a_state_that_is_broken_in_one_way_is_found(sentence: str):
    found = broken(BREAKS[sentence](healthy()))

    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError("\n".join(found))


RESTLESS: dict[str, Callable[[Snapshot], Snapshot]] = {
    "is present, applying": lambda s: changed(s, "exposures", 0, state="applying"),
    "is absent, in_sync": lambda s: changed(s, "exposures", 0, intent="absent"),
    "is suspended, removing": lambda s: changed(s, "exposures", 1, state="removing"),
    "is present, in_sync": lambda s: changed(s, "revisions", 0, decision="approved"),
    "failed, ForeignOwner": lambda s: changed(s, "exposures", 0, state="failed", reason="ForeignOwner"),
    "failed, NodePortTaken": lambda s: changed(s, "exposures", 0, state="failed", reason="NodePortTaken"),
}


@pytest.mark.parametrize("sentence", RESTLESS)
def test_what_goes_on_is_not_settled(sentence: str):
    [found] = unsettled(RESTLESS[sentence](healthy()))

    assert sentence in found


def test_what_waits_for_a_stranger_to_go_is_settled():
    blocked = changed(healthy(), "exposures", 0, state="failed", reason="ForeignOwner", uid=None)
    blocked = with_services(blocked, stranger("web", 30009))
    blocked = changed(blocked, "claims", 3, name="web")

    assert list(unsettled(blocked)) == broken(blocked) == []


def promise(**other: Any) -> Promise:
    values = {"exposure_id": str(LIVE), "kind": "approved", "request_id": "1-1"}
    return Promise(**{**values, **other})


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (promise(exposure_id="77"), "there is no such exposure"),
        (promise(request_id="another"), "of which no event tells"),
        (promise(kind="resumed", may_be_older=True), "of which no event tells"),
    ],
)
def test_an_answer_that_nothing_is_known_of_is_found(made: Promise, sentence: str):
    [found] = broken_promises(healthy(), [made])

    assert sentence in found


def test_a_request_that_was_taken_twice_is_found():
    twice = replace(healthy(), events=[*healthy().events, healthy().events[1]])

    [found] = broken_promises(twice, [promise()])

    assert found.startswith("taken 2 times")


def test_kept_promises_break_nothing():
    older = promise(request_id="another", may_be_older=True)

    assert list(broken_promises(healthy(), [promise(), older])) == []


def test_a_strangers_service_that_somebody_touched_is_found():
    kept = {("shop", "thief"): stranger()}
    newer, edited = stranger(), stranger()
    newer["metadata"]["resourceVersion"] = "8"
    edited["spec"]["selector"] = {"app": "other"}

    assert list(touched(with_services(healthy(), newer), kept)) == []
    for services in ((), (edited,)):
        [found] = touched(with_services(healthy(), *services), kept)
        assert found.startswith("shop/thief: ")


def test_what_the_server_adds_to_an_approved_affinity_is_no_difference():
    timeout = {"clientIP": {"timeoutSeconds": 10800}}
    asked = healthy()
    live = next(r for r in asked.revisions if r.exposure_id == LIVE and r.decision == "live")
    live.manifest["spec"]["sessionAffinity"] = "ClientIP"
    others = [s for s in asked.services if s["metadata"]["name"] != "web"]
    there = service(sessionAffinity="ClientIP", sessionAffinityConfig=timeout)

    assert broken(replace(asked, services=[there, *others])) == []
