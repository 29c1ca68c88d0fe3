"""Free loopback ports for the parts of a control plane."""

import socket
from contextlib import ExitStack


def free_ports(count: int, apart_from: str) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on now, outside a range that the forwarder may need.

    Somebody may take one before it is used; who uses them tries again with others.
    """
    first, last = (int(end) for end in apart_from.split("-"))
    found: list[int] = []
    with ExitStack() as held:  # all are held until the last is found, so that no two are equal
        while len(found) < count:
            listener = held.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            if not first <= port <= last:
                found.append(port)
    return found
