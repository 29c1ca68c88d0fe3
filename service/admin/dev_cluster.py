"""The cluster of ``wharfinger dev``: a control plane of its own with a workload, or one that is there."""

import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

NAMESPACES = ("team-a", "team-b")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DevCluster:
    """Where it is. ``has_traffic``: node ports and load balancer addresses answer on this machine."""

    kubeconfig: Path
    worker_kubeconfig: Path
    kubectl: str
    has_traffic: bool


def own_cluster(stack: ExitStack, home: Path, say: Say) -> DevCluster:
    """Start a control plane with a Node, and in each namespace a pod that answers with its team's name."""
    from devcluster import ControlPlane, Forwarder
    from devcluster.control_plane import NEEDED, find_binaries
    from devcluster.hello import serve_pod
    from devcluster.workload import add_node

    kubectl = find_binaries([*NEEDED, "kubectl"])["kubectl"]
    say("Starting the control plane (etcd, kube-apiserver, kube-controller-manager).")
    control_plane = stack.enter_context(ControlPlane(data_dir=home / "cluster"))
    add_node(control_plane.client("admin"))
    for number, namespace in enumerate(NAMESPACES):
        control_plane.add_namespace(namespace)
        stack.enter_context(serve_pod(control_plane, namespace, number))
    stack.enter_context(Forwarder(control_plane))
    return DevCluster(
        kubeconfig=control_plane.kubeconfig("admin"),
        worker_kubeconfig=control_plane.kubeconfig("worker"),
        kubectl=str(kubectl),
        has_traffic=True,
    )


def real_cluster(kubeconfig: Path, say: Say) -> DevCluster:
    """Use a cluster that is there: make the two namespaces, nothing else.

    Raises:
        SystemExit: there is no kubectl, or it cannot make them.
    """
    program = shutil.which("kubectl")
    if program is None:
        raise SystemExit("kubectl is not on the PATH; it is needed with WHARFINGER_KUBECONFIG.")
    say(f"Using the cluster of {kubeconfig}.")
    for namespace in NAMESPACES:
        command = [program, "--kubeconfig", str(kubeconfig), "create", "namespace", namespace]
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        if made.returncode and "AlreadyExists" not in made.stderr:
            raise SystemExit(f"Namespace {namespace} cannot be made: {made.stderr.strip()}")
    return DevCluster(kubeconfig.absolute(), kubeconfig.absolute(), program, has_traffic=False)
