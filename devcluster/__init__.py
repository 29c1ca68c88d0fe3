"""A real Kubernetes control plane on loopback, for development and tests only.

The production wheel has no devcluster, and it imports nothing of ``service``: the two meet in a kubeconfig.
``python -m devcluster`` is the command; ``ControlPlane`` and ``Forwarder`` are for programs.
"""

from devcluster.control_plane import ControlPlane
from devcluster.errors import ApiAway, ApiRefused, BuildFailed, DevclusterError, GoMissing, StartFailed
from devcluster.forwarder import Forwarder

__all__ = [
    "ApiAway",
    "ApiRefused",
    "BuildFailed",
    "ControlPlane",
    "DevclusterError",
    "Forwarder",
    "GoMissing",
    "StartFailed",
]
