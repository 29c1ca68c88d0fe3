"""The sockets: made to match the routes, each with the connections that came through it."""

import asyncio
import contextlib
import os
import random
import sys
import time
from typing import Any, Protocol

from devcluster.forwarder.routes import NODE_ADDRESS, Key, Route

_CHUNK = 64 * 1024
_UDP_IDLE_SECONDS = 60.0


class Listener(Protocol):
    """One open socket that passes on what it gets."""

    route: Route

    def change(self, route: Route) -> None:
        """Take a new route; what it does not cover is cut."""

    def close(self) -> None:
        """Stop listening and cut everything."""


class Listeners:
    """All listeners. What cannot be bound is told once, and tried again at each ``match``."""

    def __init__(self) -> None:
        self._open: dict[Key, Listener] = {}
        self._told: dict[Key, str] = {}

    async def match(self, routes: dict[Key, Route]) -> bool:
        """Close what is asked for no more and open what is new; return whether all could be opened."""
        for key in [key for key in self._open if key not in routes]:
            self._open.pop(key).close()
        self._told = {key: text for key, text in self._told.items() if key in routes}
        for key, route in routes.items():
            if key in self._open:
                self._open[key].change(route)
            else:
                await self._bind(key, route)
        return len(self._open) == len(routes)

    async def _bind(self, key: Key, route: Route) -> None:
        try:
            self._open[key] = await (open_tcp if key.protocol == "TCP" else open_udp)(key, route)
        except OSError as error:
            text = f"cannot listen on {key.address}:{key.port}/{key.protocol} for Service {route.owner}"
            reason = os.strerror(error.errno) if error.errno else str(error)  # asyncio repeats the address
            text = f"{text}: {reason}; trying again every second"
            if self._told.get(key) != text:
                sys.stderr.write(f"forwarder: {text}\n")
                sys.stderr.flush()
            self._told[key] = text
        else:
            self._told.pop(key, None)


class TcpListener:
    """Each connection goes to one backend; half-closing is passed on."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], tuple[str, int]] = {}

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until both sides have ended, or the route no longer covers it."""
        client = writer.get_extra_info("peername")
        task = asyncio.current_task()
        if client is None or task is None or not self.route.admits(client[0]):
            writer.transport.abort()
            return
        backend = random.choice(self.route.backends)  # noqa: S311 -- spreads load
        self._connections[task] = (client[0], backend)
        try:
            await _join(reader, writer, backend)
            writer.close()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            del self._connections[task]

    def change(self, route: Route) -> None:
        """Take a new route; connections that it does not cover are cut."""
        if route == self.route:
            return
        self.route = route
        for task, (client, backend) in self._connections.items():
            if backend not in route.backends or not route.admits(client):
                task.cancel()

    def close(self) -> None:
        """Stop listening and cut every connection."""
        if self.server:
            self.server.close()
        for task in self._connections:
            task.cancel()


class UdpListener(asyncio.DatagramProtocol):
    """Each client address has a socket of its own to a backend, so that answers find their way back."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._transport: asyncio.DatagramTransport | None = None
        self._clients: dict[tuple[str, int], _UdpClient] = {}

    def connection_made(self, transport: Any) -> None:
        """Keep the socket."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Pass one datagram on."""
        self._forget_idle()
        if not self.route.admits(addr[0]):
            return
        if addr not in self._clients and self._transport:
            self._clients[addr] = _UdpClient(self._transport, addr, random.choice(self.route.backends))  # noqa: S311
        self._clients[addr].send(data)

    def change(self, route: Route) -> None:
        """Take a new route; clients that it does not cover are forgotten."""
        if route == self.route:
            return
        self.route = route
        for address, client in list(self._clients.items()):
            if client.backend not in route.backends or not route.admits(address[0]):
                self._clients.pop(address).close()

    def close(self) -> None:
        """Stop listening and forget every client."""
        if self._transport:
            self._transport.abort()
        for client in self._clients.values():
            client.close()
        self._clients = {}

    def _forget_idle(self) -> None:
        limit = time.monotonic() - _UDP_IDLE_SECONDS
        for address in [address for address, client in self._clients.items() if client.used < limit]:
            self._clients.pop(address).close()


class _UdpClient(asyncio.DatagramProtocol):
    """One client's socket to its backend; what comes before it is connected waits."""

    def __init__(self, front: asyncio.DatagramTransport, client: tuple[str, int], backend: int) -> None:
        self.backend = backend
        self.used = time.monotonic()
        self._front = front
        self._client = client
        self._waiting: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._connecting = asyncio.ensure_future(self._connect())

    def send(self, data: bytes) -> None:
        self.used = time.monotonic()
        if self._transport:
            self._transport.sendto(data)
        else:
            self._waiting.append(data)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 -- asyncio's names
        self.used = time.monotonic()
        self._front.sendto(data, self._client)

    def close(self) -> None:
        self._connecting.cancel()
        if self._transport:
            self._transport.abort()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        remote = (NODE_ADDRESS, self.backend)
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=remote)
        for data in self._waiting:
            self._transport.sendto(data)
        self._waiting = []


async def open_tcp(key: Key, route: Route) -> TcpListener:
    """Listen for TCP."""
    listener = TcpListener(route)
    listener.server = await asyncio.start_server(listener.accept, key.address, key.port)
    return listener


async def open_udp(key: Key, route: Route) -> UdpListener:
    """Listen for UDP."""
    loop = asyncio.get_running_loop()
    address = (key.address, key.port)
    _, listener = await loop.create_datagram_endpoint(lambda: UdpListener(route), local_addr=address)
    return listener


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, backend: int) -> None:
    """Copy both ways until both have ended."""
    inner_reader, inner_writer = await asyncio.open_connection(NODE_ADDRESS, backend)
    there = asyncio.ensure_future(_copy(reader, inner_writer))
    back = asyncio.ensure_future(_copy(inner_reader, writer))
    try:
        await asyncio.gather(there, back)
    finally:
        there.cancel()
        back.cancel()
        inner_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
