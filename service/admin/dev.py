"""``wharfinger dev``: everything on one machine, as real processes, and nothing left of it afterwards.

PostgreSQL and the control plane come from ``devcluster``, which stands in the repository, not in the wheel.
Each run begins afresh, because ledger and cluster belong together: what an earlier run left in .dev/ goes.
"""

import fcntl
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from sqlalchemy import make_url

from service.admin.dev_cluster import DevCluster, own_cluster, real_cluster
from service.admin.dev_seed import seed, write_env, write_secret
from service.admin.migrate import migrate
from service.admin.schema_state import schema_state
from service.admin.story import Story, StoryFailed
from service.settings import Settings, read_settings
from service.workflow.signing import new_key

HOME = Path(".dev")
SIGNING_KEY = "signing-key.pem"
CLEARED = ("env", "log", "postgres", "cluster", SIGNING_KEY)
START_SECONDS = 30.0
LOOK_SECONDS = 0.5
HOST = "127.0.0.1"


def say(text: str) -> None:
    """Tell a person how far it is."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def run(*, port: int, demo: bool, once: bool) -> int:
    """Start everything; play the story if asked; stay until Ctrl-C unless ``once``. Return the exit code."""
    try:
        from devcluster import DevclusterError
    except ImportError:
        raise SystemExit(
            "wharfinger dev needs devcluster, which is in the repository, not in the wheel: run it there."
        ) from None
    settings = read_settings()
    _on_interrupt(_interrupt)
    with ExitStack() as stack:
        try:
            _check_free(port)
            stack.enter_context(_alone())
            world = _start(stack, settings, port)
            return _play(world, once) if demo else _stay(world)
        except KeyboardInterrupt:
            say("\nStopping.")
            return 130 if once else 0
        except DevclusterError as error:
            raise SystemExit(f"wharfinger dev: {error}") from error
        finally:
            _on_interrupt(signal.SIG_IGN)  # the parts stop in peace: a few seconds, and it ends by itself


@dataclass(frozen=True, slots=True)
class DevWorld:
    """What runs: what .dev/env says, the cluster, and the processes that must not end by themselves."""

    values: Mapping[str, str]
    cluster: DevCluster
    parts: Sequence[Any]


def _start(stack: ExitStack, settings: Settings, port: int) -> DevWorld:
    """Start the parts in their order."""
    url = _database(stack, settings)
    if settings.kubeconfig is None:
        cluster = own_cluster(stack, HOME, say)
    else:
        cluster = real_cluster(settings.kubeconfig, say)
    tokens = seed(url)
    if settings.signing_key is None:
        write_secret(HOME / SIGNING_KEY, new_key(os.urandom(32)))
    address = f"http://{HOST}:{port}"
    environment = {
        **os.environ,
        "WHARFINGER_DATABASE_URL": url,
        "WHARFINGER_BIND": f"{HOST}:{port}",
        "WHARFINGER_PROCESSES": "2",
        "WHARFINGER_KUBECONFIG": str(cluster.worker_kubeconfig),
        **({} if settings.signing_key else {"WHARFINGER_SIGNING_KEY_FILE": str(HOME / SIGNING_KEY)}),
    }
    say("Starting api and worker (logs in .dev/log/).")
    parts = {name: _part(stack, name, environment) for name in ("api", "worker")}
    _wait_until_ready(address, parts)
    values = {
        "WHARFINGER_URL": address,
        **tokens,
        "KUBECONFIG": str(cluster.kubeconfig),
        "KUBECTL": cluster.kubectl,
        "WHARFINGER_DATABASE_URL": url.replace("+psycopg", ""),
    }
    write_env(HOME / "env", values)
    stack.callback((HOME / "env").unlink, missing_ok=True)
    return DevWorld(values, cluster, list(parts.values()))


def _database(stack: ExitStack, settings: Settings) -> str:
    """Return the URL of api and worker, its schema at head."""
    if settings.database_url is not None and not _is_left_over(settings.database_url):
        if settings.migration_database_url is not None:
            migrate(settings.migration_database_url)
        from service.wiring import engine_of

        engine = engine_of(settings)
        problem = schema_state(engine)
        engine.dispose()
        if problem:
            raise SystemExit(f"WHARFINGER_DATABASE_URL: {problem} (or set WHARFINGER_MIGRATION_DATABASE_URL)")
        say("PostgreSQL: WHARFINGER_DATABASE_URL.")
        return settings.database_url
    from devcluster.postgres import EmbeddedPostgres

    say("Starting PostgreSQL (data in .dev/postgres/).")
    postgres = stack.enter_context(EmbeddedPostgres(HOME / "postgres"))
    migrate(postgres.owner_url)
    return str(postgres.app_url)


def _is_left_over(url: str) -> bool:
    """Return whether a shell still has the URL of an earlier run, whose PostgreSQL has ended with it."""
    from devcluster.postgres import LOGIN

    address = make_url(url)
    if address.username != LOGIN or address.host != HOST or address.port is None:
        return False
    with socket.socket() as probe:
        left_over = probe.connect_ex((HOST, address.port)) != 0
    if left_over:
        say("WHARFINGER_DATABASE_URL is that of an earlier wharfinger dev, which has ended: passed over.")
    return left_over


def _part(stack: ExitStack, name: str, environment: Mapping[str, str]) -> Any:
    from devcluster.processes import Child

    log = HOME / "log" / f"{name}.log"
    child = Child(name, [sys.executable, "-m", "service", name], log, environment)
    stack.callback(child.stop)
    return child


def _wait_until_ready(address: str, parts: Mapping[str, Any]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        for part in parts.values():
            if part.exit_code() is not None:
                raise SystemExit(
                    f"wharfinger {part.name} ended at once. The end of {part.log}:\n{part.tail()}"
                )
        try:
            if urllib3.request("GET", f"{address}/readyz", timeout=2, retries=False).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"The api is not ready after {START_SECONDS:.0f} s; see .dev/log/api.log.")
        time.sleep(0.1)


def _play(world: DevWorld, once: bool) -> int:
    story = Story(world.values, partial(print, end="", flush=True), traffic=world.cluster.has_traffic)
    try:
        story.play(["NodePort", "ClusterIP", "LoadBalancer"] if once else ["NodePort"])
    except StoryFailed as failure:
        say(f"The story went wrong: {failure}\nLogs: .dev/log/")
        return 1
    return 0 if once else _stay(world)


def _stay(world: DevWorld) -> int:
    """Print how to go on, and wait for Ctrl-C, or for a part to end that should not."""
    values = world.values
    say(
        f"""
Up. The api answers at {values["WHARFINGER_URL"]}; everything to try it stands in .dev/env:

  . .dev/env
  curl -s -H "Authorization: Bearer $REQUESTER" $WHARFINGER_URL/v1/exposures
  curl -s -H "Authorization: Bearer $REQUESTER" $WHARFINGER_URL/v1/clusters/dev/node-ports
  $KUBECTL get services --namespace team-a

Tokens: $REQUESTER (team-a), $OTHER_REQUESTER (team-b), $APPROVER, $SECOND_APPROVER, $ADMIN. The README goes
on from here; {values["WHARFINGER_URL"]}/docs lists every operation. Ctrl-C stops everything."""
    )
    for name in ("REQUESTER", "OTHER_REQUESTER", "APPROVER", "SECOND_APPROVER", "ADMIN"):
        say(f"  {name}={values[name]}")
    while True:
        time.sleep(LOOK_SECONDS)
        for part in world.parts:
            if part.exit_code() is not None:
                say(f"wharfinger {part.name} has ended. The end of {part.log}:\n{part.tail()}")
                return 1


@contextmanager
def _alone() -> Iterator[None]:
    """Hold .dev/ for this run alone, and clear away what an earlier one left."""
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SystemExit(
                f"Another wharfinger dev runs in {HOME}/ (pid {lock.read().strip()}). Stop that first."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        stale = [HOME / name for name in CLEARED if (HOME / name).exists()]
        if stale:
            say(f"Clearing away what an earlier run left in {HOME}/: {', '.join(p.name for p in stale)}.")
        for path in stale:
            path.unlink() if path.is_file() else shutil.rmtree(path)
        (HOME / "log").mkdir()
        yield


def _check_free(port: int) -> None:
    """Refuse a port that something listens on, before anything is started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SystemExit(
                f"Port {port} on {HOST} cannot be used ({error.strerror}). "
                "Stop what uses it, or choose another: wharfinger dev --port N, make demo PORT=N."
            ) from None


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _on_interrupt(handler: Any) -> None:
    """Set what ends us. SIGINT as well: a shell starts its background jobs with that one ignored."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, handler)
