"""The audit of what is kept: each kind of tampering is found, with its place; what is whole has no fault."""

import base64
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from service.domain.chain import canonical, sha256
from service.domain.errors import Malformed, Unavailable
from service.domain.evidence import FORMAT, NEEDED, check
from service.domain.spec import Document
from service.workflow.evidence import audit_document, read_evidence
from service.workflow.signing import Signer, Verifier, new_key
from tests.kept import make_kept

SIGNER = Signer.of_pem(new_key(bytes(range(32))))
FORGER = Signer.of_pem(new_key(bytes(32)))
RSA = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAA
-----END PUBLIC KEY-----
"""


def found(document: object) -> list[str]:
    return [fault.pointer for fault in check(document)]


def rehash(event: Document) -> None:
    event["hash"] = sha256(canonical({name: value for name, value in event.items() if name != "hash"}))


def change(document: Document) -> None:
    document["events"][1]["actor"]["person"] = "mallory"


def change_with_hash(document: Document) -> None:
    change(document)
    rehash(document["events"][1])


def take_out(document: Document) -> None:
    del document["events"][1]


def take_out_first(document: Document) -> None:
    del document["events"][0]


def cut(document: Document) -> None:
    del document["events"][2]


def cut_all(document: Document) -> None:
    document["events"] = []


def swap(document: Document) -> None:
    events = document["events"]
    events[0], events[1] = events[1], events[0]


def repeat(document: Document) -> None:
    document["events"].insert(1, document["events"][0])


def forge_behind(document: Document) -> None:
    last = document["events"][-1]
    document["events"].append({**last, "seq": last["seq"] + 1, "previous_hash": last["hash"], "kind": "x"})
    rehash(document["events"][-1])


def bring_from_elsewhere(document: Document) -> None:
    document["events"][2]["exposure_id"] = "other"


def move_head(document: Document) -> None:
    document["exposure"]["head_hash"] = "sha256:0"


def change_manifest(document: Document) -> None:
    document["revisions"][0]["manifest"]["spec"]["ports"][0]["targetPort"] = 22


def change_lifetime(document: Document) -> None:
    document["revisions"][0]["spec"]["lifetime"] = None


def change_cluster(document: Document) -> None:
    document["exposure"]["cluster"] = "prod"


def change_digest(document: Document) -> None:
    document["revisions"][0]["digest"] = "sha256:0"


def spoil_spec(document: Document) -> None:
    document["revisions"][0]["spec"] = {"ports": 7}


def take_out_revision(document: Document) -> None:
    document["revisions"] = []


def put_in_revision(document: Document) -> None:
    document["revisions"].append({**document["revisions"][0], "number": 2})


def put_in_review(document: Document) -> None:
    reviewer = {"kind": "person", "person": "mallory"}
    document["reviews"].append({**document["reviews"][0], "reviewer": reviewer})


def review_by_requester(document: Document) -> None:
    document["reviews"][0]["reviewer"]["person"] = "ada"


def change_what_was_read(document: Document) -> None:
    document["reviews"][0]["digest"] = "sha256:0"


def approve_silently(document: Document) -> None:
    document |= make_kept(("requested", "person", "ada"), reviews=[])


@pytest.mark.parametrize(
    ("tamper", "places", "words"),
    [
        (change, ["#/events/1"], r"Event 2 \(approved\) is not what was written"),
        (change_with_hash, ["#/events/2"], r"Event 3 \(live\) does not follow the event before it"),
        (take_out, ["#/events/1"], "Event 3 .live. stands behind event 1: event 2 is missing"),
        (take_out_first, ["#/events/0"], "stands behind event 0: event 1 is missing"),
        (cut, ["#/events"], "the exposure had 3 events; event 3 is cut off"),
        (cut_all, ["#/events"], "events 1 to 3 are cut off"),
        (swap, ["#/events/0", "#/events/1", "#/events/2"], "out of order"),
        (repeat, ["#/events/1"], "out of order, or there twice"),
        (forge_behind, ["#/exposure/head_seq"], "knows of 3 events, and there is event 4"),
        (bring_from_elsewhere, ["#/events/2"], "belongs to exposure other"),
        (move_head, ["#/exposure/head_hash"], "The exposure's last event has the hash sha256:0"),
        (change_manifest, ["#/revisions/0/digest"], "Revision 1 is not what was read"),
        (change_lifetime, ["#/revisions/0/digest"], "Revision 1 is not what was read"),
        (change_cluster, ["#/revisions/0/digest"], "Revision 1 is not what was read"),
        (change_digest, ["#/revisions/0/digest"], "Revision 1 is sha256:0, its events tell of sha256:"),
        (spoil_spec, ["#/revisions/0/digest"], "its content gives no digest"),
        (take_out_revision, ["#/events/0/revision"], "tells of revision 1, which is missing"),
        (put_in_revision, ["#/revisions/1/digest"], "No event tells of revision 2"),
        (put_in_review, ["#/reviews/1"], "by mallory is told of by no event"),
        (review_by_requester, ["#/reviews/0"], "by ada is told of by no event"),
        (change_what_was_read, ["#/reviews/0/digest"], "was written for sha256:0"),
        (approve_silently, ["#/revisions/0/decision"], "is live, and no event tells that it was approved"),
    ],
)
def test_tampering_is_found_with_its_place(
    tamper: Callable[[Document], None], places: list[str], words: str
) -> None:
    document = deepcopy(make_kept())
    tamper(document)
    faults = check(document)
    assert set(places) <= {fault.pointer for fault in faults}
    assert [fault.detail for fault in faults if re.search(words, fault.detail)]


def test_what_is_whole_has_no_fault() -> None:
    assert check(make_kept()) == []


def test_an_automatic_approval_is_told_by_the_policy() -> None:
    review = {**make_kept()["reviews"][0], "reviewer": {"kind": "policy", "person": "policy:node-port@1"}}
    told = (("requested", "person", "ada"), ("approved", "policy", "policy:node-port@1"))
    assert check(make_kept(*told, reviews=[review])) == []


@pytest.mark.parametrize("document", [None, 7, [], {}, {"exposure": [], "events": {}}])
def test_what_is_no_evidence_is_told_and_not_thrown(document: object) -> None:
    assert check(document) != []


@pytest.mark.parametrize("value", [None, "", [], {}, 1e300, True, -1])
@pytest.mark.parametrize("section", sorted(NEEDED))
def test_a_field_of_another_kind_is_told_and_not_thrown(section: str, value: object) -> None:
    for name in NEEDED[section]:
        document = deepcopy(make_kept())
        item = document[section] if section == "exposure" else document[section][0]
        item[name] = value
        check(document)
        del item[name]
        assert f"#/{section}{'' if section == 'exposure' else '/0'}/{name}" in found(document)


def signed(signer: Signer = SIGNER) -> Document:
    return signer.signed({"format": FORMAT, **make_kept()})


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


@pytest.mark.parametrize("trusted", [SIGNER.public, None], ids=["our key", "its own key"])
def test_any_changed_value_of_a_signed_document_is_found(trusted: Verifier | None) -> None:
    whole = signed()
    assert audit_document(whole, trusted) == []
    for path in leaves(whole):
        changed = deepcopy(whole)
        item: Any = changed
        for step in path[:-1]:
            item = item[step]
        value = item[path[-1]]
        item[path[-1]] = value[:-3] + "AAA" if isinstance(value, str) and len(value) > 80 else [value]
        try:
            assert audit_document(changed, trusted) != [], path
        except Malformed:
            assert path == ("signature", "public_key")


def test_a_document_that_somebody_else_signed_is_whole_and_not_ours() -> None:
    forged = signed(FORGER)
    assert audit_document(forged, None) == []
    [fault] = audit_document(forged, SIGNER.public)
    assert fault.pointer == "#/signature/key_id"
    assert FORGER.public.key_id in fault.detail


def test_a_signature_moved_to_another_document_does_not_fit() -> None:
    forged = {**signed(FORGER), "made_at": "now", "signature": signed()["signature"]}
    assert [fault.pointer for fault in audit_document(forged, SIGNER.public)] == ["#/signature/value"]


def test_the_same_signature_written_another_way_is_refused() -> None:
    document = signed()
    value = document["signature"]["value"]
    document["signature"]["value"] = value[:-3] + chr(ord(value[-3]) + 1) + "=="
    assert [fault.pointer for fault in audit_document(document, None)] == ["#/signature/value"]


@pytest.mark.parametrize("signature", [None, {}, {"algorithm": "none"}, "x"])
def test_a_document_without_a_signature_shows_nothing(signature: object) -> None:
    document = {**signed(), "signature": signature}
    with pytest.raises(Malformed, match="no signature with its key"):
        audit_document(document, None)
    assert [fault.pointer for fault in audit_document(document, SIGNER.public)] == ["#/signature"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b'{"format": "other"}',
        b'{"format": NaN}',
        b'{"format": "wharfinger.dev/evidence/v1", "format": "wharfinger.dev/evidence/v1"}',
        b"[" * 100_000,
    ],
)
def test_a_file_that_is_no_evidence_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_evidence(data)


def test_a_document_nested_too_deep_is_refused() -> None:
    deep: Any = {}
    for _ in range(3000):
        deep = {"x": deep}
    with pytest.raises(Malformed, match="nested too deep"):
        audit_document({**signed(), "more": deep}, None)


@pytest.mark.parametrize("pem", ["", "x", RSA, new_key(bytes(32))])
def test_a_text_that_is_no_public_key_is_refused(pem: str) -> None:
    with pytest.raises(Malformed, match="no public key"):
        Verifier.of_pem(pem)


@pytest.mark.parametrize("pem", ["", "secret", SIGNER.public.pem])
def test_a_text_that_is_no_private_key_is_refused_and_not_repeated(pem: str) -> None:
    with pytest.raises(Unavailable, match="openssl genpkey -algorithm ed25519") as caught:
        Signer.of_pem(pem)
    assert "secret" not in str(caught.value)


def test_a_key_is_known_by_the_hash_of_its_der_form() -> None:
    body = "".join(SIGNER.public.pem.splitlines()[1:-1])
    assert SIGNER.public.key_id == sha256(base64.b64decode(body))
