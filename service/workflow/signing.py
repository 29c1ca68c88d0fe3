"""Signatures over JSON documents: Ed25519 over the canonical JSON of everything but the signature itself.

A document carries the key that it was signed with, so that anybody can see whether it is whole. Who made it
is shown only by a key that came another way.
"""

import base64
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from service.domain.chain import canonical, sha256
from service.domain.errors import Fault, Malformed, Unavailable
from service.domain.spec import Document

ALGORITHM = "Ed25519"
SIGNATURE = "signature"


class Verifier:
    """A public key. ``key_id`` is SHA-256 over its DER form, as openssl writes it."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.key_id = sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        self.pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @classmethod
    def of_pem(cls, pem: str) -> "Verifier":
        """Return the verifier with the key of a PEM text.

        Raises:
            Malformed: it is none of Ed25519.
        """
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Malformed("This is no public key in PEM. GET /v1/evidence-keys serves it.") from error
        if not isinstance(key, Ed25519PublicKey):
            raise Malformed("This is no public key of Ed25519. GET /v1/evidence-keys serves the right one.")
        return cls(key)

    def faults(self, document: Document) -> list[Fault]:
        """Return what is wrong with a document's signature; nothing: this key signed it as it is."""
        signature: Any = document.get(SIGNATURE)
        if not isinstance(signature, dict) or signature.get("algorithm") != ALGORITHM:
            return [Fault(f"#/{SIGNATURE}", f"There is no {ALGORITHM} signature.")]
        if (signature.get("key_id"), signature.get("public_key")) != (self.key_id, self.pem):
            detail = f"It names the key {signature.get('key_id')}, and has to be signed with {self.key_id}."
            return [Fault(f"#/{SIGNATURE}/key_id", detail)]
        value = str(signature.get("value"))
        try:
            raw = base64.b64decode(value, validate=True)
            self._key.verify(raw, _signed_bytes(document))
        except (InvalidSignature, ValueError):
            raw = b""
        if base64.b64encode(raw).decode() != value:  # base64 has more than one way to write the same bytes
            detail = "The signature does not fit: the document is not what was signed with this key."
            return [Fault(f"#/{SIGNATURE}/value", detail)]
        return []


class Signer:
    """A private key, and the public one that belongs to it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = Verifier(key.public_key())

    @classmethod
    def of_pem(cls, pem: str) -> "Signer":
        """Return the signer with the key of a PEM text.

        Raises:
            Unavailable: it is none of Ed25519; what it says is not repeated.
        """
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise Unavailable(
                "WHARFINGER_SIGNING_KEY holds no Ed25519 private key in PEM without a password. "
                "Make one: openssl genpkey -algorithm ed25519 -out signing-key.pem"
            )
        return cls(key)

    def signed(self, document: Document) -> Document:
        """Return a document with its signature."""
        signature = {
            "algorithm": ALGORITHM,
            "key_id": self.public.key_id,
            "public_key": self.public.pem,
            "value": base64.b64encode(self._key.sign(_signed_bytes(document))).decode(),
        }
        return {**document, SIGNATURE: signature}


def new_key(entropy: bytes) -> str:
    """Return a private key in PEM, made of 32 random bytes."""
    key = Ed25519PrivateKey.from_private_bytes(entropy)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _signed_bytes(document: Document) -> bytes:
    return canonical({name: value for name, value in document.items() if name != SIGNATURE})
