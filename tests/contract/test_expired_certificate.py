"""An apiserver whose certificate has expired is away and says so; renewed, it is back by itself."""

import base64
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.cluster.gateway import Kind
from service.cluster.real import KubernetesGateway, open_gateway
from service.domain.errors import ClusterAway

NONE = {"kind": "ServiceList", "metadata": {"resourceVersion": "7"}, "items": []}
AUTHORITY, KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
NOW = datetime.now(UTC)


def certificate(until: datetime, name: str = "kube-apiserver", *, is_authority: bool = False) -> bytes:
    """Return one that the authority has signed, for loopback, valid until then."""
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, "authority")]
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key((AUTHORITY if is_authority else KEY).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=365))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(AUTHORITY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


class Answers(BaseHTTPRequestHandler):
    """Says that there is nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps(NONE).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Apiserver(ThreadingHTTPServer):
    """Speaks TLS with the certificate that it was given last."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self._chain = folder / "chain.pem"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def use(self, pem: bytes) -> None:
        """Use this one from now on."""
        plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self._chain.write_bytes(pem + KEY.private_bytes(*plain))
        self._context.load_cert_chain(self._chain)

    def get_request(self) -> tuple[ssl.SSLSocket, object]:
        connection, address = self.socket.accept()
        return self._context.wrap_socket(connection, server_side=True), address

    def handle_error(self, *_: object) -> None:
        """Say nothing: who does not trust us hangs up."""


@pytest.fixture
def apiserver(tmp_path: Path) -> Iterator[Apiserver]:
    with Apiserver(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def gateway(apiserver: Apiserver, tmp_path: Path) -> KubernetesGateway:
    """Give a gateway that trusts the authority."""
    authority = certificate(NOW + timedelta(days=1), "authority", is_authority=True)
    url = f"https://127.0.0.1:{apiserver.server_port}"
    trusted = {"server": url, "certificate-authority-data": base64.b64encode(authority).decode()}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": trusted}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document))
    return open_gateway(path, None)


def test_an_expired_certificate_is_named_and_a_renewed_one_needs_no_restart(
    apiserver: Apiserver, gateway: KubernetesGateway
) -> None:
    apiserver.use(certificate(NOW - timedelta(hours=1)))
    with pytest.raises(ClusterAway) as error:
        gateway.list(Kind.SERVICES)

    apiserver.use(certificate(NOW + timedelta(days=1)))

    assert "certificate has expired" in str(error.value)
    assert f"https://127.0.0.1:{apiserver.server_port}" in str(error.value)
    assert list(gateway.list(Kind.SERVICES).items) == []
