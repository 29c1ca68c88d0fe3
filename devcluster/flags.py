"""The command lines of a control plane, and the files that they name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.certificates import Authority, make_token_keys
from devcluster.client import write_kubeconfig

SERVER_NAMES = ("localhost", "127.0.0.1", "kubernetes.default.svc", "10.0.0.1")
_CONTROLLERS = (
    "endpointslice-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "garbage-collector-controller",
    "resourcequota-controller",
)


@dataclass(frozen=True)
class Ports:
    """The loopback ports of one control plane."""

    etcd: int
    etcd_peer: int
    apiservers: tuple[int, ...]


@dataclass(frozen=True)
class Folder:
    """Where one control plane keeps its files."""

    root: Path

    @property
    def keys(self) -> Path:
        """Certificates, keys, and the controller manager's kubeconfig."""
        return self.root / "keys"

    def log(self, name: str) -> Path:
        """Return the log of one process."""
        return self.root / "logs" / f"{name}.log"

    def kubeconfig(self, user: str, apiserver: int = 1) -> Path:
        """Return the kubeconfig of one user at one apiserver."""
        return self.root / f"{numbered(user, apiserver)}.kubeconfig"


def numbered(name: str, number: int) -> str:
    """Return what the first one is called, the second one, and so on: ``name``, ``name-2``."""
    return name if number == 1 else f"{name}-{number}"


def write_keys(folder: Folder, urls: Sequence[str]) -> bytes:
    """Write new keys, and the kubeconfigs that need no running apiserver; return the CA's PEM.

    Args:
        urls: the apiservers'; the controller manager is given the first.
    """
    authority = Authority()
    server = authority.issue_server(SERVER_NAMES)
    private, public = make_token_keys()
    contents = {
        "ca.crt": authority.certificate,
        "apiserver.crt": server.certificate,
        "apiserver.key": server.key,
        "sa.key": private,
        "sa.pub": public,
    }
    folder.keys.mkdir(mode=0o700, exist_ok=True)
    for name, content in contents.items():
        (folder.keys / name).write_bytes(content)
    admin = authority.issue_client("admin", "system:masters")
    for number, url in enumerate(urls, start=1):
        write_kubeconfig(folder.kubeconfig("admin", number), url, authority.certificate, "admin", admin)
    manager = "system:kube-controller-manager"
    path = folder.keys / "controller-manager.kubeconfig"
    write_kubeconfig(path, urls[0], authority.certificate, manager, authority.issue_client(manager))
    proxy = "system:kube-proxy"
    path = folder.kubeconfig("kube-proxy")
    write_kubeconfig(path, urls[0], authority.certificate, proxy, authority.issue_client(proxy))
    return authority.certificate


def etcd_flags(folder: Folder, ports: Ports) -> list[str]:
    """Return etcd's flags. Without fsync a killed etcd still loses nothing; a power cut would."""
    clients, peers = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return [
        "--name=d",
        f"--data-dir={folder.root / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=d={peers}",
        "--unsafe-no-fsync",
    ]


def apiserver_flags(folder: Folder, ports: Ports, node_port_range: str, apiserver: int = 1) -> list[str]:
    """Return kube-apiserver's flags; several on one etcd differ in their port alone."""
    keys = folder.keys
    return [
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        f"--secure-port={ports.apiservers[apiserver - 1]}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--service-cluster-ip-range=10.0.0.0/16",
        f"--service-node-port-range={node_port_range}",
        "--authorization-mode=RBAC",
        f"--client-ca-file={keys / 'ca.crt'}",
        f"--tls-cert-file={keys / 'apiserver.crt'}",
        f"--tls-private-key-file={keys / 'apiserver.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys / 'sa.pub'}",
        f"--service-account-signing-key-file={keys / 'sa.key'}",
        "--allow-privileged=true",
        "--endpoint-reconciler-type=none",
    ]


def controller_manager_flags(folder: Folder) -> list[str]:
    """Return kube-controller-manager's flags: the controllers that Services, namespaces and quotas need."""
    return [
        f"--kubeconfig={folder.keys / 'controller-manager.kubeconfig'}",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={folder.keys / 'sa.key'}",
        f"--root-ca-file={folder.keys / 'ca.crt'}",
        "--secure-port=0",
        "--leader-elect=false",
        f"--controllers={','.join(_CONTROLLERS)}",
    ]
