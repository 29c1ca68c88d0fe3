"""Evidence of an exposure for people outside, and the audit of everything that is kept."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from service.domain.chain import stamp
from service.domain.errors import Fault, Malformed, Unavailable
from service.domain.evidence import FORMAT, check
from service.domain.principal import Principal
from service.domain.spec import Document
from service.store import evidence as store
from service.store.database import one_moment
from service.workflow import read
from service.workflow.signing import SIGNATURE, Signer, Verifier

NO_KEY = (
    "Evidence is signed, and this Wharfinger has no key. Its operator sets WHARFINGER_SIGNING_KEY_FILE to a "
    "file that `openssl genpkey -algorithm ed25519` has written, and starts the api again."
)


def evidence(
    session: Session, exposure_id: UUID, principal: Principal, signer: Signer | None, now: datetime
) -> Document:
    """Return everything that is kept of an exposure in one signed document, also after its end.

    Raises:
        NotFound: see ``check_visible``.
        Unavailable: there is no key to sign with.
    """
    one_moment(session)
    read.exposure(session, exposure_id, principal)
    if signer is None:
        raise Unavailable(NO_KEY)
    kept = store.kept(session, [exposure_id])[exposure_id]
    return signer.signed({"format": FORMAT, "made_at": stamp(now), **kept})


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with what is kept of an exposure."""

    exposure_id: UUID
    fault: Fault


def audit(session: Session, ids: Sequence[UUID]) -> tuple[list[Finding], int]:
    """Return what is wrong with these exposures, and how many events they have."""
    one_moment(session)
    kept = store.kept(session, ids)
    return list(_findings(ids, kept)), sum(len(document["events"]) for document in kept.values())


def _findings(ids: Sequence[UUID], kept: dict[UUID, Document]) -> Iterator[Finding]:
    for exposure_id in ids:
        if exposure_id not in kept:
            yield Finding(exposure_id, Fault("#", "There is no such exposure."))
        else:
            yield from (Finding(exposure_id, fault) for fault in check(kept[exposure_id]))


def read_evidence(data: bytes) -> Document:
    """Return the document that a file holds.

    Raises:
        Malformed: it is no evidence, or JSON that two readers would read differently.
    """
    try:
        document = json.loads(data, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"This is no JSON document: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Malformed(f"This is no evidence of an exposure: it does not begin with the format {FORMAT}.")
    return document


def audit_document(document: Document, trusted: Verifier | None) -> list[Fault]:
    """Return what is wrong with evidence.

    Args:
        trusted: the key that has to have signed it; None: the one that it brings, which shows only that the
            document is whole.

    Raises:
        Malformed: it brings no key, or is nested too deep.
    """
    try:
        return [*(trusted or brought_key(document)).faults(document), *check(document)]
    except RecursionError as error:
        raise Malformed("This document is nested too deep.") from error


def brought_key(document: Document) -> Verifier:
    """Return the key that evidence brings.

    Raises:
        Malformed: there is none.
    """
    signature: Any = document.get(SIGNATURE)
    pem = signature.get("public_key") if isinstance(signature, dict) else None
    if not isinstance(pem, str):
        raise Malformed("This evidence has no signature with its key: it shows nothing.")
    return Verifier.of_pem(pem)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name is there twice in one object")
    return result


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")
