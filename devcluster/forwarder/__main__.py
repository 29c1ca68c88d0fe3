"""``python -m devcluster.forwarder KUBECONFIG``: run the forwarder until the process that started it ends."""

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

from devcluster.client import Client, Document, open_client
from devcluster.errors import ApiAway, ApiRefused, DevclusterError
from devcluster.forwarder import READY_LINE
from devcluster.forwarder.listeners import Listeners
from devcluster.forwarder.routes import assign_addresses, find_routes
from devcluster.forwarder.watch import Watched

_RETRY_SECONDS = 1.0
_PATHS = {
    "services": "/api/v1/services",
    "slices": "/apis/discovery.k8s.io/v1/endpointslices",
    "pods": "/api/v1/pods",
}


async def run(client: Client) -> None:
    """Make the listeners match the cluster, for ever."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    kinds = {
        name: Watched(client, path, lambda: loop.call_soon_threadsafe(woken.set))
        for name, path in _PATHS.items()
    }
    for kind in kinds.values():
        kind.start()
    for kind in kinds.values():
        await loop.run_in_executor(None, kind.listed.wait)
    listeners, announced = Listeners(), False
    while True:
        woken.clear()
        services = kinds["services"].objects()
        written = await loop.run_in_executor(None, write_addresses, client, services)
        routes = find_routes(services, kinds["slices"].objects(), kinds["pods"].objects())
        settled = await listeners.match(routes) and written
        if not announced:
            sys.stdout.buffer.write(READY_LINE)
            sys.stdout.flush()
            announced = True
        try:
            await asyncio.wait_for(woken.wait(), None if settled else _RETRY_SECONDS)
        except TimeoutError:
            continue


def write_addresses(client: Client, services: list[Document]) -> bool:
    """Give new LoadBalancer Services their address; return whether all were written."""
    complete, start = True, urlsplit(client.url).port or 0
    for name, address in assign_addresses(services, start).items():
        namespace, _, service = name.partition("/")
        body = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
        try:
            client.request("PATCH", f"/api/v1/namespaces/{namespace}/services/{service}/status", body)
        except ApiRefused as error:
            complete = complete and error.status == 404  # deleted meanwhile
        except ApiAway:
            complete = False
    return complete


def main() -> int:
    """Run it; return an exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m devcluster.forwarder KUBECONFIG\n")
        return 2
    try:
        asyncio.run(run(open_client(Path(sys.argv[1]))))
    except DevclusterError as error:
        sys.stderr.write(f"forwarder: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
