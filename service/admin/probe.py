"""``wharfinger cluster probe``: asks a kube-apiserver which node ports it gives out.

No API shows the range. But who asks for a number outside of it is told what it is, by a real create only: a
dry run does not look. So this asks for numbers that no range is likely to have, and takes away what is made
all the same: a few times, for it may be changed in between or the answer may be lost.
"""

import re
import time
from collections.abc import Callable

import click

from service.cluster.gateway import Gateway
from service.domain.errors import (
    ClusterAway,
    ClusterError,
    NotFound,
    ObjectChanged,
    ObjectMissing,
    PortAllocated,
    WebhookFailed,
    WriteRefused,
)
from service.domain.ports import Pool
from service.domain.spec import Document
from service.settings import read_settings

LOWEST, HIGHEST = 1, 65535
TRIES, PAUSE_SECONDS = 5, 1.0
_RANGE = re.compile(r"range of valid ports is (\d+)-(\d+)")


def find_range(
    gateway: Gateway, namespace: str, name: str, wait: Callable[[float], object] = time.sleep
) -> Pool:
    """Return the node ports that a cluster gives out.

    Args:
        namespace: one that is there.
        name: of the Service that is asked for; nobody else's.
        wait: lets so many seconds pass before the Service is to be deleted once more.

    Raises:
        ClusterError: the cluster does not say: its own words. Or the Service may still be there.
    """
    for number in (LOWEST, HIGHEST):
        try:
            gateway.create(_service(namespace, name, number))
        except PortAllocated:
            continue  # it is in the range, and somebody has it
        except WriteRefused as error:
            if found := _RANGE.search(str(error)):
                return Pool(int(found[1]), int(found[2]))
            raise
        except ClusterAway:
            _clear_away(gateway, namespace, name, wait)
            raise
        _clear_away(gateway, namespace, name, wait)
    return Pool(LOWEST, HIGHEST)  # it takes both ends


def _clear_away(gateway: Gateway, namespace: str, name: str, wait: Callable[[float], object]) -> None:
    """Delete what a create, with or without an answer, may have made.

    Raises:
        ClusterError: it may still be there; the message says what is to be done.
    """
    for tried in range(1, TRIES + 1):
        try:
            made = gateway.service(namespace, name)
            if made is not None:
                gateway.delete(namespace, name, made["metadata"]["uid"], made["metadata"]["resourceVersion"])
        except ObjectMissing:
            return
        except ClusterError as error:
            if tried == TRIES or not isinstance(error, (ObjectChanged, ClusterAway, WebhookFailed)):
                raise type(error)(
                    f"Service {namespace}/{name}, asked for to find them, may be left behind: {error}. "
                    f"Delete it: kubectl --namespace {namespace} delete service {name} --ignore-not-found"
                ) from error
            wait(PAUSE_SECONDS)
        else:
            return


def _service(namespace: str, name: str, number: int) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP", "nodePort": number}]},
    }


@click.command()
@click.argument("name")
@click.option(
    "--namespace",
    default="wharfinger",
    show_default=True,
    help="Where the Service is asked for, which is refused; the worker's own namespace.",
)
def probe(name: str, namespace: str) -> None:
    """Print the node ports that a cluster really gives out; exit 1 when they are configured otherwise.

    It asks the kube-apiserver for a Service with an impossible node port, and reads the refusal.
    """
    import os

    from service.store import identities
    from service.wiring import admin_transactions, cluster_gateway

    settings = read_settings()
    with admin_transactions(settings)() as session:
        cluster = identities.cluster(session, name)
    if cluster is None:
        raise NotFound(f"There is no cluster {name}. wharfinger cluster list shows those that there are.")
    with cluster_gateway(settings, cluster) as gateway:
        try:
            pool = find_range(gateway, namespace, f"wharfinger-probe-{os.urandom(4).hex()}")
        except ObjectMissing as error:
            raise NotFound(f"Cluster {name}: {error}. Choose one that is there: --namespace NAME.") from error
        except ClusterError as error:
            raise type(error)(f"Cluster {name} does not tell its node ports: {error}") from error
    click.echo(str(pool))
    if pool == cluster.pool:
        click.echo(f"Cluster {name} gives out node ports {pool}, as configured.", err=True)
        return
    context = f" --context {cluster.context}" if cluster.context else ""
    click.echo(
        f"Cluster {name} gives out node ports {pool}, but {cluster.pool} is configured. Put it right: "
        f"wharfinger cluster add {name} --node-ports {pool}{context}\n"
        "What has a number outside of the new range keeps it, and stays in the ledger.",
        err=True,
    )
    raise SystemExit(1)
